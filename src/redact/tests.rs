//! Tests of redaction.

use std::time::{Duration, Instant};

use super::*;
use serde_json::json;

#[test]
fn values_with_secret_names_are_redacted_everywhere() {
    let spec = json!([{"task": "http", "with": {"url": "http://a/", "headers": {
        "Authorization": "Bearer abc", "X-Api-Key": "k", "Cookie": ["a=b"], "X-Auth-Token": 7, "Accept": "text/plain"},
        "endpoints": {"get": {"password": "p", "basicAuth": {"username": "u", "password": "p"}}}}},
        {"task": "github", "with": {"owner": "o", "token": "ghp_x"}}]);
    assert_eq!(
        redact(&spec),
        json!([{"task": "http", "with": {"url": "http://a/", "headers": {
            "Authorization": REDACTED, "X-Api-Key": REDACTED, "Cookie": REDACTED, "X-Auth-Token": REDACTED, "Accept": "text/plain"},
            "endpoints": {"get": {"password": REDACTED, "basicAuth": {"username": "u", "password": REDACTED}}}}},
            {"task": "github", "with": {"owner": "o", "token": REDACTED}}])
    );
}

#[test]
fn references_to_secrets_are_kept() {
    let spec = json!({"tokenFile": "/run/t", "passwordEnv": "PW", "secretName": "s", "token": {"file": "/run/t", "literal": "x"},
        "cert": "c.pem", "max_tokens": 9, "numRequests": 5, "token_dir": "/d", "credentials": {"a": {"b": "deep"}}});
    assert_eq!(
        redact(&spec),
        json!({"tokenFile": "/run/t", "passwordEnv": "PW", "secretName": "s", "token": {"file": "/run/t", "literal": REDACTED},
            "cert": "c.pem", "max_tokens": 9, "numRequests": 5, "token_dir": "/d", "credentials": {"a": REDACTED}})
    );
}

#[test]
fn lists_of_headers_and_parameters_are_redacted() {
    let spec = json!([{"name": "Authorization", "value": "x"}, {"name": "query", "value": "up"}]);
    assert_eq!(redact(&spec), json!([{"name": "Authorization", "value": REDACTED}, {"name": "query", "value": "up"}]));
}

#[test]
fn urls_lose_credentials_secret_parameters_and_webhook_paths() {
    let cases = [
        ("http://host/path?x=1", "http://host/path?x=1"),
        ("https://user:pa@ss@host:8080/p", "https://[hidden]@host:8080/p"),
        ("https://token@host", "https://[hidden]@host"),
        ("https://host/p?apikey=1&x=2&sig=3", "https://host/p?apikey=[hidden]&x=2&sig=[hidden]"),
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/[hidden]"),
        ("https://acme.webhook.office.com/webhookb2/1", "https://acme.webhook.office.com/[hidden]"),
        ("https://chat.example.com/hooks/abc", "https://chat.example.com/hooks/[hidden]"),
        ("https://host/p@q", "https://host/p@q"),
        ("not a url", "not a url"),
        ("://", "://"),
    ];
    for (url, expected) in cases {
        assert_eq!(redact_url(url), expected);
    }
}

#[test]
fn the_url_of_a_slack_task_is_redacted_on_any_host() {
    let url = "https://chat.intern/xyz";
    let expected = "https://chat.intern/[hidden]";
    assert_eq!(
        redact(&json!({"task": "slack", "with": {"url": url}})),
        json!({"task": "slack", "with": {"url": expected}})
    );
    assert_eq!(
        redact(&json!({"slack": {"url": url}, "http": {"url": url}})),
        json!({"slack": {"url": expected}, "http": {"url": url}})
    );
    assert_eq!(redact(&json!({"webhookURL": url})), json!({"webhookURL": expected}));
}

#[test]
fn secrets_inside_strings_are_redacted() {
    let cases = [
        (
            "curl -H \"Authorization: Bearer abcdef123\" http://h/",
            "curl -H \"Authorization: Bearer [hidden]\" http://h/",
        ),
        ("get http://u:p@h/x: refused, then https://h2/", "get http://[hidden]@h/x: refused, then https://h2/"),
        ("a basic need of basic authentication", "a basic need of basic authentication"),
        ("Authorization: Basic dTpwYXNz", "Authorization: Basic [hidden]"),
        ("Authorization: abc, X-Api-Key: d", "Authorization: [hidden], X-Api-Key: [hidden]"),
        ("invalid token: expected a name", "invalid token: expected a name"),
        ("API_TOKEN=abc tool --password hunter2 --n 5", "API_TOKEN=[hidden] tool --password [hidden] --n 5"),
        ("Bearer", "Bearer"),
        ("", ""),
        ("{\"password\": \"x\", \"n\": 1}", "{\"password\":\"[hidden]\",\"n\":1}"),
        ("{not json", "{not json"),
    ];
    for (text, expected) in cases {
        let Value::String(redacted) = redact(&json!(text)) else { panic!("not a string") };
        // Maps may come back in another order.
        assert!(redacted == expected || redacted == "{\"n\":1,\"password\":\"[hidden]\"}", "{text}: {redacted}");
    }
}

#[test]
fn deep_values_are_redacted() {
    let mut value = json!("x");
    for _ in 0..500 {
        value = json!([value]);
    }
    assert!(redact(&value).to_string().contains(REDACTED));
}

#[test]
fn the_url_of_a_notify_task_is_redacted_unless_it_is_a_repository_dispatch() {
    let task = |url: &str| TaskSpec {
        task: Some("notify".to_owned()),
        with: Some(json!({"url": url, "params": {"key": "s3cr3t", "sort": "x"}})),
        ..TaskSpec::default()
    };
    let redacted = |url: &str| redact_task(&task(url)).with.unwrap();
    assert_eq!(
        redacted("http://127.0.0.1:18091/services/T0/B0/SECREThook"),
        json!({"url": "http://127.0.0.1:18091/[hidden]", "params": {"key": REDACTED, "sort": "x"}})
    );
    for dispatch in ["https://api.github.com/repos/o/r.s/dispatches", "https://ghe.intern/api/v3/repos/o/r/dispatches"]
    {
        assert_eq!(redacted(dispatch)["url"], dispatch);
    }
    for other in
        ["http://h/x/repos/o/r/dispatches", "http://h/repos/o/r/dispatches/x", "http://h/repos/o/r/dispatches?a=b"]
    {
        assert_eq!(redacted(other)["url"], "http://h/[hidden]");
    }
    // An entry of the spec inside a whole experiment.
    let experiment = json!({"spec": [{"task": "notify", "with": {"url": "http://h/SECRET"}}]});
    assert!(!redact(&experiment).to_string().contains("SECRET"));
}

#[test]
fn names_chosen_by_users_are_not_judged() {
    let values = json!({"http": {"endpoints": {
        "tokenize": {"method": "POST"}, "token": {"url": "http://a/x"}, "slack": {"url": "http://a/x"},
        "auth": {"headers": {"X-Auth-Key": "k"}}}},
        "assess": {"SLOs": {"upper": {"http-token/latency-p99": 9}}}});
    let mut expected = values.clone();
    expected["http"]["endpoints"]["auth"]["headers"]["X-Auth-Key"] = json!(REDACTED);
    assert_eq!(redact(&values), expected);
    let experiment = json!({"spec": [{"run": "true"}], "result": {
        "insights": {"providers": {"http-tokenize": {"requests": 5}, "secret": {"token": 7, "note": "TOKEN=abc"}}},
        "token": "x"}});
    assert_eq!(
        redact(&experiment)["result"],
        json!({"insights": {"providers": {"http-tokenize": {"requests": 5}, "secret": {"token": 7, "note": "TOKEN=[hidden]"}}},
            "token": REDACTED})
    );
    // Only a whole experiment has insights.
    assert_eq!(
        redact(&json!({"result": {"insights": {"token": "x"}}})),
        json!({"result": {"insights": {"token": REDACTED}}})
    );
}

#[test]
fn forms_fragments_and_parameters_lose_their_secrets() {
    let cases = [
        ("user=a&password=X&n=1", "user=a&password=[hidden]&n=1"),
        (
            "http://h/?jwt=a&session=b&pass=c&key=d/e==&q=1",
            "http://h/?jwt=[hidden]&session=[hidden]&pass=[hidden]&key=[hidden]&q=1",
        ),
        (
            "http://h/?api%5Fkey=a&%74oken=b&sid=c&next=http://u:d@i/&q=1",
            "http://h/?api%5Fkey=[hidden]&%74oken=[hidden]&sid=[hidden]&next=[hidden]&q=1",
        ),
        ("http://h/p#access_token=abc&x=1", "http://h/p#access_token=[hidden]&x=1"),
        ("http://h/p?x=1#/r?token=abc", "http://h/p?x=1#/r?token=[hidden]"),
        ("http://h/a;jsessionid=1F/b?x=1;sig=2", "http://h/a;jsessionid=[hidden]/b?x=1;sig=[hidden]"),
        ("http://u:p,w@h/", "http://[hidden]@h/"),
        ("password=$ecret", "password=[hidden]"),
        ("http://u:$ecret@h/", "http://[hidden]@h/"),
        ("max_tokens=5&author=me", "max_tokens=5&author=me"),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(&json!({"payloadStr": text}))["payloadStr"], expected);
    }
}

#[test]
fn secrets_that_percent_encoding_conceals_are_redacted() {
    let cases = [
        ("http://h/q?query=up%7Btoken%3D%22S3KR%22%7D&x=%7B", "http://h/q?query=up%7Btoken%3D%22[hidden]%22%7D&x=%7B"),
        ("http://h/q?query=up%7Ba%3D%22b%20c%22%7D+or+d", "http://h/q?query=up%7Ba%3D%22b%20c%22%7D+or+d"),
        ("http://h/q?next=https%3A%2F%2Fu%3AS3KR%40i%2F", "http://h/q?next=https://[hidden]%40i/"),
        (
            "http://h/q?next=http%3A%2F%2Fi%2F%3Fq%3Dup%257Btoken%253D%2522S3KR%2522%257D",
            "http://h/q?next=http://i/%3Fq%3Dup%257Btoken%253D%2522[hidden]%2522%257D",
        ),
        ("http://h/render/up%7Btoken%3D%22S3KR%22%7D/a%20b", "http://h/render/up%7Btoken%3D%22[hidden]%22%7D/a%20b"),
        ("http://h/q?q=Authorization%3A+Bearer+S3KRs3kr", "http://h/q?q=Authorization:+Bearer+[hidden]"),
    ];
    for (url, expected) in cases {
        assert_eq!(redact_url(url), expected);
        assert_eq!(redact_url(expected), expected, "redacting twice changes nothing");
        assert_eq!(redact_text(&format!("get {url}: refused")), format!("get {expected}: refused"));
    }
    assert_eq!(redact_form("query=up%7Btoken%3D%22S3KR%22%7D"), "query=up%7Btoken%3D%22[hidden]%22%7D");
}

#[test]
fn headers_and_parameters_have_secret_names_of_their_own() {
    let spec = json!({"headers": {"Key": "k", "X-Hmac": "h", "Code": "5"}, "params": {"pw": "p", "appid": "a", "q": "up"},
        "metadata": [{"name": "key", "value": "v"}], "payload": {"key": "value", "otp": "123456", "pin": 1234, "code": 5}});
    assert_eq!(
        redact(&spec),
        json!({"headers": {"Key": REDACTED, "X-Hmac": REDACTED, "Code": "5"}, "params": {"pw": REDACTED, "appid": REDACTED, "q": "up"},
            "metadata": [{"name": "key", "value": REDACTED}], "payload": {"key": "value", "otp": REDACTED, "pin": REDACTED, "code": 5}})
    );
}

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

/// The texts of a table.
fn table(text: &str) -> impl Iterator<Item = String> {
    let is_text = |line: &&str| !line.is_empty() && !line.starts_with("# ");
    text.lines().filter(is_text).map(|line| line.replace("\\n", "\n"))
}

#[test]
fn secrets_of_the_table_are_redacted() {
    let mut left = String::new();
    for text in table(include_str!("../../testdata/redact/secrets.txt")) {
        let script = redact_text(&text);
        let literal = redact(&json!({"payloadStr": text}))["payloadStr"].as_str().unwrap_or_default().to_owned();
        for redacted in [&script, &literal] {
            if redacted.contains("S3CR") || !redacted.contains(REDACTED) {
                left += &format!("{redacted}\n");
            }
        }
        assert_eq!(redact_text(&script), script, "redacting twice changes nothing");
    }
    assert!(left.is_empty(), "secrets are left:\n{left}");
}

#[test]
fn texts_of_the_table_are_kept() {
    let mut changed = String::new();
    for text in table(include_str!("../../testdata/redact/kept.txt")) {
        if redact_text(&text) != text {
            changed += &format!("{}\n", redact_text(&text));
        }
    }
    assert!(changed.is_empty(), "texts are changed:\n{changed}");
}

#[test]
fn private_keys_are_redacted_wherever_they_are() {
    for kind in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
        let key = |body: &str| format!("-----BEGIN {kind}-----{body}-----END {kind}-----");
        for (text, expected) in
            [("KEY", "KEY"), ("cat > k.pem <<E\nKEY\nE\n", "cat > k.pem <<E\nKEY\nE\n"), ("x KEY y", "x KEY y")]
        {
            let text = text.replace("KEY", &key("\nMHcCAQEEIAbcd\nef==\n"));
            assert_eq!(redact_text(&text), expected.replace("KEY", &key(REDACTED)));
        }
    }
    let certificate = "-----BEGIN CERTIFICATE-----\nMHcCAQEE\n-----END CERTIFICATE-----";
    assert_eq!(redact_text(certificate), certificate);
}

#[test]
fn logins_of_urls_without_a_scheme_are_redacted() {
    for (url, expected) in [
        ("u:X@127.0.0.1:80/ok", "[hidden]@127.0.0.1:80/ok"),
        ("u:X@shop", "[hidden]@shop"),
        ("git@github.com:o/r", "git@github.com:o/r"),
        ("ghcr.io/team/app:v1@sha256:0a", "ghcr.io/team/app:v1@sha256:0a"),
        ("app:v1@sha256:abcdef", "app:v1@sha256:abcdef"),
    ] {
        assert_eq!(redact(&json!({"url": url}))["url"], expected);
    }
}

#[test]
fn spaces_of_several_bytes_separate_words() {
    for space in ["\u{3000}", "\u{a0}", "\u{2028}"] {
        let text =
            |secret: &str| format!("curl --silent{space}-u{space}bob:{secret} h; bearer{space}{space}é; token:{space}");
        assert_eq!(redact_text(&text("X")), text(REDACTED));
    }
}

/// Parts of texts that take long if anything is searched again and again.
const PATTERNS: &[&str] = &[
    "a:",
    "a=",
    "a: ",
    "token:",
    "token: ",
    "token=$",
    "token=$(",
    "token=`",
    "token=`x`",
    "token=${",
    "-u ",
    " -u x",
    " -u \"",
    " -u $(x) ",
    " --token ",
    " --token \"",
    " -p ",
    " -token ",
    " -storepass \"",
    "vault login ",
    "vault kv put a=$x ",
    "htpasswd -b ",
    "mc alias set ",
    "sqlplus a/$x ",
    "smbclient -U a%",
    "password '",
    "\\\"",
    "token=\\\"",
    "\ntoken: \\\"",
    "?q=%7B",
    "http://h?q=%3A",
    "http%3A%2F%2Fh%3Fq%3D",
    "http://h/?q=http%3A%2F%2Fh%2F%3Fq%3D&",
    "-H key:",
    " sshpass -p $x",
    "echo ",
    "bearer ",
    "basic \"",
    "<<< ",
    "--with-token <<< $x ",
    "set a_key ",
    "<password>",
    "--from-literal=a=$x ",
    "printf %s x ",
    "u:x@h ",
    "\"",
    "'",
    "token=(",
    "token=[\"",
    "(token=[x",
    "a%3Ab ",
    "a=%22%3A&",
    "%25%37",
    "IDENTIFIED BY x ",
    "password(\"",
    "redis-cli auth x ",
    "mc ",
    "fly secrets set a=$x ",
    "rclone config token $x ",
    "\"--token\",",
    "\"-p\",",
    "set a:token ",
    " -pw ",
    " -b x",
    "echo a:x | base64 ",
    " --cert a:$x",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    ";",
    "?a=",
    "a=@://",
    "a://",
    "http://a=b;",
    "https://",
    "- ",
    "\n",
    "\nkey: ",
    "eyJ",
    "1://",
    "token:token: ",
    "eyJaaaaaaaa.",
    "ghp_",
    "[",
    "{\"a\":",
    "=",
    "://",
    "(",
    "$(()",
    "${{",
    "cookie: \"",
];

#[test]
fn long_texts_are_redacted_in_linear_time() {
    let time = |text: &str| {
        let started = Instant::now();
        redact_text(text);
        started.elapsed()
    };
    for pattern in PATTERNS {
        let text = pattern.repeat(8_000 / pattern.len());
        // Ten times the text takes about ten times as long; quadratic time would be a hundred times as long.
        let (short, long) = (time(&text), time(&pattern.repeat(80_000 / pattern.len())));
        assert!(long < short * 40 + Duration::from_secs(1), "{pattern:?}: {short:?}, then {long:?}");
        redact_literal(&text);
        redact_url(&format!("http://h/{text}"));
        redact_form(&text);
    }
}

#[test]
fn settings_with_secret_looking_names_are_kept() {
    let spec = json!({"auth": true, "tokenTTL": 5, "withCredentials": "true", "sessionTimeout": "5s", "keepAlive": true,
        "author": "me", "max_tokens": 9, "primaryKeyColumn": "id"});
    assert_eq!(redact(&spec), spec);
    assert_eq!(
        redact(&json!({"token": 12345, "auth": {"type": "x"}})),
        json!({"token": REDACTED, "auth": {"type": REDACTED}})
    );
}

#[test]
fn paths_of_secrets_are_recognized() {
    for path in
        [&["http", "headers", "Authorization"][..], &["slack", "url"], &["github", "token"], &["a", "auth", "b"]]
    {
        assert!(is_secret_path(path), "{path:?}");
    }
    for path in
        [&["http", "url"][..], &["http", "endpoints", "token", "method"], &["http", "endpoints", "slack", "url"], &[]]
    {
        assert!(!is_secret_path(path), "{path:?}");
    }
}

#[test]
fn the_regular_expressions_are_valid() {
    assert_eq!(references::REFERENCE.as_ref().err(), None);
    // An invalid one would redact the whole text.
    assert_eq!(redact_text("no secret"), "no secret");
}
