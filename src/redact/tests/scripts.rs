//! Secrets in scripts and commands.

use serde_json::json;

use super::super::*;

#[test]
fn scripts_lose_their_secrets_and_keep_references() {
    let cases = [
        ("curl -u a:X http://h/", "curl -u a:[hidden] http://h/"),
        ("curl -sSu 'a:X y' http://h/", "curl -sSu 'a:[hidden]' http://h/"),
        ("curl --user a:X h; curl --user=b:Y h", "curl --user a:[hidden] h; curl --user=b:[hidden] h"),
        ("curl -H 'Authorization: Bearer X' h", "curl -H 'Authorization: Bearer [hidden]' h"),
        ("curl -H \"X-Api-Key: a b\" h", "curl -H \"X-Api-Key: [hidden]\" h"),
        ("curl -H 'Cookie: a=b; c=d' h", "curl -H 'Cookie: [hidden]' h"),
        ("TOKEN=X cmd", "TOKEN=[hidden] cmd"),
        ("export TOKEN=\"X Y\"; PGPASSWORD='a b' psql", "export TOKEN=\"[hidden]\"; PGPASSWORD='[hidden]' psql"),
        ("tool --password 'a b' --token x", "tool --password '[hidden]' --token [hidden]"),
        ("curl -d '{\"password\": \"X\", \"n\": 1}' h", "curl -d '{\"password\": \"[hidden]\", \"n\": 1}' h"),
        ("TOKEN=${TOKEN:-X} cmd", "TOKEN=[hidden] cmd"),
        ("TOKEN=$(curl -u a:X h)", "TOKEN=$(curl -u a:[hidden] h)"),
        ("cat <<E\npassword: X\nE", "cat <<E\npassword: [hidden]\nE"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA", "-----BEGIN RSA PRIVATE KEY-----[hidden]-----END RSA"),
    ];
    for (script, expected) in cases {
        let task = |run: &str| TaskSpec { run: Some(run.to_owned()), ..TaskSpec::default() };
        assert_eq!(redact_task(&task(script)), task(expected));
        assert_eq!(redact_text(expected), expected, "redacting twice changes nothing");
    }
    for script in [
        "curl -u \"$USER:$PASS\" -u a:${PASS} -H \"Authorization: Bearer $TOKEN\" https://u:$PASS@h/?token=$TOKEN",
        "TOKEN=$(cat /run/token) API_KEY=\"${KEY}\" PASSWORD=`pass show x` cmd --token \"$TOKEN\" --password-stdin <file",
        "test \"$TOKEN\" == x; docker run -u 1000:1000 img; sort -u file; date -u +%s; cd $PWD && TOKEN= cmd",
        "echo invalid token: expected a name; echo max_tokens=5 author=me; TOKEN_FILE=/run/t cmd --no-auth x --token-file y",
        "curl -H \"Authorization: Bearer ${{ secrets.X }}\" h",
    ] {
        assert_eq!(redact_text(script), script);
    }
}

#[test]
fn urls_lose_their_secrets_in_any_quotes() {
    let urls = [
        ("https://hooks.slack.com/services/T0/B0/X", "https://hooks.slack.com/[hidden]"),
        ("http://u:pw@h/", "http://[hidden]@h/"),
        ("git+ssh://u:pw@h/r.git", "git+ssh://[hidden]@h/r.git"),
        ("http://h/?api_key=k", "http://h/?api_key=[hidden]"),
    ];
    for (url, expected) in urls {
        for quotes in [
            "URL",
            "\"URL\"",
            "'URL'",
            "\\\"URL\\\"",
            "`URL`",
            "<URL>",
            "(URL)",
            "{\"url\": \"URL\"",
            "x=URL",
            "_URL",
            "1:URL",
        ] {
            let text = format!("curl {} -v", quotes.replace("URL", url));
            let expected = format!("curl {} -v", quotes.replace("URL", expected));
            assert_eq!(redact_text(&text), expected);
            assert_eq!(redact(&json!({"payloadStr": text}))["payloadStr"], expected);
            let script = TaskSpec { run: Some(text), ..TaskSpec::default() };
            assert_eq!(redact_task(&script).run.unwrap(), expected);
        }
    }
}

#[test]
fn passwords_of_well_known_commands_are_redacted() {
    let cases = [
        ("sshpass -p X ssh h; sshpass -pX ssh h", "sshpass -p [hidden] ssh h; sshpass -p[hidden] ssh h"),
        ("mysql -u root -pX db | cat", "mysql -u root -p[hidden] db | cat"),
        ("/usr/bin/mysqldump -h h -p'a b' db", "/usr/bin/mysqldump -h h -p'[hidden]' db"),
        ("docker login -u me -p X r.io && x", "docker login -u me -p [hidden] r.io && x"),
        ("redis-cli -h h -a X ping", "redis-cli -h h -a [hidden] ping"),
        ("echo X | docker login --password-stdin", "echo [hidden] | docker login --password-stdin"),
        (
            "printf 'a b' | helm registry login -u a --password-stdin",
            "printf '[hidden]' | helm registry login -u a --password-stdin",
        ),
        ("echo -n X |docker login --password-stdin\necho X", "echo -n [hidden] |docker login --password-stdin\necho X"),
        (
            "curl --silent -u bob:X h; tool --verbose --token X",
            "curl --silent -u bob:[hidden] h; tool --verbose --token [hidden]",
        ),
        (
            "mysql --ssl -pX; sshpass --x -p X; args: --password X",
            "mysql --ssl -p[hidden]; sshpass --x -p [hidden]; args: --password [hidden]",
        ),
        ("SSHPASS=X sshpass -e ssh h", "SSHPASS=[hidden] sshpass -e ssh h"),
        ("docker login --password-stdin <<< X", "docker login --password-stdin <<< [hidden]"),
        ("echo X | gh auth login --with-token", "echo [hidden] | gh auth login --with-token"),
        ("printf \"%s\" X | docker login --password-stdin", "printf \"%s\" [hidden] | docker login --password-stdin"),
        ("aws configure set aws_secret_access_key X", "aws configure set aws_secret_access_key [hidden]"),
        ("http -a u:X h; ldapsearch -x -w X", "http -a [hidden] h; ldapsearch -x -w [hidden]"),
        (
            "kubectl create secret generic s --from-literal=foo=X",
            "kubectl create secret generic s --from-literal=foo=[hidden]",
        ),
        ("<user>u</user><password>X</password>", "<user>u</user><password>[hidden]</password>"),
        ("java -password=X -Dapp.token=Y", "java -password=[hidden] -Dapp.token=[hidden]"),
        ("vault login s.X; vault login -method=token \"$T\"", "vault login [hidden]; vault login -method=token \"$T\""),
        ("vault kv put secret/a user=X pw='Y z' f=@file", "vault kv put secret/a user=[hidden] pw='[hidden]' f=@file"),
        (
            "htpasswd -bc f bob X && htpasswd -nb bob 'X y' | tee f",
            "htpasswd -bc f bob [hidden] && htpasswd -nb bob '[hidden]' | tee f",
        ),
        (
            "keytool -list -storepass X -keypass Y -alias a",
            "keytool -list -storepass [hidden] -keypass [hidden] -alias a",
        ),
        (
            "mc alias set m https://u:p@h X \"Y\" --api s3v4",
            "mc alias set m https://[hidden]@h [hidden] \"[hidden]\" --api s3v4",
        ),
        ("mc config host add m http://h X $SECRET", "mc config host add m http://h [hidden] $SECRET"),
        (
            "smbclient //h/s -U bob%X -c ls; smbclient -U 'D\\bob%X y'",
            "smbclient //h/s -U bob%[hidden] -c ls; smbclient -U 'D\\bob%[hidden]'",
        ),
        ("lftp -u bob,X sftp://h", "lftp -u bob,[hidden] sftp://h"),
        (
            "sqlplus -S bob/X@db @s.sql; sqlplus \"bob/X@//h:1/db\"",
            "sqlplus -S bob/[hidden]@db @s.sql; sqlplus \"bob/[hidden]@//h:1/db\"",
        ),
        ("rman target sys/X@db catalog c/Y", "rman target sys/[hidden]@db catalog c/[hidden]"),
        ("twine upload -u __token__ -p X dist/*", "twine upload -u __token__ -p [hidden] dist/*"),
        ("zip -r -P X a.zip d; unzip -PX a.zip", "zip -r -P [hidden] a.zip d; unzip -P[hidden] a.zip"),
        (
            "7z a -pX a.7z d; 7z x -p'a b' a.7z; rar a -hpX a.rar",
            "7z a -p[hidden] a.7z d; 7z x -p'[hidden]' a.7z; rar a -hp[hidden] a.rar",
        ),
        (
            "openssl rsa -passin pass:X -in k; openssl enc -aes256 -k X",
            "openssl rsa -passin [hidden] -in k; openssl enc -aes256 -k [hidden]",
        ),
        (
            "openssl enc -pass env:PW -key f; openssl pkcs12 -passout 'pass:X'",
            "openssl enc -pass env:PW -key f; openssl pkcs12 -passout '[hidden]'",
        ),
        ("ldappasswd -w X -s Y cn=a", "ldappasswd -w [hidden] -s [hidden] cn=a"),
        (
            "rabbitmqadmin -u a -p X list queues; cqlsh -u a -p X",
            "rabbitmqadmin -u a -p [hidden] list queues; cqlsh -u a -p [hidden]",
        ),
        ("sqlcmd -S h -U sa -P X -Q q; bcp t out f -PX", "sqlcmd -S h -U sa -P [hidden] -Q q; bcp t out f -P[hidden]"),
        ("mongodump -u a -p X; mongosh -u a -p X", "mongodump -u a -p [hidden]; mongosh -u a -p [hidden]"),
        (
            "gpg --batch --passphrase X -c f; cosign sign --key k",
            "gpg --batch --passphrase [hidden] -c f; cosign sign --key k",
        ),
        (
            "consul kv get -token X a; sshpass -pmypass ssh h",
            "consul kv get -token [hidden] a; sshpass -p[hidden] ssh h",
        ),
        (
            "mysqladmin -u root password X; rclone obscure X",
            "mysqladmin -u root password [hidden]; rclone obscure [hidden]",
        ),
        (
            "echo bob:X | chpasswd; echo X | sudo -S id; echo X | kinit bob",
            "echo [hidden] | chpasswd; echo [hidden] | sudo -S id; echo [hidden] | kinit bob",
        ),
        ("psql -c \"ALTER USER a PASSWORD 'X y'\"", "psql -c \"ALTER USER a PASSWORD '[hidden]'\""),
        ("mysql -e \"CREATE USER a IDENTIFIED BY 'X'\"", "mysql -e \"CREATE USER a IDENTIFIED BY '[hidden]'\""),
        (
            "curl -H 'Key: X' -H \"X-Honeycomb-Team: Y\" --header pin:Z h",
            "curl -H 'Key: [hidden]' -H \"X-Honeycomb-Team: [hidden]\" --header pin:[hidden] h",
        ),
        (
            r#"curl -d "{\"password\": \"X y\", \"n\": 1, \"otp\":\"Z\"}" h"#,
            r#"curl -d "{\"password\": \"[hidden]\", \"n\": 1, \"otp\":\"[hidden]\"}" h"#,
        ),
    ];
    for (script, expected) in cases {
        assert_eq!(redact_text(script), expected);
        assert_eq!(redact_text(expected), expected, "redacting twice changes nothing");
    }
    for script in [
        "mkdir -p dir; mysql -p db; cp -a x y; ps -p 1",
        "echo $TOKEN | docker login --password-stdin",
        "sshpass -p \"$PW\" ssh",
        "the vault login failed: permission denied; vault login; vault status; htpasswd -B f bob; zip -p a; openssl x509 -key f",
        "sqlplus / as sysdba; sqlplus /nolog; 7z a -p a.7z; mc ls m/b; mc alias list; smbclient -N //h/s; twine upload dist/*",
        "sort -k 2 -t , f; ls -s; grep -P x; curl -k -s h; influx -token-file f; a password 5 letters long; compass -pass -v",
        "pin: the version of go; X-Code: 5; key: value; curl -H 'Code: 5' -d 'key: value' h; gpio_pin=3; otp_release=26; xKey: date",
        "set -e; set token aside; cat <<< X; <p>a token</p>; wc -w x; http -v h",
    ] {
        assert_eq!(redact_text(script), script);
    }
}
