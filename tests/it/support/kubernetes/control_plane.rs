//! The control plane: its programs, how they are started, and what can be done to them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use super::certificates::Certificates;
use super::istiod::Istiod;
use super::process::{self, Directory, Program, dying};
use super::{POLL_INTERVAL, TIMEOUT};
use crate::support::runtime::{block_on, runtime};
use crate::support::tools;

/// Group of the tests' credentials, which may do anything.
const ADMINISTRATORS: &str = "system:masters";

/// A running control plane. It ends when it is dropped; what its parts logged last is shown if the test failed.
pub struct ControlPlane {
    // Programs come first, so that they are gone when the directory goes.
    pub(super) istiod: OnceLock<Option<Istiod>>,
    etcd: Mutex<Option<Program>>,
    api_server: Mutex<Option<Program>>,
    controllers: Mutex<Option<Program>>,
    etcd_port: u16,
    port: u16,
    client: OnceLock<kube::Client>,
    pub(super) certificates: Certificates,
    programs: PathBuf,
    pub(super) setpriv: PathBuf,
    pub(super) kubectl: PathBuf,
    pub(super) definitions: OnceLock<bool>,
    pub(super) llm_definition: OnceLock<bool>,
    pub(super) directory: Directory,
}

impl ControlPlane {
    /// The one that the tests of this program share; none if programs are missing.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ControlPlane>> = OnceLock::new();
        SHARED.get_or_init(Self::own).as_ref()
    }

    /// One of the test's own, to be broken; none if programs are missing.
    pub fn own() -> Option<Self> {
        let programs = tools::control_plane()?;
        let kubectl = tools::needed("kubectl")?;
        let setpriv = tools::needed("setpriv")?;
        let directory = Directory::new();
        let certificates = Certificates::new(&directory.path().join("certificates"));
        certificates.client("test", "test", ADMINISTRATORS);
        certificates.client("controllers", "system:kube-controller-manager", ADMINISTRATORS);
        let new = Self {
            istiod: OnceLock::new(),
            etcd: Mutex::default(),
            api_server: Mutex::default(),
            controllers: Mutex::default(),
            etcd_port: free_port(),
            port: free_port(),
            client: OnceLock::new(),
            certificates,
            programs,
            setpriv,
            kubectl,
            definitions: OnceLock::new(),
            llm_definition: OnceLock::new(),
            directory,
        };
        for user in ["test", "controllers"] {
            new.write_certificate_kubeconfig(user);
        }
        let client = block_on(async { kube::Client::try_from(new.configuration().await).unwrap() });
        assert!(new.client.set(client).is_ok());
        new.start_etcd();
        // It waits for etcd by itself.
        new.start_api_server();
        new.start_controllers();
        Some(new)
    }

    /// Port of the API server on 127.0.0.1; it never changes.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The API server's root.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificate of the authority that signed the API server's, in PEM.
    pub fn authority(&self) -> &str {
        &self.certificates.authority.pem
    }

    /// A client to whom nothing is forbidden; to be used within [`block_on`].
    pub fn client(&self) -> kube::Client {
        self.client.get().unwrap().clone()
    }

    /// Starts the API server, and waits until it is ready.
    #[track_caller]
    pub fn start_api_server(&self) {
        *self.api_server.lock().unwrap() = Some(self.start("kube-apiserver", &self.api_server_flags()));
        let started = Instant::now();
        while let Err(error) = self.is_ready() {
            if let Some(status) = self.api_server.lock().unwrap().as_mut().unwrap().ended() {
                panic!("the API server ended with {status}:\n{}", self.last_words());
            }
            assert!(started.elapsed() < TIMEOUT, "the API server is not ready: {error}\n{}", self.last_words());
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Kills the API server: connections end in the middle. What it stored stays.
    pub fn stop_api_server(&self) {
        *self.api_server.lock().unwrap() = None;
    }

    /// Stops all programs, for control planes that are never dropped.
    pub fn stop(&self) {
        if let Some(istiod) = self.istiod.get().and_then(Option::as_ref) {
            istiod.stop();
        }
        for program in [&self.controllers, &self.api_server, &self.etcd] {
            *program.lock().unwrap() = None;
        }
    }

    fn is_ready(&self) -> Result<(), kube::Error> {
        let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
        // A server that accepts connections and does not answer is not ready either.
        block_on(async { tokio::time::timeout(TIMEOUT, self.client().request_text(request)).await.unwrap() }).map(drop)
    }

    /// A command that ends with the test program; the program and its arguments are to be added.
    pub fn dying_command(&self) -> Command {
        dying(&self.setpriv)
    }

    fn start(&self, program: &str, flags: &[String]) -> Program {
        Program::start(&self.setpriv, &self.programs.join(program), flags, &self.log(program))
    }

    fn start_etcd(&self) {
        let url = format!("http://127.0.0.1:{}", self.etcd_port);
        let flags = [
            format!("--data-dir={}", self.directory.path().join("etcd").display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
            // The data is discarded after the tests.
            "--unsafe-no-fsync".to_owned(),
        ];
        *self.etcd.lock().unwrap() = Some(self.start("etcd", &flags));
    }

    fn api_server_flags(&self) -> Vec<String> {
        let file = |name: &str| self.certificates.file(name).display().to_string();
        vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            // There is no network in which an address for the service `kubernetes` would mean anything; pods get the real one.
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            format!("--tls-cert-file={}", file("api-server.crt")),
            format!("--tls-private-key-file={}", file("api-server.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("tokens.pub")),
            format!("--service-account-signing-key-file={}", file("tokens.key")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--kubelet-certificate-authority={}", file("ca.crt")),
            format!("--kubelet-client-certificate={}", file("kubelet-client.crt")),
            format!("--kubelet-client-key={}", file("kubelet-client.key")),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
        ]
    }

    fn start_controllers(&self) {
        let file = |name: &str| self.certificates.file(name).display().to_string();
        let flags = [
            format!("--kubeconfig={}", self.kubeconfig_of("controllers").display()),
            // Tests request nothing from it.
            "--secure-port=0".to_owned(),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials=false".to_owned(),
            format!("--service-account-private-key-file={}", file("tokens.key")),
            format!("--root-ca-file={}", file("ca.crt")),
            // The test node does not renew its lease; it must not be taken for lost.
            "--controllers=*,-node-lifecycle-controller".to_owned(),
            "--concurrent-job-syncs=10".to_owned(),
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
        ];
        *self.controllers.lock().unwrap() = Some(self.start("kube-controller-manager", &flags));
    }

    fn log(&self, program: &str) -> PathBuf {
        self.directory.path().join(format!("{program}.log"))
    }

    /// The end of what each part logged.
    pub fn last_words(&self) -> String {
        let programs = ["etcd", "kube-apiserver", "kube-controller-manager"];
        programs.map(|program| process::last_words(program, &self.log(program))).concat()
    }

    async fn configuration(&self) -> kube::Config {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.kubeconfig()).unwrap();
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap()
    }

    /// The kubeconfig of someone to whom nothing is forbidden. Cluster, user and context are named `test`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("test")
    }

    fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.directory.path().join(format!("{user}.kubeconfig"))
    }

    fn write_certificate_kubeconfig(&self, user: &str) {
        let file = |name: String| self.certificates.file(&name).display().to_string();
        let credentials = format!(
            "{{client-certificate: {}, client-key: {}}}",
            file(format!("{user}.crt")),
            file(format!("{user}.key"))
        );
        self.write_kubeconfig(&self.kubeconfig_of(user), &credentials, "default");
    }

    /// Writes a kubeconfig for whoever has this token, with this namespace as its context's.
    pub fn kubeconfig_with_token(&self, token: &str, namespace: &str) -> PathBuf {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let name = format!("token-{}.kubeconfig", COUNT.fetch_add(1, Ordering::Relaxed));
        let path = self.directory.path().join(name);
        self.write_kubeconfig(&path, &format!("{{token: {token}}}"), namespace);
        path
    }

    fn write_kubeconfig(&self, path: &Path, credentials: &str, namespace: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: '{}', certificate-authority: {}}}}}]\n\
             users: [{{name: test, user: {credentials}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: test, namespace: {namespace}}}}}]\n",
            self.url(),
            self.certificates.file("ca.crt").display()
        );
        std::fs::write(path, text).unwrap();
    }

    /// Makes a namespace of a name that no other test has, and waits until pods can be made in it.
    #[track_caller]
    pub fn namespace(&self) -> String {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let name = format!("test-{:04}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.kubectl_ok(&["create", "namespace", &name]);
        // Its controllers make both; pods are refused before the first, and do not start before the second.
        self.wait_for("serviceaccounts", &name, "default", |_| true);
        self.wait_for("configmaps", &name, "kube-root-ca.crt", |_| true);
        name
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
        // Its tasks end on the runtime that it was made on.
        let _runtime = runtime().enter();
        drop(self.client.take());
    }
}

/// A free port of those that the system gives nobody by itself (it starts at 32768), so that it is free again after a restart; this
/// program gets none twice.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(101) % u32::from(COUNT);
    let start = u16::try_from(start).unwrap();
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
