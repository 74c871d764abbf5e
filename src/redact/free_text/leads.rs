//! Texts before secrets.

use std::sync::LazyLock;

use regex::Regex;

use super::super::command_line::COMMANDS;

/// Space between an option and its value, also in a list of strings: `["--token", "X"]`.
const GAP: &str = r#"(?:["'][ \t]*,[ \t]*|[ \t]+)"#;

/// Texts before secrets, each in a group that names its kind. If the expression were invalid, the redactor would redact whole strings and
/// say why; a test compiles it.
pub(super) static LEADS: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
    let alternatives = [
        r"(?P<pem>-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)",
        r"(?P<scheme>(?i:\b(?:bearer|basic)\s+))",
        // `-u NAME:X`, `--user=NAME:X`, `-auth NAME:X`; `--cert FILE:X`.
        r#"(?P<login>(?:^|[\s"'])(?:-[A-Za-z]*[uU](?:\s+|["'][ \t]*,[ \t]*)|-(?:auth|user)GAP|-u|--(?:(?:proxy-)?user|cert)(?:[\s=]+|GAP)))"#,
        // `--token X`; `--token=X` is a pair.
        r#"(?P<flag>(?:^|[\s"'])--(?P<option>\w[\w-]*)GAP)"#,
        // `-storepass X`, `-passin pass:X`, `-token X`.
        r#"(?P<long>(?:^|[\s"'])-(?P<single>\w*(?i:pass|password|passphrase|passwd|passin|passout|token|secret)|(?i:api-?key)|pw)GAP)"#,
        r#"(?P<short>(?:^|[\s"'])-(?P<letters>hp|[aAbckKNpPstwX])(?P<gap>["'][ \t]*,[ \t]*|[ \t]*))"#,
        r"(?P<echo>\b(?:echo|printf)[ \t]+(?:-[neE]+[ \t]+)*)",
        // A here-string; fields of a configuration; XML.
        r"(?P<here><<<[ \t]*)",
        r"(?P<set>\bset[ \t]+(?P<setting>[\w./:@-]+)[ \t]+)",
        r"(?P<element><(?P<tag>[\w:-]+)>)",
        r"(?P<command>\b(?P<program>COMMANDS)[ \t]+)",
        // SQL: `IDENTIFIED BY 'X'`, `IDENTIFIED WITH … BY 'X'`, `PASSWORD 'X'`, `PASSWORD('X')`.
        r#"(?P<sql>(?i:\bidentified[ \t]+(?:with[ \t]+\S{1,64}[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+)?|\bpassword(?:[ \t]+|[ \t]*\([ \t]*))(?P<open>\\{0,7}["']))"#,
        r"(?P<tiger>\bIDENTIFIED[ \t]+BY[ \t]+)",
        r"(?P<literal>--from-literal[= ][\w.-]+=)",
        r#"(?P<name>[\w.-]+)(?P<is>\\{0,7}["']?(?:[ \t]*:[ \t]*|[ \t]+=[ \t]+|[ \t]*=))"#,
    ];
    Regex::new(&alternatives.join("|").replace("GAP", GAP).replace("COMMANDS", COMMANDS))
});
