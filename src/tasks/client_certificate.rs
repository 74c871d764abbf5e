//! Client certificate of a connection: files of the chain and of its private key, which may be encrypted.

use super::credentials::{ErrorAt, read_file, read_secret};
use super::secret_source::{MAX_SECRET, Secret, Sources};
use crate::load::connect::client_key::{KeyError, decrypt};
use crate::model::tls::Identity;
use crate::ports::Files;
use crate::values::input::InputError;

/// Files of a client certificate.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::tasks) struct ClientCertificate {
    cert: String,
    key: String,
    /// Passphrase of the key.
    passphrase: Option<Secret>,
}

impl ClientCertificate {
    /// Reads the fields `cert`, `key` and `keyPassphrase`. Certificate and key require each other.
    pub(in crate::tasks) fn plan(
        cert: Option<String>,
        key: Option<String>,
        passphrase: Option<&Sources>,
        error_at: ErrorAt<'_>,
    ) -> Result<Option<Self>, InputError> {
        let passphrase = passphrase.cloned().map(Secret::try_from).transpose();
        let passphrase = passphrase.map_err(|error| error_at(PASSPHRASE, error.to_owned()))?;
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(Self { cert, key, passphrase })),
            (Some(_), None) => Err(error_at("key", "required with `cert`: the certificate's private key".to_owned())),
            (None, Some(_)) => Err(error_at("cert", "required with `key`: the key's certificate".to_owned())),
            (None, None) if passphrase.is_some() => {
                Err(error_at(PASSPHRASE, "has no effect without `cert` and `key`".to_owned()))
            }
            (None, None) => Ok(None),
        }
    }

    /// Reads the files, and decrypts the key.
    pub(in crate::tasks) fn read(&self, files: &dyn Files, error_at: ErrorAt<'_>) -> Result<Identity, InputError> {
        let pem = |field: &str, path: &str| read_file(files, field, path, MAX_SECRET, error_at);
        let (cert, key) = (pem("cert", &self.cert)?, pem("key", &self.key)?);
        let passphrase = self.passphrase.as_ref().map(|secret| read_secret(secret, files, PASSPHRASE, error_at));
        let passphrase = passphrase.transpose()?;
        if !files.knows_content() {
            return Ok(Identity { cert, key });
        }
        let key = decrypt(key, passphrase.as_deref()).map_err(|error| {
            let (field, hint) = next_step(&error);
            error_at(field, format!("`{}` {error}", self.key)).with_hint(hint)
        })?;
        Ok(Identity { cert, key })
    }
}

/// Field of the passphrase.
const PASSPHRASE: &str = "keyPassphrase";

/// Hint for keys whose encryption is not supported.
const CONVERT: &str =
    "encrypt it again with `openssl pkcs8 -topk8 -in KEY -out NEW_KEY`, and set `keyPassphrase` to its passphrase";

/// Returns the field to blame, and the next step.
fn next_step(error: &KeyError) -> (&'static str, &'static str) {
    match error {
        KeyError::NoPassphrase => (
            "key",
            "set `keyPassphrase.file` or `keyPassphrase.env` to the source of its passphrase, or decrypt it with \
             `openssl pkcs8 -in KEY -out PLAIN_KEY`",
        ),
        KeyError::WrongPassphrase => {
            (PASSPHRASE, "check the passphrase: `openssl pkey -in KEY -noout` asks for it, and fails if it is wrong")
        }
        KeyError::Legacy | KeyError::Unsupported => ("key", CONVERT),
        KeyError::Malformed => ("key", "check that the file is complete"),
    }
}
