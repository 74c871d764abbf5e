//! Passwords among the arguments of commands that know them by their position: `vault login X`, `mc alias set NAME URL KEY X`.

use std::ops::Range;

use super::super::names::is_secret;
use super::super::value::{offset, unquoted, value_end};
use super::start_of;

/// Maximum number of arguments that are searched.
const MAX_ARGUMENTS: usize = 32;

/// Commands that [`secret_arguments`] knows.
pub(crate) const COMMANDS: &str = "vault|htpasswd|mosquitto_passwd|sqlplus|sqlcl|sqlldr|expdp|impdp|rman|mc|mcli|mysqladmin|rclone|openssl\
    |mkpasswd|bw|rabbitmqctl|redis-cli|valkey-cli|keydb-cli|nmcli|wpa_passphrase|xfreerdp|wfreerdp|pdftk|db2|cargo|cf|poetry|composer|fly\
    |flyctl|doppler|supabase|grafana-cli|nuget";

/// Command, words of a subcommand, and the indexes of the secret arguments after them. A word that ends with `*` matches by its prefix.
const POSITIONS: &[(&str, &str, &[usize])] = &[
    ("vault", "operator unseal", &[0]),
    ("vault", "token lookup", &[0]),
    ("vault", "token renew", &[0]),
    ("vault", "token revoke", &[0]),
    ("mc", "admin user add", &[1, 2]),
    ("mcli", "admin user add", &[1, 2]),
    ("mysqladmin", "password", &[0]),
    ("rclone", "obscure", &[0]),
    ("openssl", "passwd", &[0, 1]),
    ("openssl", "-hmac", &[0]),
    ("openssl", "-macopt", &[0]),
    ("openssl", "-psk", &[0]),
    ("bw", "login", &[1]),
    ("rabbitmqctl", "add_user", &[1]),
    ("rabbitmqctl", "change_password", &[1]),
    ("rabbitmqctl", "authenticate_user", &[1]),
    ("redis-cli", "auth", &[0, 1]),
    ("redis-cli", "requirepass", &[0]),
    ("redis-cli", "masterauth", &[0]),
    ("nmcli", "password", &[0]),
    ("nmcli", "wifi-sec.psk", &[0]),
    ("nmcli", "802-11-wireless-security.psk", &[0]),
    ("wpa_passphrase", "", &[1]),
    ("pdftk", "user_pw", &[0]),
    ("pdftk", "owner_pw", &[0]),
    ("pdftk", "input_pw", &[0]),
    ("db2", "using", &[0]),
    ("cf", "auth", &[1]),
    ("poetry", "http-basic.*", &[1]),
    ("poetry", "pypi-token.*", &[0]),
    ("composer", "http-basic.*", &[1]),
    ("composer", "github-oauth.*", &[0]),
    ("composer", "gitlab-token.*", &[0]),
    ("composer", "bearer.*", &[0]),
    ("grafana-cli", "reset-admin-password", &[0]),
    ("nuget", "setapikey", &[0]),
];

/// Subcommands whose arguments are secret, unless a sentence mentions them: "the vault login failed".
const TOKENS: &[(&str, &str)] = &[("vault", "login"), ("vault", "unwrap"), ("cargo", "login"), ("bw", "unlock")];

/// Words after a subcommand in a sentence.
const PROSE: [&str; 32] = [
    "and",
    "as",
    "at",
    "by",
    "command",
    "denied",
    "error",
    "expired",
    "expires",
    "failed",
    "fails",
    "failure",
    "for",
    "has",
    "in",
    "is",
    "method",
    "needs",
    "of",
    "on",
    "or",
    "page",
    "refused",
    "required",
    "requires",
    "returned",
    "succeeded",
    "timed",
    "to",
    "was",
    "with",
    "works",
];

/// Subcommands that set secrets: `NAME=VALUE …`, or `NAME VALUE`.
const SETTERS: &[(&str, &str)] = &[
    ("vault", "kv put"),
    ("vault", "kv patch"),
    ("vault", "write"),
    ("fly", "secrets set"),
    ("flyctl", "secrets set"),
    ("doppler", "secrets set"),
    ("supabase", "secrets set"),
];

/// Returns the secret arguments of a command, by their positions in `arguments`, which begin behind its name.
pub(crate) fn secret_arguments(name: &str, arguments: &str) -> Vec<Range<usize>> {
    let line = Line::new(arguments);
    let name = if matches!(name, "valkey-cli" | "keydb-cli") { "redis-cli" } else { name };
    let mut secrets = Vec::new();
    for (_, words, numbers) in POSITIONS.iter().filter(|(command, ..)| *command == name) {
        if let Some(rest) = line.after(words)
            && !line.is_prose(&rest)
        {
            secrets.extend(numbers.iter().filter_map(|number| rest.get(*number)).copied());
        }
    }
    for (_, words) in TOKENS.iter().filter(|(command, _)| *command == name) {
        let rest = line.after(words).unwrap_or_default();
        let is_prose = line.is_prose(&rest);
        // Pairs are judged by their names.
        let is_token = |at: &usize| !is_prose && line.texts[*at] != "-" && !line.texts[*at].contains('=');
        secrets.extend(rest.into_iter().filter(is_token));
    }
    let mut parts = Vec::new();
    for (_, words) in SETTERS.iter().filter(|(command, _)| *command == name) {
        let rest = line.after(words).unwrap_or_default();
        parts.extend(rest.iter().filter_map(|at| line.setting(*at)));
        if parts.is_empty() && words.starts_with("secrets") {
            secrets.extend(rest.get(1));
        }
    }
    match name {
        // `-b FILE USER PASSWORD`, or `-n -b USER PASSWORD`.
        "htpasswd" | "mosquitto_passwd" if line.has_option('b') && line.others.len() > 1 => {
            secrets.extend(line.others.last());
        }
        "mc" | "mcli" => secrets.extend(line.keys_after_url()),
        "mkpasswd" => secrets.extend(line.others.iter().filter(|at| !is_hash_method(line.texts[**at]))),
        "rclone" if line.after("config").is_some() => {
            let is_named = |pair: &&[usize]| is_secret(line.texts[pair[0]]);
            secrets.extend(line.others.windows(2).filter(is_named).map(|pair| pair[1]));
        }
        "xfreerdp" | "wfreerdp" => {
            parts.extend(
                (0..line.texts.len()).filter(|at| line.texts[*at].starts_with("/p:")).map(|at| line.part(at, 3)),
            );
        }
        "sqlplus" | "sqlcl" | "sqlldr" | "expdp" | "impdp" | "rman" => {
            parts.extend(line.others.iter().filter_map(|at| line.login(*at)));
        }
        _ => {}
    }
    parts.extend(secrets.into_iter().map(|at| line.part(at, 0)));
    parts.sort_by_key(|part| part.start);
    parts
}

/// Returns true for the value of `mkpasswd -m`.
fn is_hash_method(text: &str) -> bool {
    ["sha", "md5", "bcrypt", "yescrypt", "scrypt", "des", "nt", "gost"].iter().any(|method| text.starts_with(method))
}

/// Arguments of a command.
struct Line<'a> {
    text: &'a str,
    words: Vec<Range<usize>>,
    /// The words without their quotes.
    texts: Vec<&'a str>,
    /// Words that are not options. Values of options are among them.
    others: Vec<usize>,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Self {
        let words = words(text);
        let texts: Vec<&str> = words.iter().map(|word| unquoted(&text[word.clone()])).collect();
        let is_other = |at: &usize| !texts[*at].starts_with('-') || texts[*at] == "-";
        let others = (0..words.len()).filter(is_other).collect();
        Self { text, words, texts, others }
    }

    /// Returns the arguments that are not options, behind the words of a subcommand.
    fn after(&self, words: &str) -> Option<Vec<usize>> {
        let expected: Vec<&str> = words.split_whitespace().collect();
        let is = |(text, word): (&&str, &&str)| match word.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => text.eq_ignore_ascii_case(word),
        };
        let last = match expected.len() {
            0 => 0,
            count => self.texts.windows(count).position(|texts| texts.iter().zip(&expected).all(is))? + count,
        };
        Some(self.others.iter().copied().filter(|at| *at >= last).collect())
    }

    /// Returns true if the words after a subcommand are those of a sentence.
    fn is_prose(&self, rest: &[usize]) -> bool {
        rest.first().is_some_and(|at| PROSE.contains(&self.texts[*at].trim_end_matches(['.', ',', ':'])))
    }

    fn has_option(&self, letter: char) -> bool {
        let is_cluster = |letters: &str| letters.chars().all(|c| c.is_ascii_alphabetic()) && letters.contains(letter);
        self.texts.iter().any(|text| text.strip_prefix('-').is_some_and(is_cluster))
    }

    /// Returns the two keys of `mc alias set NAME URL KEY KEY`.
    fn keys_after_url(&self) -> Vec<usize> {
        let Some(rest) = self.after("alias set").or_else(|| self.after("config host add")) else { return Vec::new() };
        let url = rest.iter().position(|at| self.texts[*at].contains("://")).unwrap_or(1);
        rest.into_iter().skip(url + 1).take(2).collect()
    }

    /// Returns the value of `NAME=VALUE`, except for `NAME=@FILE`.
    fn setting(&self, at: usize) -> Option<Range<usize>> {
        let (name, value) = self.texts[at].split_once('=')?;
        let part = self.part(at, name.len() + 1);
        let start = part.start + offset(value, unquoted(value));
        (!value.starts_with('@')).then(|| start..start + unquoted(value).len())
    }

    /// Returns the password of `USER/PASSWORD@DATABASE`, but nothing of `/ as sysdba` and `/nolog`.
    fn login(&self, at: usize) -> Option<Range<usize>> {
        let (user, rest) = self.texts[at].split_once('/')?;
        if user.is_empty() || user.contains(['@', '.', ':', '=']) {
            return None;
        }
        let password = rest.rsplit_once('@').map_or(rest, |(password, _)| password);
        let start = self.part(at, user.len() + 1).start;
        (!password.is_empty()).then(|| start..start + password.len())
    }

    /// Returns the position of an argument without its quotes and its first `skipped` bytes.
    fn part(&self, at: usize, skipped: usize) -> Range<usize> {
        let word = self.words[at].clone();
        let start = word.start + offset(&self.text[word], self.texts[at]);
        start + skipped..start + self.texts[at].len()
    }
}

/// Splits the rest of a command into words, up to its end.
fn words(text: &str) -> Vec<Range<usize>> {
    let limit = start_of(text).len();
    let mut words = Vec::new();
    let mut at = 0;
    while at < limit && words.len() < MAX_ARGUMENTS {
        let rest = &text.as_bytes()[at..];
        match rest.first() {
            Some(b' ' | b'\t') => at += 1,
            Some(b'\\') if rest.get(1) == Some(&b'\n') => at += 2,
            _ => {
                let mut end = value_end(text, at);
                // `NAME="VALUE"` is one word.
                if text[..end].ends_with('=') {
                    end = value_end(text, end);
                }
                // The end of the command, or a redirection: `2>file`.
                let is_number = text[at..end].bytes().all(|byte| byte.is_ascii_digit());
                if is_number && (end == at || text[end..].starts_with(['<', '>'])) {
                    break;
                }
                words.push(at..end);
                at = end;
            }
        }
    }
    words
}
