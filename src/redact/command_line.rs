//! Passwords as arguments of well-known commands.

use std::ops::Range;

use super::value::{offset, unquoted, value_end};

/// Longest part of a command, in bytes, that is searched for its name or an option.
const MAX_COMMAND: usize = 200;

/// Commands with secrets among their arguments, which [`secret_arguments`] finds.
pub(super) const COMMANDS: &str = "vault|htpasswd|sqlplus|sqlldr|expdp|impdp|rman|mc|mcli|mysqladmin|rclone";

/// Returns true if the short option of the command that ends `before` is followed by a password: `sshpass -p X`, `mysql -pX`.
pub(super) fn takes_password(before: &str, option: &str) -> bool {
    let is_attached = !option.ends_with([' ', '\t']);
    let is = |letters| option.trim().strip_prefix('-') == Some(letters);
    command(before).any(|word| match word.rsplit('/').next().unwrap_or(word) {
        // `-p NAME` asks for the password of the database NAME.
        "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlcheck" | "mysqlshow" | "mariadb"
        | "mariadb-dump" | "mariadb-admin" => is("p") && is_attached,
        "7z" | "7za" | "7zr" | "7zz" | "rar" | "unrar" => (is("p") || is("hp")) && is_attached,
        "sshpass" | "login" | "mongo" | "mongosh" | "mongodump" | "mongorestore" | "mongoexport" | "mongoimport"
        | "twine" | "rabbitmqadmin" | "cqlsh" => is("p"),
        "zip" | "unzip" | "zipcloak" | "sqlcmd" | "bcp" | "isql" | "osql" | "tsql" | "ipmitool" => is("P"),
        "redis-cli" | "valkey-cli" | "http" | "https" | "xh" => is("a"),
        "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapdelete" | "ldapmodrdn" | "ldappasswd" | "ldapwhoami"
        | "ldapcompare" => is("w") || (is("s") && !is_attached && word.ends_with("ldappasswd")),
        // `-key` is another option.
        "openssl" => (is("k") || is("K")) && !is_attached,
        "influx" => is("t") && !is_attached,
        _ => false,
    })
}

/// Returns true if the command that ends `before` separates user and password by `separator` in its option `-U` or `-u`.
pub(super) fn separates_password(before: &str, separator: char) -> bool {
    command(before).any(|word| match word.rsplit('/').next().unwrap_or(word) {
        "smbclient" | "rpcclient" | "smbcacls" | "smbget" | "smbtree" | "net" | "winexe" | "wmic" => separator == '%',
        "lftp" => separator == ',',
        _ => false,
    })
}

/// Returns the secret arguments of a command, by their positions in `arguments`, which begin behind its name.
pub(super) fn secret_arguments(name: &str, arguments: &str) -> Vec<Range<usize>> {
    let words = words(arguments);
    let texts: Vec<&str> = words.iter().map(|word| unquoted(&arguments[word.clone()])).collect();
    // Arguments that are not options; values of options are among them.
    let others: Vec<usize> = (0..words.len()).filter(|at| !texts[*at].starts_with('-')).collect();
    let other = |at: usize| others.get(at).copied();
    let all_of = |at: usize| {
        let start = words[at].start + offset(&arguments[words[at].clone()], texts[at]);
        start..start + texts[at].len()
    };
    let is = |expected: &[&str]| {
        expected.iter().enumerate().all(|(at, word)| other(at).is_some_and(|at| texts[at] == *word))
    };
    let has_option = |letter| texts.iter().any(|text| is_short_option(text, letter));
    let secrets: Vec<usize> = match name {
        // Prose: "the vault login failed".
        "vault" if is(&["login"]) => {
            let is_prose = |text: &str| {
                text.contains('=') || text.bytes().all(|byte| byte.is_ascii_lowercase() || b".,:;".contains(&byte))
            };
            other(1).filter(|at| !is_prose(texts[*at])).into_iter().collect()
        }
        "vault" if is(&["kv", "put"]) || is(&["kv", "patch"]) || is(&["write"]) => {
            let is_setting = |at: &usize| texts[*at].split_once('=').is_some_and(|(_, value)| !value.starts_with('@'));
            return others
                .into_iter()
                .filter(is_setting)
                .map(|at| {
                    let range = all_of(at);
                    let start = range.start + texts[at].find('=').map_or(0, |equals| equals + 1);
                    let value = unquoted(&arguments[start..range.end]);
                    let start = start + offset(&arguments[start..range.end], value);
                    start..start + value.len()
                })
                .collect();
        }
        // `-b FILE USER PASSWORD`, or `-n -b USER PASSWORD`.
        "htpasswd" if has_option('b') && others.len() > 1 => others.last().copied().into_iter().collect(),
        "mc" | "mcli" if is(&["alias", "set"]) => [other(4), other(5)].into_iter().flatten().collect(),
        "mc" | "mcli" if is(&["config", "host", "add"]) => [other(5), other(6)].into_iter().flatten().collect(),
        "mysqladmin" => {
            let password = others.iter().position(|at| texts[*at] == "password");
            password.and_then(|at| other(at + 1)).into_iter().collect()
        }
        "rclone" if is(&["obscure"]) => other(1).into_iter().collect(),
        // `USER/PASSWORD@DATABASE`, but not `/ as sysdba` or `/nolog`.
        "sqlplus" | "sqlldr" | "expdp" | "impdp" | "rman" => {
            return others
                .into_iter()
                .filter_map(|at| {
                    let (user, rest) = texts[at]
                        .split_once('/')
                        .filter(|(user, _)| !user.is_empty() && !user.contains(['@', '.', ':', '=']))?;
                    let password = rest.rsplit_once('@').map_or(rest, |(password, _)| password);
                    let start = all_of(at).start + user.len() + 1;
                    (!password.is_empty()).then(|| start..start + password.len())
                })
                .collect();
        }
        _ => Vec::new(),
    };
    secrets.into_iter().map(all_of).collect()
}

fn is_short_option(text: &str, letter: char) -> bool {
    text.strip_prefix('-')
        .is_some_and(|letters| letters.chars().all(|c| c.is_ascii_alphabetic()) && letters.contains(letter))
}

/// Splits the rest of a command into words, up to its end or [`MAX_COMMAND`].
fn words(text: &str) -> Vec<Range<usize>> {
    let limit = clipped(text).len();
    let mut words = Vec::new();
    let mut at = 0;
    while at < limit {
        let rest = &text.as_bytes()[at..];
        match rest.first() {
            Some(b' ' | b'\t') => at += 1,
            Some(b'\\') if rest.get(1) == Some(&b'\n') => at += 2,
            _ => {
                let end = value_end(text, at);
                if end == at {
                    break;
                }
                words.push(at..end);
                at = end;
            }
        }
    }
    words
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
    const READERS: [&str; 9] = [
        "--password-stdin",
        "--with-token",
        "--passphrase-fd",
        "passwd --stdin",
        "chpasswd",
        "kinit",
        "sudo -S",
        "vault login -",
        "-pass stdin",
    ];
    READERS.into_iter().any(|reader| line.contains(reader))
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
