//! Tests of names.

use super::*;

/// Names of secrets.
const SECRET_NAMES: &[&str] = &[
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
    "Csrf-Param",
    "X-CSRFToken",
    "X-Qlik-Xrfkey",
    "X-Shopify-Hmac-Sha256",
    "X-DNSME-Hmac",
    "CB-ACCESS-SIGN",
    "API-Sign",
    "X-Bapi-Sign",
    "X-chkp-sid",
    "X-Metabase-Session",
    "X-ApiKeys",
    "X-HW-AppKey",
    "X-WSSE",
    "X-SecurityCenter",
    "X-Ovh-Application",
    "X-Amzn-Oidc-Data",
    "signoz-ingestion-key",
    "licensekey",
    "writeKey",
    "consumer_key",
    "userPin",
    "otp_code",
    "mfaCode",
    "backup_codes",
    "code_verifier",
    "client_assertion",
    "pass_word",
    "seedPhrase",
    "wpa_psk",
    "cvv",
    "dsn",
    "storepass",
    "dbpass",
    "requirepass",
];

/// Similar names of other things.
const OTHER_NAMES: &[&str] = &[
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
    "sort_key",
    "primary_key",
    "project_key",
    "X-Primary-Key",
    "token_count",
    "prompt_tokens",
    "cache_read_tokens",
    "eos_token",
    "pad_token_id",
    "time_per_output_token",
    "time_to_first_token_seconds",
    "token_endpoint",
    "secret_version",
    "status_code",
    "country_code",
    "zipCode",
    "error_codes",
    "bypass",
    "turkey",
    "hotkey",
    "ticket",
    "sid",
    "access",
    "crumb",
    "signup",
    "X-Scope-OrgID",
    "X-Request-Id",
    "le",
    "keyword",
    "keys",
];

#[test]
fn words_decide_if_a_name_is_secret() {
    for name in SECRET_NAMES {
        assert!(is_secret(name), "{name}");
    }
    for name in OTHER_NAMES {
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
        "tkn",
        "sess",
        "alf_ticket",
        "SAMLResponse",
        "sk",
    ];
    assert!(parameters.into_iter().all(is_secret_parameter));
    assert!(["Key", "key", "pin", "X-Key", "Authorization", "Acme-Key", "Crumb"].into_iter().all(is_secret_header));
    assert!(
        ![
            "Code",
            "Content-Type",
            "Idempotency-Key",
            "Cache-Key",
            "AppId",
            "Sec-WebSocket-Key",
            "sort_key",
            "Kafka-Key"
        ]
        .into_iter()
        .any(is_secret_header)
    );
    assert!(
        !["q", "keyword", "codec", "sorted", "sort_key", "step", "le", "match[]"].into_iter().any(is_secret_parameter)
    );
}

#[test]
fn keys_of_monitoring_services_are_secret() {
    for name in ["queryKey", "ddKey", "userKey", "DD-APPLICATION-KEY", "insert_key", "pat", "githubPAT"] {
        assert!(is_secret(name), "{name}");
    }
    assert!(
        !["path", "pattern", "secretRef", "secretKeyRef", "imagePullSecrets", "queryKeys"].into_iter().any(is_secret)
    );
}

#[test]
fn the_suffix_of_binary_metadata_is_ignored() {
    assert!(["session-bin", "x-vendor-key-bin", "authorization-bin"].into_iter().all(is_secret));
    assert!(!["bin", "trace-bin", "token-name-bin"].into_iter().any(is_secret));
}
