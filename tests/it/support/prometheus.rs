//! The real Prometheus on a free port of this machine, and exporters whose text the test sets, so that fresh pods, resets and lost
//! targets happen when they should.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::misbehaving_server::{MisbehavingServer, Reply};
use super::tools;

/// Longest wait for something that must come.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two scrapes of a target, and the longest a scrape may take.
pub const SCRAPE_INTERVAL: Duration = Duration::from_millis(200);

/// Polling interval for results of queries.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running Prometheus. It ends when it is dropped; what it logged is shown if the test failed.
pub struct Prometheus {
    address: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `/metrics` of these addresses; none if the program is missing. The first scrape comes after some five
    /// seconds: that is how long its discovery waits for more targets.
    pub fn start(targets: &[SocketAddr]) -> Option<Self> {
        let program = tools::needed("prometheus")?;
        let directory = tempfile::tempdir().unwrap();
        let targets: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
        let interval = SCRAPE_INTERVAL.as_millis();
        let config = format!(
            "global: {{scrape_interval: {interval}ms, scrape_timeout: {interval}ms}}\n\
             scrape_configs: [{{job_name: test, static_configs: [{{targets: [{}]}}]}}]\n",
            targets.join(", ")
        );
        std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
        let mut child = Command::new(program)
            .current_dir(directory.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, message) = mpsc::channel();
        let (lines, shared) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        // The thread ends with the program.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                shared.lock().unwrap().push_str(&format!("{line}\n"));
                let _ = tell.send(line);
            }
        });
        let mut prometheus = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), child, log, _directory: directory };
        prometheus.become_ready(&message);
        Some(prometheus)
    }

    /// Waits for the port that the system picked, and for the server to say that it is ready, in either order.
    fn become_ready(&mut self, lines: &mpsc::Receiver<String>) {
        let mut is_ready = false;
        while !is_ready || self.address.port() == 0 {
            let line = lines.recv_timeout(TIMEOUT).expect("prometheus did not become ready");
            is_ready |= line.contains("Server is ready to receive web requests");
            if line.contains("msg=\"Listening on\"")
                && let Some((_, address)) = line.rsplit_once("address=")
            {
                self.address = address.trim().parse().unwrap();
            }
        }
    }

    /// The server's root.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The result of a query at a time, in seconds since 1970, or now.
    #[track_caller]
    pub fn query(&self, promql: &str, time: Option<f64>) -> Value {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", promql);
        if let Some(time) = time {
            form.append_pair("time", &format!("{time:.3}"));
        }
        let answer = get(self.address, &format!("/api/v1/query?{}", form.finish()));
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer}"));
        assert_eq!(answer["status"], "success", "{promql}\n{answer}");
        assert_eq!(answer["warnings"], Value::Null, "{promql}\n{answer}");
        answer["data"]["result"].clone()
    }

    /// The value of a query with at most one series; none without.
    #[track_caller]
    pub fn value(&self, promql: &str, time: Option<f64>) -> Option<f64> {
        let result = self.query(promql, time);
        let series = result.as_array().unwrap();
        assert!(series.len() <= 1, "{promql}\n{result}");
        series.first().map(|one| one["value"][1].as_str().unwrap().parse().unwrap())
    }

    /// Waits until the value of a query is as it should be, and gives it.
    #[track_caller]
    pub fn wait_until(&self, promql: &str, is_so: impl Fn(Option<f64>) -> bool) -> Option<f64> {
        let started = Instant::now();
        loop {
            let value = self.value(promql, None);
            if is_so(value) {
                return value;
            }
            assert!(started.elapsed() < TIMEOUT, "{promql} is {value:?} after {TIMEOUT:?}");
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("what prometheus logged:\n{}", self.log.lock().unwrap());
        }
    }
}

/// The body of an answer to GET. HTTP/1.0 has the server close the connection, and not cut the body up.
#[track_caller]
fn get(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}")).1.to_owned()
}

/// A target whose text the test sets.
pub struct Exporter {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    page: Mutex<Page>,
    scraped: Condvar,
}

#[derive(Default)]
struct Page {
    /// None: the target fails.
    text: Option<String>,
    is_scraped: bool,
}

impl Exporter {
    /// Starts an exporter that fails until it has a text.
    pub fn start() -> Self {
        Self::with_type("text/plain")
    }

    /// Starts one whose text is OpenMetrics.
    pub fn openmetrics() -> Self {
        Self::with_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
    }

    fn with_type(content_type: &'static str) -> Self {
        let shared = Arc::new(Shared::default());
        let exported = Arc::clone(&shared);
        let server = MisbehavingServer::scripted(move |_| {
            let mut page = exported.page.lock().unwrap();
            page.is_scraped = true;
            exported.scraped.notify_all();
            match &page.text {
                Some(text) => Reply::with(200, &format!("content-type: {content_type}\r\n"), text),
                None => Reply::plain(503, ""),
            }
        });
        Self { address: server.address, shared }
    }

    /// Sets the text; none makes scrapes fail.
    pub fn set(&self, text: Option<String>) {
        *self.shared.page.lock().unwrap() = Page { text, is_scraped: false };
    }

    /// Waits until what was set last has been scraped. Prometheus stores it a moment later.
    #[track_caller]
    pub fn wait_for_scrape(&self) {
        let page = self.shared.page.lock().unwrap();
        let (_page, wait) = self.shared.scraped.wait_timeout_while(page, TIMEOUT, |page| !page.is_scraped).unwrap();
        assert!(!wait.timed_out(), "no scrape within {TIMEOUT:?}");
    }
}
