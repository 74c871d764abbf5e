//! Every response of `testdata/providers/matrix.yaml` to the whole program: broken connections and HTTP, too, and the exit code of `assert`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use iter8::model::codec::value_from_yaml;
use serde::Deserialize;
use serde_json::{Value, json};

use super::trial::{FIRST, Trial};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};

#[derive(Deserialize)]
struct Matrix {
    limits: BTreeMap<String, f64>,
    decisions: Decisions,
    responses: Vec<Row>,
}

type ByBound = BTreeMap<String, Expected>;

#[derive(Deserialize)]
struct Decisions {
    value: ByBound,
    absence: BTreeMap<String, ByBound>,
    error: BTreeMap<String, ByBound>,
}

#[derive(Deserialize)]
struct Expected {
    verdict: String,
    exit: i32,
    value: Option<f64>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    connection: Option<String>,
    jq: Option<String>,
    reduce: Option<Value>,
    r#type: Option<String>,
    partial: Option<Value>,
    on_warning: Option<Value>,
    sample_age: Option<f64>,
    class: Value,
    policy: Option<String>,
    #[serde(default)]
    says: String,
}

impl Row {
    fn is_error(&self) -> bool {
        self.class.get("error").is_some()
    }

    /// Returns true for a response that never completes.
    fn is_endless(&self) -> bool {
        matches!(self.connection.as_deref(), Some("silence" | "drip"))
    }

    /// Returns the response to a query for this time, in seconds since 1970.
    fn reply(&self, time: &str) -> Reply {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":".to_vec();
        match self.connection.as_deref() {
            None => {
                let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let body = match self.sample_age {
                    Some(age) => self.body.replace("TIME", &(time.parse::<f64>().unwrap() - age).to_string()),
                    None => self.body.clone(),
                };
                Reply::with(self.status.unwrap_or(200), &headers, &body)
            }
            Some("silence") => Reply::Silence,
            Some("drip") => Reply::DripForever(head, Duration::from_millis(100)),
            Some("close") => Reply::SendAndClose(Vec::new()),
            Some("reset") => Reply::SendAndReset(head),
            Some("half") => Reply::SendAndClose(head),
            Some("ssh") => Reply::SendAndClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            Some(other) => panic!("{other}"),
        }
    }

    fn metric(&self) -> Value {
        let jq = match self.jq.as_deref() {
            None => json!(FIRST),
            Some("none") => Value::Null,
            Some(other) => json!(other),
        };
        json!({
            "name": self.name, "params": [{"name": "query", "value": self.name}], "jqExpression": jq,
            "reduce": self.reduce, "type": self.r#type, "partial": self.partial, "onWarning": self.on_warning,
        })
    }

    /// The provider: `q` has no server.
    fn provider(&self) -> &'static str {
        if self.connection.as_deref() == Some("refused") { "q" } else { "p" }
    }
}

impl Matrix {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/providers/matrix.yaml");
        serde_json::from_value(value_from_yaml(&std::fs::read_to_string(path).unwrap()).unwrap()).unwrap()
    }

    fn expected(&self, row: &Row, no_data: &str, on_error: &str) -> &ByBound {
        match row.class.as_str() {
            Some("value") => &self.decisions.value,
            Some(_) => &self.decisions.absence[no_data],
            None => &self.decisions.error[row.policy.as_deref().unwrap_or(on_error)],
        }
    }

    /// Runs these responses with every pair of policies. The reason, the verdicts and the exit code are as the table says.
    fn check(&self, rows: &[Row]) {
        let shared = rows.to_vec();
        let server = MisbehavingServer::scripted(move |request| {
            let row = shared.iter().find(|row| row.name == request.param("query"));
            row.map_or_else(|| panic!("{request:?}"), |row| row.reply(request.param("time")))
        });
        let gone = format!("http://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        let template = |provider: &str, url: &str| {
            let metrics: Vec<Value> = rows.iter().filter(|row| row.provider() == provider).map(Row::metric).collect();
            json!({"url": format!("{url}api/v1/query"), "metrics": metrics}).to_string()
        };
        for no_data in ["unset", "fail", "pass", "inconclusive", "zero"] {
            for on_error in ["unset", "inconclusive", "fail"] {
                let mut trial = Trial::with_template("p.tpl", &template("p", &server.url()))
                    .set("custommetrics.templates.q=q.tpl,custommetrics.concurrency=30")
                    .set("custommetrics.providers.p.retries=0,custommetrics.providers.q.retries=0");
                trial.cli.write("q.tpl", &template("q", &gone));
                // Only the responses that never complete need a short timeout: others may be late on a busy machine.
                if rows.iter().all(Row::is_endless) {
                    trial = trial.set("custommetrics.providers.p.timeout=1s");
                }
                for (setting, policy) in [("noData", no_data), ("onError", on_error)] {
                    if policy != "unset" {
                        trial = trial.set(format!("custommetrics.{setting}={policy}"));
                    }
                }
                for row in rows {
                    let metric = format!("{}/{}", row.provider(), row.name);
                    for (bound, limit) in &self.limits {
                        trial = trial.set(format!("assess.SLOs.{bound}.{metric}={limit}"));
                    }
                }
                trial.run().exits(0);
                let cell = format!("noData {no_data}, onError {on_error}");
                trial.expect_slos(self.check_verdicts(rows, &trial, no_data, on_error, &cell));
            }
        }
    }

    /// Checks the verdicts on each response, and returns the exit code of all: that of the worst.
    fn check_verdicts(&self, rows: &[Row], trial: &Trial, no_data: &str, on_error: &str, cell: &str) -> i32 {
        let outcome = trial.outcome();
        let mut exit = 0;
        for row in rows {
            let metric = format!("{}/{}", row.provider(), row.name);
            let seen = outcome.seen(0, &metric);
            if row.class != "value" {
                assert_eq!(seen["missing"], row.class, "{metric}: {seen}");
                assert!(seen["noData"].as_str().unwrap().contains(&row.says), "{metric}: {seen}");
            }
            for (bound, expected) in self.expected(row, no_data, on_error) {
                let verdict = outcome.verdict_on(bound, &metric);
                assert_eq!(verdict["verdict"], expected.verdict.as_str(), "{cell}, {bound}: {verdict}");
                let value = if row.class == "value" { Some(3.0) } else { expected.value };
                assert_eq!(verdict["value"].as_f64(), value, "{cell}, {bound}: {verdict}");
                exit = match (exit, expected.exit) {
                    (1, _) | (_, 1) => 1,
                    (one, other) => one.max(other),
                };
            }
        }
        exit
    }
}

#[test]
fn responses_without_data_are_judged_by_no_data_alone() {
    let matrix = Matrix::read();
    let rows: Vec<Row> = matrix.responses.iter().filter(|row| !row.is_error()).cloned().collect();
    matrix.check(&rows);
}

#[test]
fn erroneous_responses_are_judged_by_on_error_alone() {
    let matrix = Matrix::read();
    let errors = matrix.responses.iter().filter(|row| row.is_error() && row.connection.is_none());
    let (own, others): (Vec<Row>, Vec<Row>) = errors.cloned().partition(|row| row.policy.is_some());
    matrix.check(&others);
    matrix.check(&own);
}

#[test]
fn broken_connections_are_judged_by_on_error_alone() {
    let matrix = Matrix::read();
    let rows = matrix.responses.iter().filter(|row| row.connection.is_some()).cloned();
    let (endless, broken): (Vec<Row>, Vec<Row>) = rows.partition(Row::is_endless);
    matrix.check(&broken);
    matrix.check(&endless);
}
