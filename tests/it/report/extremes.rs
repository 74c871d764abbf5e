//! Extreme documents: the largest possible one, and a hostile one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use iter8::metrics::series::halved;
use iter8::model::document::{Experiment, TaskSpec, TaskStatus};
use iter8::model::duration::GoDuration;
use iter8::model::insights::{Insights, Observation, VersionName};
use iter8::model::loops::{LoopOutcome, LoopRecord};
use iter8::model::missing::NoDataPolicy;
use iter8::model::series::Series;
use serde_json::json;

use super::documents::{
    Behaviour, FAST, SLOW, add_load, assess, both_done, experiment, http_and_assess, name_versions, record, start, task,
};
use super::rollouts;

/// As large as documents get: 20 endpoints and 5 versions.
pub fn large() -> Experiment {
    let mut insights = Insights::default();
    let mut limits = Vec::new();
    let names: Vec<String> = (0..20).map(|n| format!("http-endpoint-{n}")).collect();
    for (index, name) in names.iter().enumerate() {
        for version in 0..5 {
            let median_ms = 5.0 + index as f64 * 3.0 + version as f64;
            add_load(&mut insights, version, name, Behaviour { median_ms, requests: 2_000, ..SLOW });
        }
        limits.push((format!("{name}/latency-mean"), 40.0));
        limits.push((format!("{name}/latency-p99"), 200.0));
        limits.push((format!("{name}/error-count"), 0.0));
    }
    let versions = [("v1", "a"), ("v2", "b"), ("v3", "c"), ("v4", "d"), ("v5", "e")];
    name_versions(&mut insights, &versions);
    let limits: Vec<(&str, f64)> = limits.iter().map(|(name, limit)| (name.as_str(), *limit)).collect();
    assess(&mut insights, &limits);
    // A load leaves 240 points at most, a document 2,400.
    for load in insights.load.iter_mut().flat_map(|loads| loads.values_mut()) {
        let series = load.series.take().unwrap();
        load.series = Some(halved(&series));
    }
    // A hundred loops, of which the newest have their values.
    let cells = insights.verdicts.len();
    let record = |number: u64| LoopRecord {
        number,
        start: Some(start()),
        outcomes: vec![LoopOutcome::Satisfied; cells],
        values: if number > 90 { vec![Some(12.3457); cells] } else { Vec::new() },
        ..LoopRecord::default()
    };
    insights.loops = (1..=100).map(record).collect();
    experiment(insights, http_and_assess(), both_done())
}

/// Series as no load leaves them.
fn odd_series(version: usize) -> Series {
    let interval = GoDuration(Duration::from_secs([0, 1, u64::MAX / 4_000_000_000][version % 3]));
    let count = if version == 1 { 100_000 } else { 9 };
    Series {
        interval,
        last: Some(GoDuration(Duration::ZERO)),
        requests: (0..count).map(|n| if n % 7 == 0 { u64::MAX } else { n }).collect(),
        errors: vec![u64::MAX; 3],
        p50: vec![Some(1e300), Some(-5.0), None, Some(f64::NAN), Some(1e-300)],
        p99: vec![Some(f64::INFINITY), Some(0.0)],
        ..Series::default()
    }
}

/// Loops in no order, some of another size, with the largest and smallest numbers and such as are none.
fn hostile_loops(insights: &mut Insights) {
    let numbers = [f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, 0.0, -0.0, 5e-324];
    let cells = insights.verdicts.len();
    let record = |at: u64| LoopRecord {
        number: if at == 7 { u64::MAX } else { at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 60) },
        start: Some(DateTime::<Utc>::MAX_UTC),
        outcomes: vec![
            [LoopOutcome::Violated, LoopOutcome::Satisfied][at as usize % 2];
            cells - usize::from(at % 9 == 8)
        ],
        values: (0..cells % (at as usize + 1)).map(|n| Some(numbers[(n + at as usize) % numbers.len()])).collect(),
        ..LoopRecord::default()
    };
    insights.loops = (0..3_000).map(record).collect();
}

/// Everything that comes from outside is hostile.
pub fn hostile() -> Experiment {
    let command = "::error::forged";
    let script = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>";
    let rtl =
        "\u{202e}txt.exe\u{202c} \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{1b}[31mred\n::error::forged ##vso[task.complete]";
    let long = "w".repeat(10_000);
    let mut insights = Insights::default();
    for (version, name) in [script, rtl, long.as_str()].into_iter().enumerate() {
        add_load(&mut insights, version, script, Behaviour { requests: 500, ..SLOW });
        add_load(&mut insights, version, &long, Behaviour { requests: 500, ..FAST });
        add_load(&mut insights, version, rtl, Behaviour { requests: 500, ..FAST });
        add_load(&mut insights, version, command, Behaviour { requests: 500, ..FAST });
        insights.version_names.push(VersionName { version: name.to_owned(), track: script.to_owned() });
        let load = insights.load[version].get_mut(script).unwrap();
        load.url = format!("http://user:hunter2@host/{script}{long}");
        load.method = long.clone();
        load.series = Some(odd_series(version));
        load.causes = (0..300).map(|n| (format!("{script}{n}"), n)).collect();
        load.statuses = (0..600).map(|n| (n, u64::from(n))).collect();
    }
    let metric = |base: &str| format!("{base}/latency-p99");
    let names = [metric(script), metric(&long), metric(rtl), format!("{script}/absent")];
    assess(&mut insights, &names.iter().map(|name| (name.as_str(), 20.0)).collect::<Vec<_>>());
    for verdict in &mut insights.verdicts {
        verdict.reason = format!("{script} {long} {rtl} {command}");
    }
    hostile_loops(&mut insights);
    for (version, observations) in insights.observations.iter_mut().enumerate() {
        let seen = Observation {
            source: Some(format!("http://user:hunter2@host/{script}")),
            query: Some(format!("token=hunter2hunter2&query={script}\n{rtl}\n{command}\n{long}")),
            raw: Some(format!("Bearer hunter2hunter2 {script}{long}")),
            warnings: vec![format!("see http://user:hunter2@host/ {script}{long}"); 12],
            no_data: (version > 0).then(|| format!("Authorization: Bearer hunter2hunter2 {script} {rtl} {long}")),
            policy: (version > 0).then_some(NoDataPolicy::Pass),
            status: Some(u16::MAX),
            attempts: Some(u32::MAX),
            series: Some(u64::MAX),
            ..Observation::default()
        };
        observations.extend([script, &long, rtl].map(|name| (format!("{name}/asked"), seen.clone())));
        observations.extend((0..3).map(|n| (format!("prom/m{n}"), seen.clone())));
    }
    for meta in insights.metrics_info.values_mut() {
        meta.units = Some(format!("{script}{long}"));
        meta.description = long.clone();
    }
    let rollout = rollouts::hostile(&format!("Authorization: Bearer hunter2hunter2 {script}\n{command}\n{rtl} {long}"));
    let mut broken = record(&long, TaskStatus::Failed, -5_000_000_000, 9_000_000_000);
    broken.error = Some(format!("{script}\n{rtl}\n{long}"));
    broken.notes = vec![long.clone(), script.to_owned()];
    let spec = vec![
        TaskSpec {
            condition: Some(script.to_owned()),
            ..task(&long, json!({script: [long, rtl, {"password": "hunter2"}]}))
        },
        TaskSpec {
            run: Some(format!("curl -H 'Authorization: Bearer hunter2hunter2' {script} {long}")),
            ..TaskSpec::default()
        },
    ];
    let mut found = experiment(insights, spec, vec![broken]);
    let result = found.result.as_mut().unwrap();
    result.failure = true;
    result.rollout = Some(rollout);
    result.iter8_version = Some(format!("{script}{long}"));
    found
}
