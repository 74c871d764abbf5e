//! Start of a version's window, and one instant for all queries.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::trial::{FIRST, Trial, number};
use crate::support::misbehaving_server::{MisbehavingServer, Reply};
use crate::support::transcript::transcript;

/// A metric whose query says how long the window is.
fn trial(server: &MisbehavingServer) -> Trial {
    let text = format!(
        "url: {}api/v1/query\nmetrics:\n- name: m\n  params:\n  - name: query\n    value: \"rate(x[{{{{ .elapsedTimeSeconds }}}}s])\"\n",
        server.url()
    );
    Trial::with_template("p.tpl", &text).set("assess.SLOs.upper.p/m=5")
}

fn ago(seconds: i64) -> String {
    (Utc::now() - TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The length of the window that was asked for, in seconds.
fn window(trial: &Trial, version: usize) -> i64 {
    let outcome = trial.outcome();
    let query = outcome.seen(version, "p/m")["query"].as_str().unwrap().to_owned();
    let length = query.strip_prefix("rate(x[").and_then(|rest| rest.strip_suffix("s])"));
    length.unwrap_or_else(|| panic!("{query}")).parse().unwrap()
}

#[test]
fn a_window_starts_with_the_experiment_by_default() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    let trial = trial(&server)
        .set(format!("custommetrics.values.startingTime={}", ago(600)))
        .set(format!("custommetrics.versionValues[0].startingTime={}", ago(100)))
        .set("custommetrics.versionValues[1].x=1");
    trial.run().exits(0);
    let windows = [window(&trial, 0), window(&trial, 1)];
    assert!((100..130).contains(&windows[0]) && (600..630).contains(&windows[1]), "{windows:?}");
    // Without one: from the start of the experiment, which is the first loop's.
    let trial = self::trial(&server);
    trial.run().exits(0);
    assert!((1..30).contains(&window(&trial, 0)));
    let text = trial.cli.read("experiment.yaml");
    let start = trial.outcome().0["startTime"].as_str().unwrap().to_owned();
    let earlier = DateTime::parse_from_rfc3339(&start).unwrap() - TimeDelta::hours(1);
    trial.cli.write("experiment.yaml", &text.replacen(&start, &earlier.to_rfc3339(), 1));
    trial.run_with(&["--reuseResult"]).snapshot(0);
    assert!((3600..3700).contains(&window(&trial, 0)), "{}", window(&trial, 0));
}

#[test]
fn a_start_in_the_future_is_rejected() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    let start = ago(-3600);
    let at = |start: &str| trial(&server).set(format!("custommetrics.versionValues[0].startingTime={start}"));
    let trial = at(&start);
    trial.run().snapshot(3);
    assert_eq!(server.connections(), 0);
    assert_eq!(trial.outcome().0["failure"], true);
    assert_eq!(trial.outcome().0["tasks"][1]["status"], "planned");
    trial.expect_slos(1);
    trial.expect_intact();
    let trial = at(&ago(-30));
    trial.run().snapshot(0);
    assert_eq!(window(&trial, 0), 1);
    trial.expect_slos(0);
}

#[test]
fn an_invalid_start_is_rejected_before_the_run() {
    let _transcript = transcript!();
    let server = MisbehavingServer::always(number("1"));
    for start in [
        "custommetrics.values.startingTime=yesterday",
        "custommetrics.values.startingTime=5",
        "custommetrics.versionValues[0].startingTime=2026-01-01",
        "custommetrics.versionValues[0].startingTime=2026-02-30T00:00:00Z",
    ] {
        let trial = trial(&server).set(start);
        trial.run().snapshot(2);
        assert!(!trial.cli.path("experiment.yaml").exists());
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn metrics_of_a_loop_are_evaluated_at_one_instant() {
    let server = MisbehavingServer::always(number("1"));
    let trial = Trial::of(&server, &[("a", FIRST), ("b", FIRST), ("c", FIRST)])
        .set("custommetrics.versionValues[0].x=1,custommetrics.versionValues[1].x=2,custommetrics.concurrency=2");
    let started = Utc::now();
    trial.run().exits(0);
    let requests = server.seen();
    assert_eq!(requests.len(), 6);
    let time = requests[0].param("time").to_owned();
    assert!(requests.iter().all(|request| request.param("time") == time), "{requests:?}");
    let seconds: f64 = time.parse().unwrap();
    assert!(seconds >= started.timestamp() as f64 && seconds <= Utc::now().timestamp() as f64 + 1.0, "{time}");
    // The document says which instant that was.
    let kept: DateTime<Utc> = trial.outcome().seen(0, "p/a")["time"].as_str().unwrap().parse().unwrap();
    assert!((kept.timestamp_millis() as f64 / 1e3 - seconds).abs() < 0.002, "{kept} {time}");
}

#[test]
fn a_time_parameter_of_the_template_is_kept() {
    let server = MisbehavingServer::always(number("1"));
    let text = format!(
        "url: {}api/v1/query\nmetrics: [{{name: m, params: [{{name: query, value: up}}, {{name: time, value: 1700000000}}]}}]\n",
        server.url()
    );
    let trial = Trial::with_template("p.tpl", &text).set("assess.SLOs.upper.p/m=5");
    trial.run().exits(0);
    assert_eq!(server.seen()[0].param("time"), "1700000000");
    assert_eq!(server.seen()[0].head.matches("time=").count(), 1);
}

#[test]
fn clock_skew_is_reported_once_with_its_maximum() {
    let server = MisbehavingServer::scripted(|request| {
        let ahead = if request.param("query") == "a" { 20 } else { 10 };
        let date = (Utc::now() + TimeDelta::seconds(ahead)).format("%a, %d %b %Y %H:%M:%S GMT");
        Reply::with(200, &format!("date: {date}\r\n"), &super::trial::vector(&["1"]))
    });
    let trial = Trial::of(&server, &[("a", FIRST), ("b", FIRST), ("c", FIRST)]);
    trial.run().exits(0);
    let notes = trial.outcome().notes();
    let clocks: Vec<&str> = notes.lines().filter(|note| note.contains("the provider's clock is")).collect();
    // To the second, and the answer takes a moment.
    let is_largest = |note: &str| note.contains("is 19 s ahead;") || note.contains("is 18 s ahead;");
    assert!(matches!(clocks[..], [note] if is_largest(note)), "{notes}");
}

#[test]
fn a_slow_response_is_not_clock_skew() {
    let server = MisbehavingServer::scripted(|request| match request.repeat {
        // Longer than clocks may differ.
        0 => Reply::with(429, "retry-after: 6\r\n", ""),
        _ => {
            let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
            Reply::with(200, &format!("date: {date}\r\n"), &super::trial::vector(&["1"]))
        }
    });
    let trial = Trial::of(&server, &[("a", FIRST)]);
    trial.run().exits(0);
    assert!(!trial.outcome().notes().contains("clock"), "{}", trial.outcome().notes());
    assert_eq!(trial.outcome().value(0, "p/a"), Some(1.0));
}

#[test]
fn clock_skew_of_a_provider_is_reported() {
    for (date, message) in [
        ("Thu, 01 Jan 2015 00:00:00 GMT", Some("behind;")),
        ("Fri, 01 Jan 2100 00:00:00 GMT", Some("ahead;")),
        ("never", None),
    ] {
        let server =
            MisbehavingServer::always(Reply::with(200, &format!("date: {date}\r\n"), &super::trial::vector(&["1"])));
        let trial = Trial::of(&server, &[("a", FIRST), ("b", FIRST)]);
        trial.run().exits(0);
        let notes = trial.outcome().notes();
        let clocks: Vec<&str> = notes.lines().filter(|note| note.contains("the provider's clock is")).collect();
        assert_eq!(clocks.len(), usize::from(message.is_some()), "{notes}");
        assert!(message.is_none_or(|message| clocks[0].starts_with("p: ") && clocks[0].contains(message)), "{notes}");
        assert_eq!(trial.outcome().value(0, "p/a"), Some(1.0));
        trial.expect_slos(0);
    }
}
