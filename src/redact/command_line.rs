//! Passwords as arguments of well-known commands.

/// Longest part of a command, in bytes, that is searched for its name or an option.
const MAX_COMMAND: usize = 200;

/// Returns true if the short option of the command that ends `before` is followed by a password: `sshpass -p X`, `mysql -pX`.
pub(super) fn takes_password(before: &str, option: &str) -> bool {
    let is_attached = !option.ends_with([' ', '\t']);
    let is = |letter| option.trim().ends_with(letter);
    command(before).any(|word| match word.rsplit('/').next().unwrap_or(word) {
        // `-p NAME` asks for the password of the database NAME.
        "mysql" | "mysqldump" | "mysqladmin" | "mariadb" | "mariadb-dump" => is('p') && is_attached,
        "sshpass" | "login" | "mongo" | "mongosh" => is('p'),
        "redis-cli" | "http" | "https" | "xh" => is('a'),
        "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapwhoami" => is('w'),
        _ => false,
    })
}

/// Returns true if a printed value, before `rest`, is piped into a command that reads a password.
pub(super) fn is_piped_password(rest: &str) -> bool {
    let line = clipped(rest).split('\n').next().unwrap_or_default();
    line.contains('|') && reads_password(line)
}

/// Returns true if the command that ends `before` reads a password, which a here-string gives it.
pub(super) fn takes_here_string(before: &str) -> bool {
    reads_password(end_of(before).rsplit('\n').next().unwrap_or_default())
}

/// Returns true if a command reads a password from its input.
fn reads_password(line: &str) -> bool {
    ["--password-stdin", "--with-token"].into_iter().any(|option| line.contains(option))
}

/// Words of the command that ends the text, last first.
fn command(text: &str) -> impl Iterator<Item = &str> {
    let command = end_of(text).rsplit(['\n', '|', ';', '&', '(', '`']).next().unwrap_or_default();
    command.split_whitespace().rev()
}

/// Returns the last part of a text that is searched.
fn end_of(text: &str) -> &str {
    let mut start = text.len().saturating_sub(MAX_COMMAND);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

fn clipped(text: &str) -> &str {
    let mut end = text.len().min(MAX_COMMAND);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
