//! Passwords as arguments of well-known commands.

mod arguments;

use memchr::{memrchr_iter, memrchr2, memrchr3};

pub(super) use arguments::{COMMANDS, secret_arguments};

/// Longest part of a command, in bytes, that is searched for its name or an option.
const MAX_COMMAND: usize = 512;

/// Returns true if the short option of the command that ends `before` is followed by a password: `sshpass -p X`, `mysql -pX`.
pub(super) fn takes_password(before: &str, option: &str, is_attached: bool) -> bool {
    let is = |letters| option == letters;
    command(before).any(|word| match word.rsplit('/').next().unwrap_or(word) {
        // `-p NAME` asks for the password of the database NAME.
        "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlcheck" | "mysqlshow" | "mysqlslap"
        | "mysqlpump" | "mysqlbinlog" | "mysqlsh" | "mycli" | "mariadb" | "mariadb-dump" | "mariadb-admin"
        | "mariadb-import" | "mariadb-check" => is("p") && is_attached,
        "7z" | "7za" | "7zr" | "7zz" | "rar" | "unrar" => (is("p") || is("hp")) && is_attached,
        "sshpass" | "login" | "mongo" | "mongosh" | "mongodump" | "mongorestore" | "mongoexport" | "mongoimport"
        | "mongostat" | "mongotop" | "twine" | "poetry" | "rabbitmqadmin" | "cqlsh" | "beeline" | "cypher-shell"
        | "couchbase-cli" | "cbq" | "cbbackupmgr" | "rdesktop" | "evil-winrm" | "crackmapexec" | "nxc" | "ncftpget"
        | "ncftpput" | "useradd" | "usermod" | "racadm" | "awx" => is("p"),
        "zip" | "unzip" | "zipcloak" | "sqlcmd" | "bcp" | "freebcp" | "isql" | "osql" | "tsql" | "ipmitool"
        | "mosquitto_pub" | "mosquitto_sub" | "mosquitto_rr" | "p4" => is("P"),
        "ssh-keygen" => is("P") || is("N"),
        "redis-cli" | "valkey-cli" | "keydb-cli" | "redis-benchmark" | "memtier_benchmark" | "http" | "https"
        | "xh" | "xhs" | "hey" | "oha" => is("a"),
        "ab" => is("A") || is("P"),
        "snmpget" | "snmpset" | "snmpwalk" | "snmpbulkwalk" | "snmptrap" => is("A") || is("X") || is("c"),
        "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapdelete" | "ldapmodrdn" | "ldappasswd" | "ldapwhoami"
        | "ldapcompare" => is("w") || (is("s") && !is_attached && word.ends_with("ldappasswd")),
        "vsql" | "kadmin" => is("w"),
        // The keychain of macOS.
        "security" => is("w") || is("p") || is("P"),
        // `-key` is another option.
        "openssl" => (is("k") || is("K")) && !is_attached,
        "dotnet" | "choco" => is("k") && !is_attached,
        "influx" | "doctl" => is("t") && !is_attached,
        // Cookies; files with cookies have no `=`.
        "curl" => is("b"),
        "plink" | "pscp" | "psftp" | "nodetool" | "winscp" => is("pw"),
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

/// Returns true if a printed value, before `rest`, is piped into a command that reads a password.
pub(super) fn is_piped_password(rest: &str) -> bool {
    let pipeline = start_of(rest).split(['\n', ';']).next().unwrap_or_default();
    let pipeline = pipeline.split("&&").next().unwrap_or_default();
    pipeline.contains('|') && reads_password(pipeline)
}

/// Returns true if the command that ends `before` reads a password, which a here-string gives it.
pub(super) fn takes_here_string(before: &str) -> bool {
    reads_password(end_of(before).rsplit(['\n', ';', '|', '&']).next().unwrap_or_default())
}

/// Returns true if a command reads a password from its input, or encodes one.
fn reads_password(line: &str) -> bool {
    const READERS: [&str; 18] = [
        "--password-stdin",
        "--passwd-on-stdin",
        "--with-token",
        "--passphrase-fd",
        "passwd --stdin",
        "chpasswd",
        "cryptsetup",
        "kinit",
        "sudo -S",
        "vault login -",
        "-pass stdin",
        "-passin stdin",
        "pass insert",
        "secret create",
        "secret put",
        "secret set",
        "base64",
        "rclone obscure -",
    ];
    READERS.into_iter().any(|reader| line.contains(reader))
}

/// Words of the command that ends the text, last first, without quotes: `["mysql", "-pX"]` is a command, too.
fn command(text: &str) -> impl Iterator<Item = &str> {
    let text = end_of(text);
    let bytes = text.as_bytes();
    let line = memrchr_iter(b'\n', bytes).find(|at| !bytes[..*at].ends_with(b"\\"));
    let start = line.max(memrchr3(b'|', b';', b'&', bytes)).max(memrchr2(b'(', b'`', bytes)).map_or(0, |at| at + 1);
    text[start..].rsplit(|c: char| c.is_whitespace() || "\"',[]\\".contains(c)).filter(|word| !word.is_empty())
}

/// Returns the last part of a text that is searched.
fn end_of(text: &str) -> &str {
    let mut start = text.len().saturating_sub(MAX_COMMAND);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Returns the first part of a text that is searched.
fn start_of(text: &str) -> &str {
    let mut end = text.len().min(MAX_COMMAND);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
