//! Reports of rollouts in steps.

use chrono::{DateTime, TimeDelta, Utc};
use iter8::model::document::{Experiment, TaskStatus};
use iter8::model::insights::Insights;
use iter8::model::rollout::{Extension, RolloutPhase, RolloutRecord, StepRecord};
use iter8::model::slo::Outcome;
use serde_json::{Value, json};

use super::documents::{FAST, SLOW, add_load, assess, experiment, http_and_assess, record, start, task};
use super::render;

const SATISFIED: (Outcome, &str) = (Outcome::Satisfied, "2 of 2 satisfied");
const VIOLATED: (Outcome, &str) =
    (Outcome::Violated, "1 of 2 violated (http/latency-p99 184.21 ms > 120 ms, and http/error-rate 0.0084 > 0.001)");
const INCONCLUSIVE: (Outcome, &str) = (
    Outcome::Inconclusive,
    "2 of 2 inconclusive (http/latency-p99: 12 samples are too few for a 99th percentile, 100 are needed)",
);

/// The InferenceService `iris` at its rollout from the first to the second revision.
struct Rollout {
    record: RolloutRecord,
    now: DateTime<Utc>,
}

impl Rollout {
    fn new(percents: &[u8]) -> Self {
        let step = |percent: &u8| StepRecord { percent: *percent, ..StepRecord::default() };
        let record = RolloutRecord {
            target: "InferenceService iris".to_owned(),
            uid: "f4a7".to_owned(),
            stable: "iris-predictor-00001".to_owned(),
            candidate: "iris-predictor-00002".to_owned(),
            phase: RolloutPhase::Progressing,
            reason: None,
            percent: None,
            step: 0,
            judged_loop: 0,
            start: start(),
            end: None,
            steps: percents.iter().map(step).collect(),
        };
        Self { record, now: start() }
    }

    fn pass_time(&mut self, millis: i64) -> DateTime<Utc> {
        self.now += TimeDelta::milliseconds(millis);
        self.now
    }

    /// Moves the traffic to the next step.
    fn moved(mut self) -> Self {
        let at = self.record.step;
        let (start, reached) = (self.pass_time(140), self.pass_time(4_218));
        let step = &mut self.record.steps[at];
        (step.start, step.reached) = (Some(start), Some(reached));
        self.record.percent = Some(step.percent.into());
        self
    }

    /// Analyzes the step for a minute.
    fn analyzed(mut self, (outcome, reason): (Outcome, &str)) -> Self {
        self.pass_time(60_312);
        let step = &mut self.record.steps[self.record.step];
        step.analyses += 1;
        (step.outcome, step.reason) = (Some(outcome), Some(reason.to_owned()));
        self
    }

    /// Ends the step, and goes on to the next one.
    fn passed(mut self) -> Self {
        let now = self.pass_time(3);
        let at = self.record.step;
        self.record.steps[at].end = Some(now);
        self.record.step += 1;
        self
    }

    fn step(self, verdict: (Outcome, &str)) -> Self {
        self.moved().analyzed(verdict).passed()
    }

    /// Waits for a person after the current step.
    fn approved(mut self) -> Self {
        let at = self.record.step;
        self.record.steps[at].pause = true;
        self.pass_time(95_000);
        self.passed()
    }

    fn phase(mut self, phase: RolloutPhase, reason: Option<&str>) -> Self {
        self.record.phase = phase;
        self.record.reason = reason.map(str::to_owned);
        self
    }

    /// Ends the current step, and after a few seconds the rollout.
    fn ended(mut self, phase: RolloutPhase, reason: Option<&str>) -> Self {
        let now = self.pass_time(11);
        if let Some(step) = self.record.steps.get_mut(self.record.step) {
            step.end = step.start.map(|_| now);
        }
        self.record.end = Some(self.pass_time(6_100));
        self.phase(phase, reason)
    }

    /// The document, with the newest loop's load on the candidate.
    fn document(self, is_good: bool) -> Experiment {
        let mut insights = Insights::default();
        add_load(&mut insights, 0, "http", if is_good { FAST } else { SLOW });
        assess(&mut insights, &[("http/latency-p99", 120.0), ("http/error-rate", 0.001)]);
        let mut spec = http_and_assess();
        spec.insert(0, task("rollout", json!({"isvc": "iris", "steps": [10, 25, 50, 100]})));
        let newest = self.record.steps.iter().filter_map(|step| step.start).max().unwrap_or(start());
        let after = (newest - start()).num_milliseconds();
        let tasks = vec![
            record("rollout", TaskStatus::Done, after, 4_218),
            record("http", TaskStatus::Done, after + 4_220, 60_120),
            record("assess", TaskStatus::Done, after + 64_345, 2),
        ];
        let loops = self.record.steps.iter().map(|step| step.analyses).sum();
        let mut experiment = experiment(insights, spec, tasks);
        let result = experiment.result.as_mut().unwrap();
        result.num_loops = loops;
        result.num_completed_loops = Some(loops);
        result.rollout = Some(RolloutRecord { judged_loop: loops, ..self.record });
        experiment
    }
}

pub fn promoted() -> Experiment {
    let rollout = Rollout::new(&[10, 25, 50]).step(SATISFIED).moved().analyzed(SATISFIED).approved().step(SATISFIED);
    rollout.ended(RolloutPhase::Promoted, None).document(true)
}

pub fn rolled_back() -> Experiment {
    let rollout = Rollout::new(&[10, 25, 50]).step(SATISFIED).moved().analyzed(VIOLATED);
    let reason = format!("at 25 %: {}", VIOLATED.1);
    rollout.ended(RolloutPhase::RolledBack, Some(&reason)).document(false)
}

/// The SLOs hold, and a person gives the traffic back.
pub fn aborted() -> Experiment {
    let rollout = Rollout::new(&[10, 25, 50]).step(SATISFIED).moved().analyzed(SATISFIED);
    rollout.ended(RolloutPhase::RolledBack, Some("aborted")).document(true)
}

/// A person gives the traffic back during the analysis of the second step.
fn aborted_during_an_analysis() -> Experiment {
    let rollout = Rollout::new(&[10, 25, 50]).step(SATISFIED).moved();
    let mut experiment = rollout.ended(RolloutPhase::RolledBack, Some("aborted")).document(true);
    let result = experiment.result.as_mut().unwrap();
    result.interrupted = true;
    result.num_completed_tasks = 1;
    (result.tasks[1].status, result.tasks[2].status) = (TaskStatus::Interrupted, TaskStatus::Planned);
    let insights = result.insights.as_mut().unwrap();
    insights.verdicts.clear();
    insights.slos_satisfied = None;
    experiment
}

pub fn paused() -> Experiment {
    let mut rollout = Rollout::new(&[10, 25, 50]).step(SATISFIED).moved().analyzed(SATISFIED);
    rollout.record.steps[1].pause = true;
    let reason = "the step at 25 % has passed, and waits for approval";
    rollout.phase(RolloutPhase::Paused, Some(reason)).document(true)
}

/// On hold after three analyses that decided nothing.
pub fn held() -> Experiment {
    let mut rollout =
        Rollout::new(&[5, 50]).moved().analyzed(INCONCLUSIVE).analyzed(INCONCLUSIVE).analyzed(INCONCLUSIVE);
    let objective = Some("http/latency-p99".to_owned());
    rollout.record.steps[0].extension = Some(Extension { requests: 4_100, times: 341.667, objective });
    let reason = format!("inconclusive at 5 %: {}", INCONCLUSIVE.1);
    rollout.phase(RolloutPhase::Paused, Some(&reason)).document(true)
}

/// The second step is being analyzed; the newest verdicts are those of the first.
pub fn under_way() -> Experiment {
    Rollout::new(&[10, 25, 50]).step(SATISFIED).moved().document(true)
}

pub fn stopped() -> Experiment {
    let rollout = Rollout::new(&[10, 25, 50]).step(SATISFIED).moved().analyzed(SATISFIED);
    let reason = "the percent is 40, and this rollout did not set it; somebody else changes the traffic";
    rollout.ended(RolloutPhase::Stopped, Some(reason)).document(true)
}

/// All steps have passed, and the traffic has not moved yet.
fn promoting() -> Experiment {
    Rollout::new(&[20]).step(SATISFIED).phase(RolloutPhase::Promoting, None).document(true)
}

/// Many steps in no order, at times that are none.
pub fn hostile(text: &str) -> RolloutRecord {
    let times = [DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC, start()];
    let step = |at: usize| StepRecord {
        percent: at.wrapping_mul(97) as u8,
        pause: at.is_multiple_of(2),
        start: Some(times[at % 3]),
        reached: Some(times[(at + 1) % 3]),
        end: Some(times[(at / 3) % 3]),
        analyses: u64::MAX,
        outcome: [Some(Outcome::Violated), Some(Outcome::Satisfied), None][at % 3],
        reason: Some(text.to_owned()),
        extension: Some(Extension { requests: u64::MAX, times: f64::MAX, objective: Some(text.to_owned()) }),
    };
    RolloutRecord {
        target: text.to_owned(),
        uid: text.to_owned(),
        stable: text.to_owned(),
        candidate: text.to_owned(),
        phase: RolloutPhase::RolledBack,
        reason: Some(text.to_owned()),
        percent: Some(i64::MIN),
        step: usize::MAX,
        judged_loop: u64::MAX,
        start: DateTime::<Utc>::MIN_UTC,
        end: Some(DateTime::<Utc>::MAX_UTC),
        steps: (0..3_000).map(step).collect(),
    }
}

pub fn all() -> Vec<(&'static str, Experiment)> {
    vec![
        ("rollout-promoted", promoted()),
        ("rollout-rolled-back", rolled_back()),
        ("rollout-aborted", aborted()),
        ("rollout-paused", paused()),
        ("rollout-held", held()),
        ("rollout-under-way", under_way()),
        ("rollout-stopped", stopped()),
    ]
}

/// Keeps snapshots beside those of the other reports.
fn snapshots() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.bind_to_scope()
}

fn json_report(document: &Experiment) -> Value {
    serde_json::from_str(&render("json", document)).unwrap()
}

#[test]
fn only_a_promoted_candidate_satisfies_a_report() {
    let cases = [
        (promoted(), "satisfied", "The candidate was promoted"),
        (rolled_back(), "violated", "The candidate was rolled back"),
        (aborted(), "inconclusive", "The candidate was rolled back"),
        (aborted_during_an_analysis(), "inconclusive", "The candidate was rolled back"),
        (stopped(), "inconclusive", "The rollout was stopped"),
        (paused(), "incomplete", "The rollout is paused"),
        (held(), "incomplete", "The rollout is paused"),
        (under_way(), "incomplete", "The rollout is under way"),
        (promoting(), "incomplete", "The candidate is being promoted"),
    ];
    for (document, outcome, title) in cases {
        let report = json_report(&document);
        assert_eq!(report["summary"]["outcome"], outcome, "{}", report["rollout"]);
        let page = render("html", &document);
        assert!(page.contains(&format!("<h1 id=\"verdict\">{title}</h1>")), "{title}");
        assert!(!page.contains("SLOs are satisfied"), "{title}");
        let text = render("text", &document);
        assert!(text.contains(&format!("  Outcome: {outcome} (")), "{text}");
    }
}

#[test]
fn the_rollout_in_json_has_its_steps_and_the_last_move() {
    let rollout = &json_report(&rolled_back())["rollout"];
    let _settings = snapshots();
    insta::assert_snapshot!("rollout-in-json", serde_json::to_string_pretty(rollout).unwrap());
    let promoted = json_report(&promoted());
    assert_eq!(promoted["rollout"]["steps"][3]["percent"], 100);
    assert_eq!(promoted["rollout"]["steps"][3]["state"], "promoted");
    let states = |document| {
        let report = json_report(&document);
        let steps = report["rollout"]["steps"].as_array().unwrap().clone();
        steps.iter().map(|step| step["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(states(under_way()), "passed analyzing planned");
    assert_eq!(states(held()), "paused planned");
    assert_eq!(states(stopped()), "passed passed skipped");
    assert_eq!(states(promoting()), "passed promoting");
}

#[test]
fn reports_show_the_requests_that_a_step_has_asked_for() {
    let asked = "asked for 4,100 requests, 341.67 times the load of the values, to decide http/latency-p99";
    let text = render("text", &held()).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(asked), "{text}");
    assert!(render("html", &held()).contains(asked));
    let report = json_report(&held());
    let steps = &report["rollout"]["steps"];
    let expected = json!({"requests": 4_100, "times": 341.667, "objective": "http/latency-p99"});
    assert_eq!((&steps[0]["extension"], &steps[1]["extension"]), (&expected, &Value::Null));
    assert!(!render("text", &promoted()).contains("asked for"));
}

#[test]
fn text_reports_of_rollouts_match_their_snapshots() {
    let _settings = snapshots();
    for (name, document) in all() {
        let text = render("text", &document);
        let section = text.split("\n\nTasks:\n").next().unwrap().split("\n\nWhether").next().unwrap();
        assert!(section.is_ascii() && section.lines().all(|line| line.len() <= 78), "{section}");
        insta::assert_snapshot!(format!("text-{name}"), section);
    }
}

/// Drawn stretches of a page: class, left, right and level.
fn stretches(page: &str) -> Vec<(String, [f64; 3])> {
    let stretch = |text: &str| {
        let path = text.split(" d=\"M").nth(1)?.split('"').next()?;
        let numbers: Vec<f64> = path.split([' ', 'H']).filter_map(|number| number.parse().ok()).collect();
        let [left, level, right] = numbers[..] else { return None };
        Some((text.split('"').next()?.to_owned(), [left, right, level]))
    };
    page.split("<g class=\"stretch ").skip(1).filter_map(stretch).collect()
}

#[test]
fn pages_draw_the_percent_over_time_in_the_colours_of_the_verdicts() {
    let classes = |page: &str| stretches(page).iter().map(|(class, _)| class.clone()).collect::<Vec<_>>().join(" ");
    let good = render("html", &promoted());
    assert_eq!(classes(&good), "plain good good good good");
    assert_eq!(classes(&render("html", &rolled_back())), "plain good bad bad");
    assert_eq!(classes(&render("html", &aborted())), "plain good good plain");
    assert_eq!(classes(&render("html", &held())), "plain open");
    for document in [promoted(), rolled_back(), under_way()] {
        let drawn = stretches(&render("html", &document));
        for pair in drawn.windows(2) {
            assert_eq!(pair[0].1[1], pair[1].1[0], "the line has no gap: {drawn:?}");
        }
    }
    let levels: Vec<f64> = stretches(&good).iter().map(|(_, [_, _, level])| *level).collect();
    assert!(levels.is_sorted_by(|a, b| a > b), "each step is above the one before: {levels:?}");
    assert_eq!(good.matches("<g class=\"pause\">").count(), 1);
    assert!(good.contains("<title>50 %: satisfied, 1m4s, 1 analysis: 2 of 2 satisfied</title>"));
    assert!(render("html", &under_way()).contains("class=\"unended\""));
}

#[test]
fn a_rollout_before_its_first_move_has_no_chart() {
    let mut document = Rollout::new(&[10]).document(true);
    document.result.as_mut().unwrap().rollout.as_mut().unwrap().steps[0].start = Some(start());
    let page = render("html", &document);
    assert!(page.contains("Steps of the rollout") && !page.contains("class=\"stretch"));
}
