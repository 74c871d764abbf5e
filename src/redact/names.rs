//! Names of secrets: of headers, fields, parameters and variables.
//!
//! A name is split into words (`X-Auth-Key`, `apiKey`, `DB_PASSWORD`), and the words decide: `token` is secret, `tokenize` and `max_tokens`
//! are not. [`vocabulary`] has the words.

mod vocabulary;

use vocabulary::{
    CODES, ENDS, HEADER_ENDS, HEADERS, KEYS, MODEL_TOKENS, PARAMETERS, PINS, PLAIN_HEADERS, PLAIN_KEYS, PLURAL_KEYS,
    REFERENCES, SECRET, SETTING_STARTS, SETTINGS,
};

/// Replacement for a secret.
pub const REDACTED: &str = "[hidden]";

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
    let is_before = |list: &[&str]| before.last().is_some_and(|word| list.contains(&word.as_str()));
    let is_model_token = |at: usize| {
        words[at] == "token" && at.checked_sub(1).is_some_and(|at| MODEL_TOKENS.contains(&words[at].as_str()))
    };
    words.iter().enumerate().any(|(at, word)| is_secret_word(word) && !is_model_token(at))
        || words.windows(2).any(|pair| pair[1] == "key" && KEYS.contains(&pair[0].as_str()))
        // Vendors invent `X-…-Key` headers to carry a key.
        || (words[0] == "x" && words.len() > 2 && last == "key" && !has_plain_key(before))
        || is_vendor_header(name)
        || match last {
            "connstr" | "cred" | "creds" | "cvc" | "cvv" | "dsn" | "otp" | "pass" | "passkey" | "pat" | "psk" | "pw" | "sig"
            | "totp" => true,
            // Ordinary words in longer names: `gpio_pin`, `is_hmac`.
            "hmac" => before.is_empty(),
            "pin" => before.is_empty() || is_before(&PINS),
            "session" => before.iter().all(|word| word == "x" || word == "user"),
            "id" => is_before(&["session"]),
            // Plain `tokens` is a count.
            "tokens" => is_before(&KEYS) && !is_before(&["read", "write"]),
            "keys" => is_before(&PLURAL_KEYS),
            "code" | "codes" => is_before(&CODES),
            "assertion" => is_before(&["client", "saml"]),
            "verifier" => is_before(&["code"]),
            "phrase" => is_before(&["pass", "recovery", "seed"]),
            "word" => is_before(&["pass"]),
            "string" => is_before(&["connection"]),
            "sign" => is_before(&["access", "api"]),
            _ => last.strip_suffix("key").is_some_and(|owner| KEYS.contains(&owner)),
        }
}

fn has_plain_key(words: &[String]) -> bool {
    words.iter().any(|word| PLAIN_KEYS.contains(&word.as_str()))
}

/// Returns true if the value of a header with this name is secret. Only for names that are known to be those of headers.
pub(crate) fn is_secret_header(name: &str) -> bool {
    if is_secret(name) {
        return true;
    }
    match words(name).as_slice() {
        [word] => is_short_header(word),
        // A vendor's key: `Acme-Key`.
        [vendor @ .., last] => name.contains('-') && last == "key" && !has_plain_key(vendor),
        [] => false,
    }
}

/// Returns true for one word that is secret as a header.
fn is_short_header(word: &str) -> bool {
    PARAMETERS.contains(&word) && !PLAIN_HEADERS.contains(&word)
}

/// Returns true for `X-Key`, `X-Vendor-Sign` and the like, and for known headers. The hyphen distinguishes them from fields such as
/// `xKey`.
fn is_vendor_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_by_words = |rest: &str| {
        is_short_header(rest)
            || rest.split('-').any(|word| word == "hmac")
            || rest.rsplit_once('-').is_some_and(|(_, last)| HEADER_ENDS.contains(&last))
    };
    name.strip_prefix("x-").is_some_and(is_by_words) || HEADERS.contains(&name.as_str())
}

/// Returns true if the value of a URL parameter with this name is secret.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    // Judge the name as the server decodes it.
    let read = url::form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.into_owned());
    let name = read.as_deref().unwrap_or(name);
    is_secret(name)
        || match words(name).iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [word] => PARAMETERS.contains(word),
            [.., "ticket"] | ["saml", "request" | "response"] => true,
            _ => false,
        }
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
mod tests;
