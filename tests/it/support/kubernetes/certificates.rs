//! The keys and certificates by which the parts of a cluster authenticate to each other, as files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::authority::Authority;

/// One authority signs everything.
pub struct Certificates {
    directory: PathBuf,
    pub authority: Authority,
}

impl Certificates {
    /// Writes what the API server and the controller manager read: `ca.crt`, `api-server.*`, `kubelet-client.*`, and the keys that
    /// tokens of service accounts are signed with.
    pub fn new(directory: &Path) -> Self {
        fs::create_dir(directory).unwrap();
        let new = Self { directory: directory.to_owned(), authority: Authority::new() };
        fs::write(new.file("ca.crt"), &new.authority.pem).unwrap();
        let (certificate, key) = new.authority.issue();
        new.write("api-server", &certificate, &key);
        new.client("kubelet-client", "kube-apiserver-kubelet-client", "system:masters");
        let tokens = rcgen::KeyPair::generate().unwrap();
        fs::write(new.file("tokens.pub"), tokens.public_key_pem()).unwrap();
        secret(&new.file("tokens.key"), &tokens.serialize_pem());
        new
    }

    /// The path of a file among them.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a client certificate and its key: `NAME.crt` and `NAME.key`.
    pub fn client(&self, name: &str, user: &str, group: &str) {
        let (certificate, key) = self.authority.issue_to(user, group);
        self.write(name, &certificate, &key);
    }

    fn write(&self, name: &str, certificate: &rcgen::Certificate, key: &rcgen::KeyPair) {
        fs::write(self.file(&format!("{name}.crt")), certificate.pem()).unwrap();
        secret(&self.file(&format!("{name}.key")), &key.serialize_pem());
    }
}

/// Pods run as other users on this machine; these files are not for them.
fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
