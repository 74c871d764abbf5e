//! Tokens that the API server issued and that have expired. It issues none for less than ten minutes, so they are signed here, with
//! its key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use super::certificates::Certificates;
use crate::support::files;

/// A token of a service account that was good until some time ago.
pub fn token(certificates: &Certificates, namespace: &str, name: &str, uid: &str, since: Duration) -> String {
    let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().checked_sub(since).unwrap().as_secs();
    let issuer = "https://kubernetes.default.svc";
    let claims = serde_json::json!({
        "iss": issuer,
        "aud": [issuer],
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "iat": expiry - 3600,
        "nbf": expiry - 3600,
        "exp": expiry,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
    });
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(serde_json::json!({"alg": "ES256", "typ": "JWT"})), part(claims));
    let key = rcgen::KeyPair::from_pem(&files::text(&certificates.file("tokens.key"))).unwrap();
    let random = ring::rand::SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der(), &random).unwrap();
    let signature = key.sign(&random, signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
