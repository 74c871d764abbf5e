//! Tests of contradictions: each is one change of a document that passes.

use serde_json::{Value, json};

use crate::model::codec::{experiment_from_yaml, value_from_yaml};
use crate::slo::assertion::{AssertCondition, Judgement, judge};

const PASSING: &str = include_str!("../../testdata/results/passing.yaml");
const ITER8: &str = include_str!("../../testdata/results/iter8-passing.yaml");
const ITER8_LOOPS: &str = include_str!("../../testdata/results/iter8-multi-loop.yaml");

fn changed(text: &str, change: impl FnOnce(&mut Value)) -> [Judgement; 3] {
    let mut document = value_from_yaml(text).unwrap();
    change(&mut document);
    let experiment = experiment_from_yaml(&document.to_string()).unwrap();
    AssertCondition::ALL.map(|condition| judge(&experiment, condition))
}

/// Judgements on completed, nofailure and slos: `+` holds, `-` does not, `?` is inconclusive.
fn signs(judgements: &[Judgement; 3]) -> String {
    let sign = |judgement: &Judgement| match judgement {
        Judgement { holds: true, .. } => '+',
        Judgement { inconclusive: true, .. } => '?',
        _ => '-',
    };
    judgements.iter().map(sign).collect()
}

/// Change of a document.
type Change = fn(&mut Value);

/// One change of a document, and the reason why its SLOs are not satisfied.
type Case = (&'static str, Change, &'static str);

fn check(text: &str, expected: &str, cases: &[Case]) {
    assert_eq!(signs(&changed(text, |_| {})), "+++");
    for (name, change, reason) in cases {
        let judged = changed(text, *change);
        assert_eq!(signs(&judged), expected, "{name}: {judged:?}");
        assert!(judged[2].sentence.contains(reason), "{name}: {}", judged[2].sentence);
        assert!(judged[2].decided, "{name}: {judged:?}");
    }
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().unwrap().push(item);
}

fn remove(list: &mut Value, at: usize) {
    list.as_array_mut().unwrap().remove(at);
}

/// Adds a record of the only loop with these outcomes.
fn add_loop(document: &mut Value, number: u64, outcomes: &str) {
    let loops = &mut document["result"]["insights"]["loops"];
    if loops.is_null() {
        *loops = json!([]);
    }
    push(loops, json!({"loop": number, "outcomes": outcomes}));
}

#[test]
fn no_condition_holds_if_tasks_and_their_records_contradict() {
    let cases: &[Case] = &[
        (
            "a record is failed",
            |d| d["result"]["tasks"][0]["status"] = json!("failed"),
            "`failure` is false, but http failed; run the experiment again",
        ),
        (
            "a record is running",
            |d| d["result"]["tasks"][0]["status"] = json!("running"),
            "`numCompletedTasks` is 2, but 1 of 2 tasks are done",
        ),
        ("a record is planned", |d| d["result"]["tasks"][1]["status"] = json!("planned"), "not assessed in this loop"),
        (
            "a record is interrupted",
            |d| d["result"]["tasks"][0]["status"] = json!("interrupted"),
            "`interrupted` is false, but http was interrupted",
        ),
        ("no records", |d| d["result"]["tasks"] = json!([]), "the spec has 2 tasks, but the result has records of 0"),
        (
            "a record is missing",
            |d| remove(&mut d["result"]["tasks"], 1),
            "the spec has 2 tasks, but the result has records of 1",
        ),
        (
            "no records, and no version of the schema",
            |d| {
                d["result"]["tasks"] = json!([]);
                d["result"].as_object_mut().unwrap().remove("schemaVersion");
            },
            "the spec has 2 tasks, but the result has records of 0",
        ),
        (
            "the spec has another task",
            |d| {
                push(&mut d["spec"], json!({"run": "true"}));
                d["result"]["numCompletedTasks"] = json!(3);
            },
            "the spec has 3 tasks, but the result has records of 2",
        ),
        (
            "the spec has another first task",
            |d| d["spec"][0]["task"] = json!("grpc"),
            "task 1 of the spec is grpc, but the result records it as http",
        ),
    ];
    for (name, change, reason) in cases {
        let judged = changed(PASSING, *change);
        let is_planned = judged[2].sentence.contains("not assessed");
        assert!(judged.iter().all(|judgement| !judgement.holds), "{name}: {judged:?}");
        assert!(judged[2].sentence.contains(reason), "{name}: {}", judged[2].sentence);
        assert!(is_planned || judged[0].sentence.ends_with("; run the experiment again"), "{name}: {judged:?}");
    }
    let judged = changed(PASSING, |document| {
        document["result"]["tasks"][0]["status"] = json!("running");
        document["result"]["numCompletedTasks"] = json!(1);
    });
    assert_eq!(signs(&judged), "---");
    assert_eq!(judged[2].sentence, "assess is done, but http before it is not; run the experiment again");
    let judged = changed(PASSING, |document| document["result"]["failure"] = json!(true));
    assert_eq!((signs(&judged).as_str(), judged[2].sentence.starts_with("`failure` is true")), ("---", true));
}

#[test]
fn slos_do_not_hold_if_the_spec_has_others() {
    check(
        PASSING,
        "++-",
        &[
            (
                "stricter",
                |d| d["spec"][1]["with"]["SLOs"]["upper"][1]["limit"] = json!(10),
                "the SLO http/latency-mean <= 10 of the spec was not judged; run the experiment again",
            ),
            (
                "one more",
                |d| push(&mut d["spec"][1]["with"]["SLOs"]["upper"], json!({"metric": "http/error-rate", "limit": 0})),
                "the SLO http/error-rate <= 0 of the spec was not judged",
            ),
            (
                "the same twice",
                |d| push(&mut d["spec"][1]["with"]["SLOs"]["upper"], json!({"metric": "http/error-count", "limit": 0})),
                "the SLO http/error-count <= 0 of the spec was not judged",
            ),
            (
                "one less",
                |d| remove(&mut d["spec"][1]["with"]["SLOs"]["upper"], 0),
                "the SLO http/error-count <= 0 was judged, but is not in the spec",
            ),
            (
                "another metric",
                |d| d["spec"][1]["with"]["SLOs"]["upper"][1]["metric"] = json!("http/latency-max"),
                "the SLO http/latency-max <= 50 of the spec was not judged",
            ),
            (
                "the other bound",
                |d| {
                    let slos = &mut d["spec"][1]["with"]["SLOs"];
                    slos["lower"] = slos["upper"].take();
                },
                "the SLO http/error-count >= 0 of the spec was not judged",
            ),
            ("none", |d| d["spec"][1]["with"] = json!({"SLOs": {}}), "there are verdicts, but the spec has no SLOs"),
            (
                "unreadable",
                |d| d["spec"][1]["with"]["SLOs"]["upper"][0]["limit"] = json!("low"),
                "the SLOs in spec[1] of the document cannot be read: ",
            ),
            (
                "a rule over loops",
                |d| {
                    add_loop(d, 1, "sss");
                    d["spec"][1]["with"]["consecutive"] = json!("2");
                },
                "the verdict on http/error-count is satisfied without 2 good loops in a row",
            ),
        ],
    );
}

#[test]
fn slos_do_not_hold_if_their_verdicts_contradict() {
    check(
        PASSING,
        "++-",
        &[
            (
                "a verdict is violated",
                |d| d["result"]["insights"]["verdicts"][1]["verdict"] = json!("violated"),
                "the verdict on http/latency-mean <= 50 is violated, but `SLOsSatisfied` says true",
            ),
            (
                "a verdict is inconclusive",
                |d| d["result"]["insights"]["verdicts"][1]["verdict"] = json!("inconclusive"),
                "the verdict on http/latency-mean <= 50 is inconclusive, but `SLOsSatisfied` says true",
            ),
            (
                "a value violates its limit",
                |d| d["result"]["insights"]["verdicts"][1]["value"] = json!(51),
                "the verdict on http/latency-mean <= 50 is satisfied, but the value is 51",
            ),
            (
                "a value is missing",
                |d| d["result"]["insights"]["verdicts"][1]["value"] = json!(null),
                "the verdict on http/latency-mean <= 50 is satisfied, but there is no value",
            ),
            (
                "a verdict is missing",
                |d| remove(&mut d["result"]["insights"]["verdicts"], 2),
                "the SLO http/latency-p99 <= 120 has no verdict",
            ),
            (
                "no verdicts",
                |d| d["result"]["insights"]["verdicts"] = json!([]),
                "the SLO http/error-count <= 0 has no verdict",
            ),
            (
                "a verdict is on another limit",
                |d| d["result"]["insights"]["verdicts"][1]["limit"] = json!(500),
                "the SLO http/latency-mean <= 50 has no verdict",
            ),
            (
                "one verdict too many",
                |d| {
                    let mut verdict = d["result"]["insights"]["verdicts"][0].clone();
                    verdict["metric"] = json!("http/error-rate");
                    push(&mut d["result"]["insights"]["verdicts"], verdict);
                },
                "the verdict on http/error-rate has no SLO",
            ),
        ],
    );
}

#[test]
fn slos_do_not_hold_if_the_matrix_has_other_rows_or_columns() {
    check(
        PASSING,
        "++-",
        &[
            (
                "a false row that no SLO owns",
                |d| push(&mut d["result"]["insights"]["SLOsSatisfied"]["upper"], json!([false])),
                "`SLOsSatisfied` has 4 upper rows for 3 SLOs",
            ),
            (
                "a false row on the other side",
                |d| d["result"]["insights"]["SLOsSatisfied"]["lower"] = json!([[false]]),
                "`SLOsSatisfied` has 1 lower rows for 0 SLOs",
            ),
            (
                "one version too many",
                |d| push(&mut d["result"]["insights"]["SLOsSatisfied"]["upper"][0], json!(true)),
                "`SLOsSatisfied` has 2 columns for 1 versions",
            ),
        ],
    );
}

#[test]
fn slos_do_not_hold_if_their_loops_or_values_contradict() {
    check(
        PASSING,
        "++-",
        &[
            (
                "the loop was violated",
                |d| add_loop(d, 1, "svs"),
                "the verdict on http/latency-mean is satisfied, but this loop violated it",
            ),
            (
                "the verdicts are on an earlier loop",
                |d| {
                    add_loop(d, 1, "sss");
                    d["result"]["numLoops"] = json!(2);
                },
                "the newest loop is 2, but the verdicts are on loop 1",
            ),
            (
                "too many failed loops",
                |d| {
                    d["spec"][1]["with"]["failureLimit"] = json!(1);
                    for (number, outcomes) in [(1, "vss"), (2, "vss"), (3, "sss")] {
                        add_loop(d, number, outcomes);
                    }
                    d["result"]["numLoops"] = json!(3);
                },
                "the verdict on http/error-count is satisfied, but 2 loops failed it",
            ),
            (
                "a bad loop in a row",
                |d| {
                    d["spec"][1]["with"]["consecutive"] = json!(3);
                    for (number, outcomes) in [(1, "sss"), (2, "ssi"), (3, "sss")] {
                        add_loop(d, number, outcomes);
                    }
                    d["result"]["numLoops"] = json!(3);
                },
                "the verdict on http/latency-p99 is satisfied without 3 good loops in a row",
            ),
            (
                "the newest value violates its limit",
                |d| d["result"]["insights"]["nonHistMetricValues"][0]["http/latency-mean"] = json!([13.8, 63.2]),
                "http/latency-mean <= 50 is recorded as satisfied, but the value is 63.2",
            ),
        ],
    );
}

#[test]
fn slos_of_iter8_do_not_hold_if_counters_or_values_contradict() {
    check(
        ITER8,
        "++-",
        &[
            (
                "stricter",
                |d| d["spec"][1]["with"]["SLOs"]["upper"][1]["limit"] = json!(10),
                "the SLO http/latency-mean <= 10 of the spec was not judged",
            ),
            (
                "a row that no SLO owns",
                |d| push(&mut d["result"]["insights"]["SLOsSatisfied"]["upper"], json!([true])),
                "`SLOsSatisfied` has 4 upper rows for 3 SLOs",
            ),
            (
                "a value violates its limit",
                |d| d["result"]["insights"]["nonHistMetricValues"][0]["http/latency-mean"] = json!([50.1]),
                "http/latency-mean <= 50 is recorded as satisfied, but the value is 50.1",
            ),
        ],
    );
    // The matrix is that of an earlier loop: the newest has not been assessed yet.
    for (done, state) in [(0, "0 of 3"), (1, "1 of 3")] {
        let judged = changed(ITER8_LOOPS, |document| document["result"]["numCompletedTasks"] = json!(done));
        assert_eq!(signs(&judged), "-+-", "{judged:?}");
        let expected = format!("the SLOs are not assessed in this loop: {state} tasks are done");
        assert_eq!(judged[2].sentence, expected);
        assert!(!judged[2].decided, "the loop goes on");
    }
    // The first versions count the tasks of all four loops.
    for (done, expected) in [(12, "-++"), (11, "-++"), (10, "-+-"), (9, "-+-")] {
        let judged = changed(ITER8_LOOPS, |document| document["result"]["numCompletedTasks"] = json!(done));
        assert_eq!(signs(&judged), expected, "{done}: {judged:?}");
    }
}

#[test]
fn other_spellings_and_skipped_assessments_are_no_contradictions() {
    let slos = json!({"upper": [{"metric": "http/error-count", "limit": 9}]});
    let other_limit = || json!({"task": "assess", "if": "false", "with": {"SLOs": slos}});
    let harmless: &[(&str, Change)] = &[
        ("the order", |d| d["spec"][1]["with"]["SLOs"]["upper"].as_array_mut().unwrap().reverse()),
        ("a percentile", |d| d["spec"][1]["with"]["SLOs"]["upper"][2]["metric"] = json!("http/latency-p99.0")),
        ("numbers in strings", |d| d["spec"][1]["with"]["SLOs"]["upper"][1]["limit"] = json!("50.0")),
        ("keys of Iter8", |d| {
            let upper = d["spec"][1]["with"]["SLOs"]["upper"].take();
            d["spec"][1]["with"] = json!({"slos": {"Upper": upper, "Lower": null}});
        }),
        ("a secret", |d| d["spec"][1]["with"]["SLOs"]["upper"][1]["metric"] = json!("http/[hidden]")),
        ("a failure limit", |d| {
            d["spec"][1]["with"]["failureLimit"] = json!(1);
            d["result"]["insights"]["verdicts"][1]["value"] = json!(99);
            d["result"]["insights"]["nonHistMetricValues"][0]["http/latency-mean"] = json!([99]);
            add_loop(d, 1, "svs");
        }),
        ("good loops", |d| {
            d["spec"][1]["with"]["consecutive"] = json!(2);
            add_loop(d, 1, "sss");
            add_loop(d, 2, "sss");
            d["result"]["numLoops"] = json!(2);
        }),
        ("no data, which passes", |d| {
            let verdict = &mut d["result"]["insights"]["verdicts"][1];
            verdict.as_object_mut().unwrap().remove("value");
            verdict["noData"] = json!("pass");
            d["result"]["insights"]["nonHistMetricValues"][0].as_object_mut().unwrap().remove("http/latency-mean");
        }),
        ("a later measurement", |d| {
            push(&mut d["spec"], json!({"task": "http", "if": "true", "with": {"url": "http://h/"}}));
            push(&mut d["result"]["tasks"], json!({"task": "http", "status": "done"}));
            d["result"]["numCompletedTasks"] = json!(3);
            d["result"]["insights"]["nonHistMetricValues"][0]["http/latency-mean"] = json!([13.8, 63.2]);
        }),
    ];
    for (name, change) in harmless {
        let judged = changed(PASSING, *change);
        assert_eq!(signs(&judged), "+++", "{name}: {judged:?}");
    }
    // Skipped before and after the one that ran.
    for at in [1, 2] {
        let judged = changed(PASSING, |document| {
            document["spec"].as_array_mut().unwrap().insert(at, other_limit());
            let skipped = json!({"task": "assess", "status": "skipped"});
            document["result"]["tasks"].as_array_mut().unwrap().insert(at, skipped);
            document["result"]["numCompletedTasks"] = json!(3);
        });
        assert_eq!(signs(&judged), "+++", "{at}: {judged:?}");
    }
    // Iter8 does not record which of its tasks were skipped.
    let judged = changed(ITER8, |document| {
        document["spec"][1]["if"] = json!("Result.NumLoops < 3");
        push(&mut document["spec"], other_limit());
        document["result"]["numCompletedTasks"] = json!(3);
    });
    assert_eq!(signs(&judged), "+++", "{judged:?}");
    let judged = changed(ITER8, |document| {
        push(&mut document["spec"], json!({"task": "assess", "with": {}}));
        document["result"]["numCompletedTasks"] = json!(3);
    });
    assert_eq!(signs(&judged), "+++", "{judged:?}");
}

/// Judges the document with a confidence of 95 %. The percentile is the upper edge of a cell that holds its limit, and exact counts decided.
fn confident(document: &mut Value) {
    document["spec"][1]["with"]["confidence"] = json!(0.95);
    for verdict in document["result"]["insights"]["verdicts"].as_array_mut().unwrap() {
        verdict["confidence"] = json!(0.95);
    }
    let verdict = &mut document["result"]["insights"]["verdicts"][2];
    verdict["value"] = json!(120.063);
    verdict["method"] = json!("percentile");
    verdict["interval"] = json!([100.0, 120.0]);
    document["result"]["insights"]["nonHistMetricValues"][0]["http/latency-p99"] = json!([120.063]);
}

#[test]
fn a_percentile_beyond_its_limit_by_the_rounding_of_a_cell_is_no_contradiction() {
    let judged = changed(PASSING, confident);
    assert_eq!(signs(&judged), "+++", "{judged:?}");
    let cases: &[Case] = &[
        (
            "the interval ends above the limit",
            |d| d["result"]["insights"]["verdicts"][2]["interval"] = json!([100.0, 120.1]),
            "the verdict on http/latency-p99 <= 120 is satisfied, but the value is 120.063",
        ),
        (
            "another method",
            |d| d["result"]["insights"]["verdicts"][2]["method"] = json!("mean"),
            "the verdict on http/latency-p99 <= 120 is satisfied, but the value is 120.063",
        ),
        (
            "far above the limit",
            |d| d["result"]["insights"]["verdicts"][2]["value"] = json!(180.0),
            "the verdict on http/latency-p99 <= 120 is satisfied, but the value is 180",
        ),
        (
            "measured far above the limit",
            |d| d["result"]["insights"]["nonHistMetricValues"][0]["http/latency-p99"] = json!([180.0]),
            "http/latency-p99 <= 120 is recorded as satisfied, but the value is 180",
        ),
        (
            "judged with less confidence",
            |d| d["result"]["insights"]["verdicts"][1]["confidence"] = json!(0.9),
            "the verdict on http/latency-mean was not judged with the confidence of the spec, 0.95",
        ),
        (
            "a failure limit, and judged without a confidence",
            |d| {
                d["spec"][1]["with"]["failureLimit"] = json!(1);
                add_loop(d, 1, "sss");
                d["result"]["insights"]["verdicts"][1].as_object_mut().unwrap().remove("confidence");
            },
            "the verdict on http/latency-mean was not judged with the confidence of the spec, 0.95",
        ),
    ];
    for (name, change, reason) in cases {
        let judged = changed(PASSING, |document| {
            confident(document);
            change(document);
        });
        assert_eq!(signs(&judged), "++-", "{name}: {judged:?}");
        assert!(judged[2].sentence.contains(reason), "{name}: {}", judged[2].sentence);
    }
}

#[test]
fn slos_do_not_hold_with_a_confidence_that_no_verdict_has() {
    for failure_limit in [false, true] {
        let judged = changed(ITER8, |document| {
            document["spec"][1]["with"]["confidence"] = json!(0.95);
            if failure_limit {
                document["spec"][1]["with"]["failureLimit"] = json!(1);
            }
        });
        assert_eq!(signs(&judged), "++-", "{judged:?}");
        let reason = "the SLOs were not judged with the confidence of the spec, 0.95";
        assert!(judged[2].sentence.contains(reason), "{}", judged[2].sentence);
    }
}

/// Makes a version 1 of version 0, and an objective that compares them, with its verdict.
fn compared(document: &mut Value) {
    let insights = &mut document["result"]["insights"];
    insights["numVersions"] = json!(2);
    for list in ["nonHistMetricValues", "histMetricValues", "histograms", "observations", "load"] {
        let first = insights[list][0].clone();
        push(&mut insights[list], first);
    }
    for row in insights["SLOsSatisfied"]["upper"].as_array_mut().unwrap() {
        push(row, json!(true));
    }
    let both = insights["verdicts"].as_array().unwrap().iter().flat_map(|verdict| {
        let mut other = verdict.clone();
        other["version"] = json!(1);
        [verdict.clone(), other]
    });
    insights["verdicts"] = both.collect::<Vec<Value>>().into();
    let slos = json!({"upper": [{"metric": "http/latency-p99", "limit": 1.1}]});
    let reason = "http/latency-p99 is 1 times that of version 0";
    let verdict = json!({"metric": "http/latency-p99", "bound": "upper", "limit": 1.1, "version": 1, "reference": 0, "value": 1.0,
        "verdict": "satisfied", "reason": reason});
    push(&mut insights["verdicts"], verdict);
    insights["relativeSLOs"] = slos.clone();
    document["spec"][1]["with"]["relative"] = slos;
}

/// The document with two versions after a change.
fn changed_comparison(change: Change) -> [Judgement; 3] {
    changed(PASSING, |document| {
        compared(document);
        change(document);
    })
}

/// The verdict that compares the versions.
fn last(document: &mut Value) -> &mut Value {
    document["result"]["insights"]["verdicts"].as_array_mut().unwrap().last_mut().unwrap()
}

#[test]
fn comparisons_without_a_verdict_or_with_a_contradicting_one_do_not_pass() {
    let passing = changed_comparison(|_| {});
    assert_eq!(signs(&passing), "+++", "{passing:?}");
    assert!(passing[2].sentence.starts_with("all 4 SLOs are satisfied"), "{passing:?}");
    let cases: &[Case] = &[
        ("no verdict", |d| remove(&mut d["result"]["insights"]["verdicts"], 6), "1 of 4 SLOs not satisfied"),
        ("violated", |d| last(d)["verdict"] = json!("violated"), "http/latency-p99 is 1 times that of version 0"),
        ("value above the limit", |d| last(d)["value"] = json!(1.2), "is satisfied, but the value is 1.2"),
        (
            "interval above the limit",
            |d| last(d)["interval"] = json!([0.9, 1.2]),
            "the verdict on http/latency-p99 <= 1.1 relative to version 0 is satisfied, but its interval ends at 1.2",
        ),
        ("open interval", |d| last(d)["interval"] = json!([0.9, null]), "its interval has no end on that side"),
        ("not relative", |d| drop(last(d).as_object_mut().unwrap().remove("reference")), "1 of 4 SLOs not satisfied"),
        ("another limit", |d| last(d)["limit"] = json!(1.2), "1 of 4 SLOs not satisfied"),
        (
            "not in the spec",
            |d| drop(d["spec"][1]["with"].as_object_mut().unwrap().remove("relative")),
            "the SLO http/latency-p99 <= 1.1 relative to version 0 was judged, but is not in the spec",
        ),
        (
            "not judged",
            |d| {
                d["result"]["insights"]["relativeSLOs"] = json!({});
                remove(&mut d["result"]["insights"]["verdicts"], 6);
            },
            "the SLO http/latency-p99 <= 1.1 relative to version 0 of the spec was not judged",
        ),
        (
            "version 1 is slower",
            |d| d["result"]["insights"]["nonHistMetricValues"][1]["http/latency-p99"] = json!([119.0]),
            "http/latency-p99 <= 1.1 relative to version 0 is recorded as satisfied, but the value is",
        ),
        (
            "judged without the confidence of the spec",
            |d| d["spec"][1]["with"]["confidence"] = json!(0.95),
            "the verdict on http/error-count was not judged with the confidence of the spec, 0.95",
        ),
    ];
    for (name, change, reason) in cases {
        let judged = changed_comparison(*change);
        assert_eq!(signs(&judged), "++-", "{name}: {judged:?}");
        assert!(judged[2].sentence.contains(reason), "{name}: {}", judged[2].sentence);
    }
    let open = changed_comparison(|d| last(d)["verdict"] = json!("inconclusive"));
    assert_eq!(signs(&open), "++?", "{open:?}");
}
