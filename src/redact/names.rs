//! Names of secrets: of headers, fields, parameters and variables.
//!
//! A name is split into words (`X-Auth-Key`, `apiKey`, `DB_PASSWORD`), and the words decide: `token` is secret, `tokenize` and `max_tokens`
//! are not.

/// Replacement for a secret.
pub const REDACTED: &str = "[hidden]";

/// Words that make a name secret in any position.
const SECRET: [&str; 19] = [
    "auth",
    "oauth",
    "authorization",
    "authentication",
    "bearer",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "jwt",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "secrets",
    "signature",
    "token",
];
/// Endings of words that make a name secret: `PGPASSWORD`, `authtoken`.
const ENDS: [&str; 18] = [
    "accesskey",
    "apikey",
    "authkey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "sessid",
    "sessionid",
    "sshpass",
    "token",
];
/// Words before `key` that make a name secret.
const KEYS: [&str; 26] = [
    "access",
    "account",
    "admin",
    "api",
    "app",
    "application",
    "auth",
    "client",
    "dd",
    "encryption",
    "functions",
    "host",
    "ingest",
    "insert",
    "integration",
    "license",
    "master",
    "private",
    "query",
    "routing",
    "sas",
    "shared",
    "signing",
    "storage",
    "subscription",
    "user",
];
/// Words in the name of an `X-…-Key` header that is not secret.
const PLAIN_KEYS: [&str; 10] =
    ["cache", "correlation", "dedup", "idempotency", "partition", "public", "routing", "row", "shard", "sort"];
/// Names that are secret as URL parameters and as headers, and ordinary words elsewhere.
const PARAMETERS: [&str; 17] = [
    "appid",
    "assertion",
    "authz",
    "code",
    "hmac",
    "key",
    "pass",
    "passkey",
    "pin",
    "psw",
    "pw",
    "sas",
    "session",
    "sid",
    "sig",
    "sign",
    "tok",
];
/// Those of them that are ordinary words as headers, too.
const PLAIN_HEADERS: [&str; 2] = ["appid", "code"];
/// Headers of vendors whose names do not show that they carry a key.
const HEADERS: [&str; 5] = ["fastly-key", "jenkins-crumb", "x-honeycomb-team", "x-jfrog-art-api", "x-ovh-consumer"];
/// Last words of references to a secret.
const REFERENCES: [&str; 10] = ["file", "env", "path", "dir", "name", "ref", "url", "uri", "stdin", "jar"];
/// Last words of settings about secrets that are not secret themselves.
const SETTINGS: [&str; 15] = [
    "age", "count", "enabled", "expiry", "length", "limit", "max", "method", "mode", "policy", "scheme", "size",
    "timeout", "ttl", "type",
];
/// First words of such names.
const SETTING_STARTS: [&str; 6] = ["max", "min", "no", "num", "total", "without"];

/// Returns true if the value of a header, field or variable with this name is secret.
pub fn is_secret(name: &str) -> bool {
    let mut words = words(name);
    // gRPC marks binary metadata in its name: `session-bin`.
    if words.len() > 1 && words.last().is_some_and(|last| last == "bin") {
        words.pop();
    }
    let Some((last, before)) = words.split_last() else { return false };
    let last = last.as_str();
    if is_reference_word(last)
        // Names of Secrets in a pod.
        || words.ends_with(&["pull".to_owned(), "secrets".to_owned()])
        || SETTINGS.contains(&last)
        || words.first().is_some_and(|first| SETTING_STARTS.contains(&first.as_str()))
    {
        return false;
    }
    words.iter().any(|word| is_secret_word(word))
        || words.windows(2).any(|pair| pair[1] == "key" && KEYS.contains(&pair[0].as_str()))
        // Vendors invent `X-…-Key` headers to carry a key.
        || (words[0] == "x" && last == "key" && words.len() > 2 && !before.iter().any(|w| PLAIN_KEYS.contains(&w.as_str())))
        || is_vendor_header(name)
        || match last {
            "cred" | "creds" | "csrf" | "otp" | "pass" | "pat" | "pw" | "sig" | "totp" | "xsrf" => true,
            // Ordinary words in longer names: `gpio_pin`, `is_hmac`.
            "hmac" | "pin" => before.is_empty(),
            "session" => before.iter().all(|word| word == "x" || word == "user"),
            "id" => before.last().is_some_and(|word| word == "session"),
            // Plain `tokens` is a count.
            "tokens" => before.last().is_some_and(|word| KEYS.contains(&word.as_str())),
            _ => false,
        }
}

/// Returns true if the value of a header with this name is secret, where nothing but a header can be.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let is_single = |word: &str| PARAMETERS.contains(&word) && !PLAIN_HEADERS.contains(&word);
    is_secret(name) || matches!(words(name).as_slice(), [word] if is_single(word))
}

/// Returns true for `X-Key`, `X-Pin` and the like, and for known headers. The hyphen distinguishes them from fields such as `xKey`.
fn is_vendor_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_short = |name: &str| PARAMETERS.contains(&name) && !PLAIN_HEADERS.contains(&name);
    name.strip_prefix("x-").is_some_and(is_short) || HEADERS.contains(&name.as_str())
}

/// Returns true if the value of a URL parameter with this name is secret.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    // Judge the name as the server decodes it.
    let read = url::form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.into_owned());
    let name = read.as_deref().unwrap_or(name);
    is_secret(name) || matches!(words(name).as_slice(), [word] if PARAMETERS.contains(&word.as_str()))
}

/// Returns true if a name refers to a secret: `tokenFile`, `password_env`.
pub(super) fn is_reference(name: &str) -> bool {
    words(name).last().is_some_and(|word| is_reference_word(word))
}

/// Returns true if a name has more than one word, which distinguishes it from prose.
pub(super) fn is_compound(name: &str) -> bool {
    words(name).len() > 1
}

fn is_secret_word(word: &str) -> bool {
    SECRET.contains(&word) || (!is_reference_word(word) && ENDS.iter().any(|end| word.ends_with(end)))
}

fn is_reference_word(word: &str) -> bool {
    // `tokenfile`, but not `profile`.
    REFERENCES.iter().any(|end| {
        word.strip_suffix(end).is_some_and(|rest| rest.is_empty() || SECRET.contains(&rest) || ENDS.contains(&rest))
    })
}

/// Splits a name into lowercase words without digits.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = name.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        if !c.is_alphabetic() {
            flush(&mut word, &mut words);
        } else {
            let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
            // The `K` starts a word in both `apiKey` and `APIKey`.
            if c.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next_is_lower)) {
                flush(&mut word, &mut words);
            }
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    flush(&mut word, &mut words);
    words
}

fn flush(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_decide_if_a_name_is_secret() {
        for name in [
            "X-Auth-Key",
            "X-Authentication",
            "Ocp-Apim-Subscription-Key",
            "X-Functions-Key",
            "X-Session-Id",
            "X-Vendor-Key",
            "Authorization",
            "Proxy-Authorization",
            "authToken",
            "APIKey",
            "api_key",
            "apikey",
            "sharedAccessKey",
            "Set-Cookie",
            "DB_PASSWORD",
            "PGPASSWORD",
            "clientSecret",
            "jwt",
            "X-JWT-Assertion",
            "sig",
            "X-Hub-Signature-256",
            "pass",
            "dbPass",
            "sessionId",
            "session",
            "JSESSIONID",
            "token2",
            "api-tokens",
            "credentials",
            "secretKey",
            "OAuthThing",
            "profileToken",
            "X-Key",
            "X-Hmac",
            "X-PW",
            "x-pin",
            "X-Passcode",
            "X-GitHub-OTP",
            "X-Honeycomb-Team",
            "x-jfrog-art-api",
            "Fastly-Key",
            "X-CSRF",
            "otp",
            "pin",
            "userPw",
            "creds",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "max_tokens",
            "maxTokens",
            "tokens",
            "tokenize",
            "tokenizer",
            "keyboard",
            "monkey",
            "authority",
            "author",
            "authors",
            "primaryKeyColumn",
            "keepAlive",
            "key",
            "publicKey",
            "Idempotency-Key",
            "X-Idempotency-Key",
            "passThrough",
            "compass",
            "sessionAffinity",
            "secretary",
            "tokenFile",
            "password_env",
            "secretName",
            "tokenfile",
            "tokenTTL",
            "sessionTimeout",
            "authType",
            "password-stdin",
            "cookie-jar",
            "signal",
            "design",
            "code",
            "xKey",
            "x_pin",
            "X-Code",
            "gpio_pin",
            "pinned",
            "spin",
            "bos_tok",
            "otpEnabled",
            "otp_release",
            "credits",
            "appid",
            "sign",
            "X-Honeycomb-Dataset",
            "X-Kubernetes-Api",
            "Surrogate-Key",
            "Kafka-Key",
            "",
            "-_-",
            "numTokenRequests",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        let parameters = [
            "key",
            "sig",
            "code",
            "jwt",
            "access_token",
            "pass",
            "pw",
            "tok",
            "cred",
            "passcode",
            "appid",
            "otp",
            "pin",
            "sas",
            "authz",
        ];
        assert!(parameters.into_iter().all(is_secret_parameter));
        assert!(["Key", "key", "pin", "X-Key", "Authorization"].into_iter().all(is_secret_header));
        assert!(!["Code", "Content-Type", "Idempotency-Key", "Cache-Key", "AppId"].into_iter().any(is_secret_header));
        assert!(!["q", "keyword", "codec", "sorted", "sort_key"].into_iter().any(is_secret_parameter));
    }

    #[test]
    fn keys_of_monitoring_services_are_secret() {
        for name in ["queryKey", "ddKey", "userKey", "DD-APPLICATION-KEY", "insert_key", "pat", "githubPAT"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(
            !["path", "pattern", "secretRef", "secretKeyRef", "imagePullSecrets", "queryKeys"]
                .into_iter()
                .any(is_secret)
        );
    }

    #[test]
    fn the_suffix_of_binary_metadata_is_ignored() {
        assert!(["session-bin", "x-vendor-key-bin", "authorization-bin"].into_iter().all(is_secret));
        assert!(!["bin", "trace-bin", "token-name-bin"].into_iter().any(is_secret));
    }
}
