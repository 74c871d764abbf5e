//! Private keys of client certificates that are encrypted with a passphrase: PKCS #8 with PBES2 (RFC 8018), which OpenSSL writes since
//! version 1.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::find;
use pkcs8::EncryptedPrivateKeyInfoRef;

/// Boundaries of an encrypted key in PEM.
const BEGIN: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &[u8] = b"-----END ENCRYPTED PRIVATE KEY-----";

/// Header of a key in the format that OpenSSL wrote before PKCS #8. Its cipher is derived from a single MD5.
const LEGACY: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// An encrypted key that cannot be used. The message continues the name of its file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no passphrase.
    #[error("is encrypted")]
    NoPassphrase,
    /// The passphrase is not the key's.
    #[error("cannot be decrypted with this passphrase")]
    WrongPassphrase,
    /// The key is in a format that is not supported.
    #[error("is encrypted in OpenSSL's legacy format (`Proc-Type: 4,ENCRYPTED`)")]
    Legacy,
    /// The encryption is not supported.
    #[error("has an encryption that is not supported; expected PBES2 with AES")]
    Unsupported,
    /// The file is damaged.
    #[error("contains an encrypted key that is not valid PEM")]
    Malformed,
}

/// Decrypts the key of a PEM file. A file with a plain key, or without a key, is returned as it is.
pub fn decrypt(pem: Vec<u8>, passphrase: Option<&str>) -> Result<Vec<u8>, KeyError> {
    if find(&pem, LEGACY).is_some() {
        return Err(KeyError::Legacy);
    }
    let Some(start) = find(&pem, BEGIN) else { return Ok(pem) };
    let passphrase = passphrase.ok_or(KeyError::NoPassphrase)?;
    let (_, rest) = pem.split_at(start + BEGIN.len());
    let length = find(rest, END).ok_or(KeyError::Malformed)?;
    let base64: Vec<u8> = rest.iter().take(length).copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(base64).map_err(|_| KeyError::Malformed)?;
    let key = EncryptedPrivateKeyInfoRef::try_from(&der[..]).map_err(|_| KeyError::Unsupported)?;
    let plain = key.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs8::pkcs5::Error::NoPbes1CryptSupport
            | pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. },
        ) => KeyError::Unsupported,
        // A wrong passphrase gives wrong padding or, rarely, a key that cannot be parsed.
        _ => KeyError::WrongPassphrase,
    })?;
    let encoded = STANDARD.encode(plain.as_bytes());
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// One key, plain and encrypted with the passphrase `hunter2` by `openssl pkcs8 -topk8`: by default, with `-scrypt`, and with
    /// `-v1 PBE-SHA1-3DES`.
    const PLAIN: &[u8] = include_bytes!("../../../testdata/tls/version1.key");
    const DEFAULT: &[u8] = include_bytes!("../../../testdata/tls/encrypted.key");
    const SCRYPT: &[u8] = include_bytes!("../../../testdata/tls/encrypted-scrypt.key");
    const OLD: &[u8] = include_bytes!("../../../testdata/tls/encrypted-3des.key");

    fn key(pem: &[u8]) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(pem).unwrap()
    }

    #[test]
    fn an_encrypted_key_is_decrypted_with_its_passphrase() {
        let text = |pem: &[u8]| [b"Bag Attributes\n", pem, b"\n-----BEGIN CERTIFICATE-----\n"].concat();
        let windows = String::from_utf8(DEFAULT.to_vec()).unwrap().replace('\n', "\r\n").into_bytes();
        for pem in [DEFAULT.to_vec(), SCRYPT.to_vec(), text(DEFAULT), windows] {
            assert_eq!(key(&decrypt(pem, Some("hunter2")).unwrap()), key(PLAIN));
        }
        for passphrase in [None, Some("hunter2")] {
            assert_eq!(decrypt(PLAIN.to_vec(), passphrase).unwrap(), PLAIN);
        }
    }

    #[test]
    fn a_key_that_cannot_be_decrypted_has_its_reason() {
        let error = |pem: &[u8], passphrase| decrypt(pem.to_vec(), passphrase).unwrap_err();
        for passphrase in ["hunter3", "", "hunter2\n"] {
            assert_eq!(error(DEFAULT, Some(passphrase)), KeyError::WrongPassphrase);
        }
        assert_eq!(error(DEFAULT, None), KeyError::NoPassphrase);
        assert_eq!(error(OLD, Some("hunter2")), KeyError::Unsupported);
        assert_eq!(error(&DEFAULT[..DEFAULT.len() / 2], Some("hunter2")), KeyError::Malformed);
        let legacy = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
        assert_eq!(error(legacy, Some("hunter2")), KeyError::Legacy);
    }
}
