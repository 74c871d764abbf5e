//! Reports of verdicts with confidence.

use std::time::Duration;

use iter8::model::document::Experiment;
use iter8::model::duration::GoDuration;
use iter8::model::insights::Insights;
use iter8::model::load::{Decision, Stopped};
use iter8::model::number::Number;
use iter8::model::objectives::RelativeLimits;
use iter8::model::slo::{
    Bound, Dependence, DependenceSource, Method, Needs, Outcome, Slo, SloLimits, SloMatrix, Verdict,
};
use serde_json::Value;

use super::documents::{FAST, SLOW, add_load, both_done, experiment, http_and_assess, name_versions};
use super::render;

/// A verdict with confidence.
struct Case {
    metric: &'static str,
    limit: f64,
    value: f64,
    interval: Option<[Option<f64>; 2]>,
    verdict: Outcome,
    method: Method,
    reason: &'static str,
}

impl Case {
    fn verdict(&self, version: usize, reference: Option<usize>) -> Verdict {
        let is_open = self.verdict == Outcome::Inconclusive && self.method != Method::Point;
        Verdict {
            value: Some(self.value),
            verdict: self.verdict,
            interval: self.interval,
            confidence: Some(0.95),
            samples: Some(1_500),
            effective_samples: (self.method != Method::Point).then_some(1_230.4),
            method: Some(self.method),
            needs: is_open.then_some(Needs { requests: 4_100, seconds: Some(82.0) }),
            reference,
            dependence: self.interval.map(|_| Dependence { deff: 1.219, df: 29.0, from: DependenceSource::Blocks }),
            reason: self.reason.to_owned(),
            ..Verdict::undecided(&slo(self.metric, self.limit), Bound::Upper, version)
        }
    }
}

fn slo(metric: &str, limit: f64) -> Slo {
    Slo { metric: metric.into(), limit: Number(limit) }
}

const CASES: [Case; 5] = [
    Case {
        metric: "http/latency-p95",
        limit: 50.0,
        value: 47.1,
        interval: Some([Some(45.2), Some(48.2)]),
        verdict: Outcome::Satisfied,
        method: Method::Percentile,
        reason: "p95 is at most 48.2 msec (95 % sure; 1,500 requests, worth 1,230 independent ones), within the limit of 50 msec",
    },
    Case {
        metric: "http/latency-p99",
        limit: 60.0,
        value: 71.3,
        interval: Some([Some(66.04), None]),
        verdict: Outcome::Violated,
        method: Method::Percentile,
        reason: "p99 is at least 66.04 msec, above the limit of 60 msec",
    },
    Case {
        metric: "http/error-rate",
        limit: 0.01,
        value: 0.008,
        interval: Some([Some(0.004), Some(0.015)]),
        verdict: Outcome::Inconclusive,
        method: Method::Binomial,
        reason: "error-rate is 0.8 %, between 0.4 and 1.5 %; the limit of 1 % is within that range: about 4,100 more requests (82 s at this rate) would decide",
    },
    Case {
        metric: "http/latency-mean",
        limit: 50.0,
        value: 49.996,
        interval: Some([Some(49.99), Some(49.999)]),
        verdict: Outcome::Satisfied,
        method: Method::Mean,
        reason: "the mean is at most 49.999 msec, within the limit of 50 msec",
    },
    Case {
        metric: "http/error-count",
        limit: 20.0,
        value: 12.0,
        interval: None,
        verdict: Outcome::Satisfied,
        method: Method::Point,
        reason: "12 is within the limit of 20",
    },
];

fn relative(version: usize) -> [Case; 2] {
    let is_slow = version == 2;
    [
        Case {
            metric: "http/latency-p95",
            limit: 1.1,
            value: if is_slow { 1.32 } else { 1.04 },
            interval: Some(if is_slow { [Some(1.21), Some(1.43)] } else { [Some(0.99), Some(1.08)] }),
            verdict: if is_slow { Outcome::Violated } else { Outcome::Satisfied },
            method: Method::Ratio,
            reason: "p95, v2 against v1: × 1.04, limit × 1.1",
        },
        Case {
            metric: "http/error-rate",
            limit: 0.005,
            value: 0.0012,
            interval: Some([Some(-0.0031), Some(0.0068)]),
            verdict: Outcome::Inconclusive,
            method: Method::Difference,
            reason: "the difference is between −0.31 and +0.68 percentage points",
        },
    ]
}

fn judged(insights: &mut Insights, cases: &[Case]) {
    let upper: Vec<Slo> = cases.iter().map(|case| slo(case.metric, case.limit)).collect();
    let versions = 0..insights.num_versions;
    let row = |case: &Case| versions.clone().map(|_| case.verdict == Outcome::Satisfied).collect();
    insights.slos_satisfied = Some(SloMatrix { upper: cases.iter().map(row).collect(), lower: Vec::new() });
    insights.slos = Some(SloLimits { upper, lower: Vec::new() });
    for version in versions {
        insights.verdicts.extend(cases.iter().map(|case| case.verdict(version, None)));
    }
}

/// One version with verdicts of every kind.
pub fn verdicts() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", FAST);
    judged(&mut insights, &CASES);
    experiment(insights, http_and_assess(), both_done())
}

/// Two candidates that are compared with the baseline, in a load that ended early.
pub fn comparisons() -> Experiment {
    let mut insights = Insights::default();
    for (version, behaviour) in [FAST, FAST, SLOW].into_iter().enumerate() {
        add_load(&mut insights, version, "http", behaviour);
    }
    name_versions(&mut insights, &[("iris-v1", ""), ("iris-v2", ""), ("iris-v3", "")]);
    judged(&mut insights, &CASES[..1]);
    let upper = relative(1).iter().map(|case| slo(case.metric, case.limit)).collect();
    insights.relative = Some(RelativeLimits { upper });
    for version in 1..3 {
        insights.verdicts.extend(relative(version).iter().map(|case| case.verdict(version, Some(0))));
    }
    for (version, verdict) in [Outcome::Satisfied, Outcome::Satisfied, Outcome::Violated].into_iter().enumerate() {
        let decision = |verdict, k| Decision {
            metric: "http/latency-p95".into(),
            bound: Bound::Upper,
            limit: 50.0,
            reference: None,
            verdict,
            n: 2_800,
            k,
            deff: 1.3,
            df: 13.0,
        };
        insights.load[version].get_mut("http").unwrap().stopped = Some(Stopped {
            at: GoDuration(Duration::from_millis(14_000)),
            confidence: 0.975,
            decisions: vec![decision(verdict, if version == 2 { 1_204 } else { 31 })],
        });
    }
    experiment(insights, http_and_assess(), both_done())
}

/// Edited ends, confidences and counts.
pub fn edited() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", FAST);
    let ends = [
        Some([Some(60.0), Some(40.0)]),
        Some([Some(f64::NAN), Some(f64::INFINITY)]),
        Some([Some(-1e308), Some(1e308)]),
        Some([Some(55.0), Some(60.0)]),
        Some([None, None]),
        Some([Some(1e-300), Some(50.0)]),
        Some([Some(50.0), Some(50.0)]),
        None,
    ];
    for (at, interval) in ends.into_iter().enumerate() {
        let verdict = [Outcome::Satisfied, Outcome::Violated, Outcome::Inconclusive][at % 3];
        let edited = Verdict {
            value: Some([1e308, f64::NAN, -5.0, 50.0][at % 4]),
            verdict,
            interval,
            confidence: Some([0.95, f64::NAN, 7.0, 0.2][at % 4]),
            samples: Some(u64::MAX),
            effective_samples: Some([f64::INFINITY, -1.0, f64::NAN, 1e300][at % 4]),
            needs: Some(Needs { requests: u64::MAX, seconds: Some([f64::NAN, 1e300, -1.0, 0.0][at % 4]) }),
            reference: (at == 5).then_some(usize::MAX),
            reason: "edited".to_owned(),
            ..Verdict::undecided(&slo("http/latency-p95", 50.0 + at as f64 / 1e3), Bound::Upper, 0)
        };
        insights.verdicts.push(edited.clone());
        insights.verdicts.push(Verdict { bound: Bound::Lower, ..edited });
    }
    insights.load[0].get_mut("http").unwrap().stopped = Some(Stopped { confidence: f64::NAN, ..Stopped::default() });
    experiment(insights, http_and_assess(), both_done())
}

/// Every order of two ends, a value and a limit, with every verdict: some contradict themselves.
fn combinations() -> Experiment {
    let mut insights = Insights::default();
    add_load(&mut insights, 0, "http", FAST);
    let ends = [None, Some(0.0), Some(49.9999), Some(50.0), Some(50.0001), Some(1e9)];
    let orders = ends.into_iter().flat_map(|low| ends.into_iter().map(move |high| [low, high]));
    for (at, interval) in orders.enumerate() {
        for (add, verdict) in [Outcome::Satisfied, Outcome::Violated, Outcome::Inconclusive].into_iter().enumerate() {
            // Values of the same SLO share a scale; the metric tells these apart.
            let metric = format!("http/latency-p{at}.{add}");
            let bound = if (at + add) % 2 == 0 { Bound::Upper } else { Bound::Lower };
            insights.verdicts.push(Verdict {
                value: Some([49.0, 50.0, 51.0][at % 3]),
                verdict,
                interval: Some(interval),
                confidence: Some(0.95),
                ..Verdict::undecided(&slo(&metric, 50.0), bound, 0)
            });
        }
    }
    experiment(insights, http_and_assess(), both_done())
}

fn json(document: &Experiment) -> Value {
    serde_json::from_str(&render("json", document)).unwrap()
}

/// Number that follows a key of a drawing, such as `L` of a path.
fn numbers(drawing: &str, class: &str) -> Vec<f64> {
    let path = drawing.split(&format!("<path class=\"{class}\" d=\"")).nth(1).unwrap().split('"').next().unwrap();
    path.split(|c: char| c.is_ascii_alphabetic() || c == ' ').filter_map(|number| number.parse().ok()).collect()
}

fn drawings(page: &str) -> Vec<&str> {
    page.split("<svg class=\"interval ").skip(1).map(|rest| rest.split("</svg>").next().unwrap()).collect()
}

/// Sides of the limit on which the ends are drawn.
fn sides(drawing: &str) -> (bool, bool) {
    let (bar, limit) = (numbers(drawing, "bar"), numbers(drawing, "limit")[0]);
    (bar[0] < limit, bar[2] < limit)
}

#[test]
fn bars_lie_on_the_side_of_the_limit_that_the_verdict_tells() {
    assert!(drawings(&render("html", &combinations())).len() > 30);
    for document in [verdicts(), comparisons(), edited(), combinations()] {
        for drawing in drawings(&render("html", &document)) {
            let (bar, limit) = (numbers(drawing, "bar"), numbers(drawing, "limit")[0]);
            assert!(bar[0] < bar[2] && bar[0] != limit && bar[2] != limit, "{drawing}");
            let sides = sides(drawing);
            let expected: &[(bool, bool)] = match drawing.split('"').next().unwrap() {
                "good" | "bad" => &[(true, true), (false, false)],
                _ => &[(true, false), (true, true), (false, false)],
            };
            assert!(expected.contains(&sides), "{sides:?} {drawing}");
        }
    }
    let page = render("html", &verdicts());
    let drawn: Vec<_> =
        drawings(&page).into_iter().map(|drawing| (drawing.split('"').next().unwrap(), sides(drawing))).collect();
    // Objectives that do not hold come first.
    let expected = [("bad", (false, false)), ("open", (true, false)), ("good", (true, true)), ("good", (true, true))];
    assert_eq!(drawn, expected);
}

#[test]
fn intervals_that_contradict_their_verdict_are_not_drawn() {
    let page = render("html", &edited());
    assert!(
        page.contains("55.00 to 60.00\u{a0}ms, which does not fit the verdict"),
        "satisfied, though above the limit"
    );
    assert!(!page.contains("60.00 to 40.00") && !page.contains("NaN to"), "ends in the wrong order and no numbers");
    for drawing in drawings(&page) {
        for class in ["bar", "limit", "ends"] {
            assert!(numbers(drawing, class).iter().all(|number| (0.0..=240.0).contains(number)), "{drawing}");
        }
    }
    let text = render("text", &edited());
    assert!(!text.contains("NaN%") && !text.contains("inf"), "{text}");
}

#[test]
fn text_bars_fit_60_columns_of_ascii() {
    for document in [verdicts(), comparisons(), edited()] {
        let text = render("text", &document);
        let bars: Vec<&str> = text.lines().filter(|line| line.contains("==") && line.contains("..")).collect();
        assert!(bars.iter().all(|bar| bar.len() <= 60 && bar.is_ascii()), "{bars:#?}");
    }
    let text = render("text", &verdicts());
    let bars: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains("..")).collect();
    assert_eq!(bars.len(), 4, "{text}");
    assert!(bars[0].find('|') < bars[0].find('[') && bars[0].ends_with('>'), "{bars:#?}");
    assert!(bars[1].find('[') < bars[1].find('|') && bars[1].find('|') < bars[1].find(']'), "{bars:#?}");
    assert!(bars[2].find(']') < bars[2].find('|'), "{bars:#?}");
    assert!(bars[3].find(']') < bars[3].find('|'), "49.999 of 50 is drawn within the limit: {bars:#?}");
}

#[test]
fn relative_limits_have_no_row_of_the_baseline() {
    let report = json(&comparisons());
    let slos = |version: usize| report["versions"][version]["slos"].as_array().unwrap().clone();
    assert_eq!([slos(0).len(), slos(1).len(), slos(2).len()], [1, 3, 3]);
    let ratio = &slos(1)[1];
    assert_eq!(ratio["condition"], "http/latency-p95 <= 1.1 x iris-v1");
    assert_eq!(
        [&ratio["reference"], &ratio["comparison"], &ratio["units"]],
        ["iris-v1", "ratio", ""].map(|text| { if text.is_empty() { Value::Null } else { text.into() } }).each_ref()
    );
    assert_eq!(slos(2)[2]["condition"], "http/error-rate <= iris-v1 + 0.005");
    assert_eq!(report["verdicts"].as_array().unwrap().len(), 7);
    assert_eq!(report["summary"]["verdicts"]["unassessed"], 0, "the baseline is not compared with itself");
    let text = render("text", &comparisons());
    assert!(text.contains("http/latency-p95 <= 1.1 x iris-v1  | baseline"), "{text}");
    assert!(text.contains("| ratio 1.04") && text.contains("| difference +0.0012"), "{text}");
    let page = render("html", &comparisons());
    assert!(page.contains("http/latency-p95 ≤ 1.1 × iris-v1") && page.contains("<b>×\u{a0}1.32</b>"));
    assert!(!page.contains("p95 ≤ 1.1<"), "a ratio has no place on the axis of the latency");
}

#[test]
fn the_limits_of_the_method_are_stated_once() {
    let page = render("html", &verdicts());
    for sentence in [
        "Each end of an interval holds with 95 % confidence, both together with 90 %.",
        "What happens less often than every 20 s may not have been seen.",
    ] {
        assert_eq!(page.matches(sentence).count(), 1, "{sentence}");
    }
    for document in super::documents::all().into_iter().filter(|(name, _)| !name.contains("confidence")) {
        assert!(!render("html", &document.1).contains("Each end of an interval"), "{}", document.0);
        assert!(json(&document.1).get("caveats").is_none(), "{}", document.0);
    }
}

#[test]
fn loads_that_ended_early_tell_why() {
    let text = render("text", &comparisons());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(
        "http, iris-v1: ended early, after 14 s, because all its verdicts were decided with 97.5 % confidence: \
         http/latency-p95 <= 50 satisfied (31 of 2,800 requests over the limit)"
    ));
    assert!(text.contains("http, iris-v3: ended early, after 14 s, because a violation was decided"));
    assert!(
        render("html", &comparisons())
            .contains("http/latency-p95 ≤ 50 violated (1,204 of 2,800 requests over the limit)")
    );
}
