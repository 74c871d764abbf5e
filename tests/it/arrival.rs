//! Rates that change, arrivals at random, and rates that are missed: the program against the sample service.

use std::time::Duration;

use iter8::load::pacing::{Arrival, Bound, Pacer};
use serde_json::{Value, json};

use crate::experiment::Fixture;
use crate::support::cli_case::CliCase;

/// Runs a load of a version of the sample service, and judges its mean latency and errors by generous limits.
fn run(fixture: &Fixture, version: usize, load: Value) -> CliCase {
    let cli = CliCase::new();
    let mut values = json!({
        "tasks": ["http", "assess"],
        "http": {"payloadStr": r#"{"instances": [[6.8, 2.8, 4.8, 1.4]]}"#, "url": fixture.url(version)},
        "assess": {"SLOs": {"upper": {"http/latency-mean": 5_000, "http/error-rate": 0.9}}},
    });
    values["http"].as_object_mut().unwrap().extend(load.as_object().unwrap().clone());
    cli.write("values.yaml", &values.to_string());
    cli.run(["run", "-f", "values.yaml"]).exits(0);
    cli
}

fn load_of(cli: &CliCase) -> Value {
    cli.document()["result"]["insights"]["load"][0]["http"].clone()
}

#[test]
fn ramps_send_the_integral_of_their_rate() {
    let fixture = Fixture::start();
    let stages = json!([{"duration": "1s", "qps": 200}, {"duration": "1s", "qps": 200}, {"duration": "1s", "qps": 0}]);
    let cli = run(&fixture, 0, json!({"stages": stages, "connections": 8}));
    let load = load_of(&cli);
    assert_eq!((&load["requests"], &load["dropped"]), (&json!(400), &json!(0)));
    assert!((load["askedRate"].as_f64().unwrap() - 400.0 / 3.0).abs() < 1e-9, "{load}");
    assert_eq!(load["stages"], "from 0/s: 200/s in 1s, 200/s in 1s, 0/s in 1s");
    assert_eq!(load["arrival"], Value::Null);
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(0));
    let text = cli.run(["report"]).stdout;
    assert!(text.contains("from 0/s: 200/s in 1s, 200/s in 1s, 0/s in 1s"), "{text}");
}

#[test]
fn poisson_arrivals_follow_their_seed() {
    let fixture = Fixture::start();
    let cli = run(&fixture, 0, json!({"arrival": "poisson", "qps": 100, "duration": "3s", "connections": 8}));
    let bound = Bound::Duration(Duration::from_secs(3));
    let requested = Pacer::new(Arrival::Poisson { rate: 100.0 }, bound).cursor().planned(None).unwrap();
    let load = load_of(&cli);
    assert_eq!((&load["requests"], &load["askedRate"]), (&json!(requested.slots), &json!(requested.rate)));
    assert_eq!((&load["arrival"], &load["dropped"]), (&json!("poisson"), &json!(0)));
    assert_eq!(cli.run(["assert", "-c", "slos"]).code, Some(0));
    let page = cli.run(["report", "-o", "html"]).stdout;
    assert!(page.contains("random arrivals (poisson)"));
}

#[test]
fn a_missed_rate_is_inconclusive() {
    let fixture = Fixture::start();
    // Four connections of 80 ms each are good for 50 requests per second.
    let cli = run(&fixture, 1, json!({"qps": 200, "duration": "2s", "connections": 4}));
    let load = load_of(&cli);
    let number = |name: &str| load[name].as_f64().unwrap();
    assert_eq!(number("requests") + number("dropped"), 400.0);
    assert!(number("dropped") > 100.0 && number("achievedRate") < 60.0, "{load}");
    let insights = &cli.document()["result"]["insights"];
    assert_eq!(insights["SLOsSatisfied"]["upper"], json!([[false], [false]]));
    let verdict = &insights["verdicts"][1];
    assert_eq!(verdict["verdict"], "inconclusive");
    assert!(verdict["value"].as_f64().unwrap() > 80.0, "{verdict}");
    let reason = verdict["reason"].as_str().unwrap();
    assert!(reason.starts_with("the load achieved ") && reason.contains(" of 200 requests/s: too few"), "{reason}");

    let output = cli.run(["assert", "-c", "completed,slos"]);
    assert_eq!(output.code, Some(5), "{output:?}");
    assert!(
        output.stdout.contains("inconclusive  slos: 2 of 2 SLOs not satisfied: http/error-rate: the load"),
        "{output:?}"
    );
    let text = cli.run(["report"]).stdout;
    assert!(text.contains("inconclusive (2 of 2 verdicts inconclusive)"), "{text}");
    assert!(text.contains("inconclusive  http/latency-mean (msec) <= 5000 | value "), "{text}");
    assert!(text.contains("the load achieved "), "{text}");
    let report: Value = serde_json::from_str(&cli.run(["report", "-o", "json"]).stdout).unwrap();
    assert_eq!(report["summary"]["outcome"], "inconclusive");
    let page = cli.run(["report", "-o", "html"]).stdout;
    assert!(
        page.contains("2 of 2 SLOs inconclusive")
            && page.contains("the load achieved ")
            && page.contains("below the requested rate")
    );
}
