//! Words in names of secrets.

/// Words that make a name secret in any position.
pub(super) const SECRET: [&str; 21] = [
    "auth",
    "oauth",
    "authorization",
    "authentication",
    "bearer",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "csrf",
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
    "xsrf",
];

/// Endings of words that make a name secret: `PGPASSWORD`, `authtoken`.
pub(super) const ENDS: [&str; 29] = [
    "accesskey",
    "adminpass",
    "apikey",
    "authkey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "dbpass",
    "ftppass",
    "keypass",
    "masterauth",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "requirepass",
    "secret",
    "secretkey",
    "sessid",
    "sessionid",
    "signature",
    "smtppass",
    "sshpass",
    "storepass",
    "token",
    "userpass",
    "xrfkey",
];

/// Words before `key` that make a name secret.
pub(super) const KEYS: [&str; 49] = [
    "access",
    "account",
    "admin",
    "aes",
    "api",
    "app",
    "application",
    "auth",
    "client",
    "consumer",
    "crypto",
    "dd",
    "decryption",
    "deploy",
    "developer",
    "encryption",
    "functions",
    "gpg",
    "hmac",
    "host",
    "ingest",
    "ingestion",
    "insert",
    "integration",
    "license",
    "management",
    "master",
    "merchant",
    "partner",
    "private",
    "provider",
    "query",
    "read",
    "root",
    "routing",
    "rsa",
    "sas",
    "sdk",
    "server",
    "session",
    "shared",
    "signing",
    "ssh",
    "storage",
    "subscription",
    "symmetric",
    "user",
    "webhook",
    "write",
];

/// Words before `keys` that make a name secret. Others count or list keys: `queryKeys`.
pub(super) const PLURAL_KEYS: [&str; 3] = ["access", "api", "auth"];

/// Words before `code` that make a name secret. Others are ordinary codes: of a status, an error, a country.
pub(super) const CODES: [&str; 14] = [
    "access",
    "activation",
    "backup",
    "device",
    "factor",
    "login",
    "mfa",
    "otp",
    "pairing",
    "pin",
    "recovery",
    "security",
    "totp",
    "verification",
];

/// Words before `pin` that make a name secret. Others are pins of hardware: `gpio_pin`.
pub(super) const PINS: [&str; 6] = ["account", "card", "login", "security", "sim", "user"];

/// Words before `token` in names about the tokens of a language model.
pub(super) const MODEL_TOKENS: [&str; 16] = [
    "audio",
    "bos",
    "cls",
    "completion",
    "draft",
    "eos",
    "first",
    "image",
    "mask",
    "output",
    "pad",
    "per",
    "prompt",
    "sep",
    "stop",
    "unk",
];

/// Words in the name of a `…-Key` header that is not secret.
pub(super) const PLAIN_KEYS: [&str; 18] = [
    "cache",
    "correlation",
    "dedup",
    "deduplication",
    "foreign",
    "idempotency",
    "kafka",
    "message",
    "object",
    "partition",
    "primary",
    "public",
    "routing",
    "row",
    "shard",
    "socket",
    "sort",
    "surrogate",
];

/// Names that are secret as URL parameters and as headers, and ordinary words elsewhere.
pub(super) const PARAMETERS: [&str; 34] = [
    "ak",
    "akey",
    "appid",
    "assertion",
    "authz",
    "code",
    "crumb",
    "cst",
    "hdnea",
    "hdnts",
    "hmac",
    "key",
    "mfa",
    "otcsticket",
    "pass",
    "passkey",
    "passw",
    "pin",
    "psw",
    "pswd",
    "pw",
    "pword",
    "sas",
    "sess",
    "session",
    "sid",
    "sig",
    "sign",
    "sk",
    "skey",
    "ticket",
    "tk",
    "tkn",
    "tok",
];

/// Names in [`PARAMETERS`] that are ordinary words as headers.
pub(super) const PLAIN_HEADERS: [&str; 2] = ["appid", "code"];

/// Last words of `X-…` headers that are secret, and ordinary words elsewhere.
pub(super) const HEADER_ENDS: [&str; 6] = ["crumb", "passkey", "session", "sid", "sign", "ticket"];

/// Headers of vendors whose names do not show that they carry a secret.
pub(super) const HEADERS: [&str; 11] = [
    "fastly-key",
    "jenkins-crumb",
    "x-amzn-oidc-data",
    "x-ha-access",
    "x-honeycomb-team",
    "x-jfrog-art-api",
    "x-ovh-application",
    "x-ovh-consumer",
    "x-registry-config",
    "x-securitycenter",
    "x-wsse",
];

/// Last words of references to a secret.
pub(super) const REFERENCES: [&str; 10] = ["file", "env", "path", "dir", "name", "ref", "url", "uri", "stdin", "jar"];

/// Last words of settings about secrets that are not secret themselves.
pub(super) const SETTINGS: [&str; 31] = [
    "age",
    "algorithm",
    "attempts",
    "audience",
    "count",
    "days",
    "enabled",
    "endpoint",
    "expiry",
    "hours",
    "interval",
    "issuer",
    "length",
    "lifetime",
    "limit",
    "max",
    "method",
    "minutes",
    "mode",
    "policy",
    "rate",
    "required",
    "retries",
    "scheme",
    "seconds",
    "size",
    "timeout",
    "ttl",
    "type",
    "usage",
    "version",
];

/// First words of settings about secrets that are not secret themselves.
pub(super) const SETTING_STARTS: [&str; 6] = ["max", "min", "no", "num", "total", "without"];
