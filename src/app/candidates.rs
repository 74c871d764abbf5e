//! Completion of paths of values and of names of metrics.
//!
//! Paths are completed level by level, so that a list fits the screen: `http.ba` → `http.basicAuth.` → `http.basicAuth.username=`.

use super::error::AppError;
use super::fields::{self, Field};
use super::metrics::{self, ListedMetric};
use crate::tasks::registry::value_names;

/// Short names of latencies and errors in `--slo`.
const SHORT: [(&str, &str); 8] = [
    ("mean", "mean of the latency"),
    ("max", "maximum of the latency"),
    ("p50", "median of the latency"),
    ("p95", "95th percentile of the latency"),
    ("p99", "percentile 99 of the latency"),
    ("error-rate", "fraction of requests that failed"),
    ("errors", "number of requests that failed"),
    ("requests", "number of requests sent"),
];

/// A word to complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// `PATH=VALUE`, or several with commas.
    Assignment,
    /// A path of a value, or a metric.
    Path,
    /// An SLO: a metric, a sign and a limit.
    Slo,
}

/// A possible continuation of the word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The whole word.
    pub(crate) text: String,
    /// Meaning, in one line.
    pub(crate) summary: String,
}

/// Returns the candidates that start with `text`.
pub(crate) fn candidates(word: Word, text: &str) -> Result<Vec<Candidate>, AppError> {
    let mut candidates = match word {
        Word::Assignment => assignments(text)?,
        Word::Path if text.contains('/') => metric_names("")?,
        Word::Path => paths(&fields::values(), text, false)?,
        Word::Slo => [SHORT.map(|(name, summary)| candidate(name, summary)).into(), metric_names("")?].concat(),
    };
    candidates.retain(|candidate| candidate.text.starts_with(text));
    Ok(candidates)
}

fn candidate(text: impl Into<String>, summary: &str) -> Candidate {
    Candidate { text: text.into(), summary: summary.to_owned() }
}

/// Completes the last of several assignments.
fn assignments(text: &str) -> Result<Vec<Candidate>, AppError> {
    let start = last_assignment(text);
    let (before, last) = text.split_at(start);
    let root = fields::values();
    let mut candidates = match last.split_once('=') {
        Some(("tasks", list)) => tasks(list),
        Some((path, _)) => {
            let allowed = root.find(path).map(|field| field.allowed.clone()).unwrap_or_default();
            let value = |allowed: &fields::Allowed| {
                candidate(format!("{path}={}", allowed.value), allowed.meaning.as_deref().unwrap_or_default())
            };
            allowed.iter().map(value).collect()
        }
        None => paths(&root, last, true)?,
    };
    for candidate in &mut candidates {
        candidate.text.insert_str(0, before);
    }
    Ok(candidates)
}

/// Returns the start of the last assignment: after the last comma outside of braces.
fn last_assignment(text: &str) -> usize {
    let (mut depth, mut start) = (0_usize, 0);
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {}
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => start = at + 1,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    start
}

/// Completes the last name in `{http,ass`.
fn tasks(list: &str) -> Vec<Candidate> {
    let (before, _) = list.rsplit_once([',', '{']).map_or(("", list), |(before, last)| (&list[..=before.len()], last));
    let before = if before.is_empty() { "{" } else { before };
    value_names().map(|name| candidate(format!("tasks={before}{name}"), "")).collect()
}

/// Completes the last segment of a path; with `is_assignment`, a leaf ends in `=`.
fn paths(root: &Field, text: &str, is_assignment: bool) -> Result<Vec<Candidate>, AppError> {
    let metrics = |parent: &str| match is_assignment {
        true => metric_names(&format!("{parent}.")),
        false => Ok(Vec::new()),
    };
    // Names of metrics have slashes, and may have dots.
    for parent in ["assess.SLOs.upper", "assess.SLOs.lower", "assess.relative.upper"] {
        if text.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.')) {
            let assigned = |metric: Candidate| Candidate { text: format!("{}=", metric.text), ..metric };
            return Ok(metrics(parent)?.into_iter().map(assigned).collect());
        }
    }
    let parent = text.rsplit_once('.').map_or("", |(parent, _)| parent);
    let Ok(field) = root.find(parent) else { return Ok(Vec::new()) };
    // The name of an entry is the user's.
    if is_assignment && field.entry.is_some() && field.fields.is_empty() {
        return Ok(Vec::new());
    }
    let child = |child: &Field| {
        let path = if parent.is_empty() { child.name.clone() } else { format!("{parent}.{}", child.name) };
        let forms = forms(child, is_assignment);
        forms.into_iter().map(move |form| candidate(format!("{path}{form}"), child.summary())).collect::<Vec<_>>()
    };
    Ok(field.children().iter().flat_map(child).collect())
}

/// Returns what may follow the name of a field.
fn forms(field: &Field, is_assignment: bool) -> Vec<&'static str> {
    let kind = field.kind.as_str();
    let has_fields =
        ["object", "map of"].iter().any(|word| kind.starts_with(word) || kind.contains(&format!("or {word}")));
    if !is_assignment {
        return vec![if field.children().is_empty() { "" } else { "." }];
    }
    match has_fields {
        true if kind.contains(" or ") => vec!["=", "."],
        true => vec!["."],
        false if kind.starts_with("list of object") => vec!["[0]."],
        false => vec!["="],
    }
}

/// Returns names of metrics after `prefix`, those of percentiles and distributions with the usual percentiles.
fn metric_names(prefix: &str) -> Result<Vec<Candidate>, AppError> {
    let names = |metric: &ListedMetric| {
        let named = |name: String| candidate(format!("{prefix}{name}"), &metric.description);
        metric.names().into_iter().map(named).collect::<Vec<_>>()
    };
    Ok(metrics::all()?.metrics.iter().flat_map(names).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(word: Word, text: &str) -> Vec<String> {
        candidates(word, text).unwrap().into_iter().map(|candidate| candidate.text).collect()
    }

    #[test]
    fn paths_are_completed_level_by_level() {
        assert_eq!(texts(Word::Assignment, "http.basic"), ["http.basicAuth."]);
        assert_eq!(texts(Word::Assignment, "http.basicAuth.u"), ["http.basicAuth.username="]);
        assert_eq!(texts(Word::Assignment, "http.versionV"), ["http.versionValues[0]."]);
        assert_eq!(texts(Word::Assignment, "http.versionValues[1].qp"), ["http.versionValues[1].qps="]);
        assert_eq!(texts(Word::Assignment, "http.endpoints.cart.qp"), ["http.endpoints.cart.qps="]);
        assert_eq!(texts(Word::Assignment, "ru"), ["run=", "run.", "runner="]);
        assert!(texts(Word::Assignment, "").contains(&"tasks=".to_owned()));
    }

    /// An endpoint has no name that could be known.
    #[test]
    fn names_of_the_users_choice_have_no_candidates() {
        assert_eq!(texts(Word::Assignment, "http.endpoints."), [""; 0]);
        assert_eq!(texts(Word::Assignment, "http.headers."), [""; 0]);
        assert_eq!(texts(Word::Assignment, "nothing.at.all"), [""; 0]);
    }

    #[test]
    fn slos_are_completed_with_metrics() {
        assert_eq!(
            texts(Word::Assignment, "assess.SLOs.upper.http/latency-p9"),
            ["p90", "p95", "p99"].map(|p| format!("assess.SLOs.upper.http/latency-{p}="))
        );
        assert_eq!(
            texts(Word::Assignment, "assess.relative.upper.grpc/latency/p5"),
            ["assess.relative.upper.grpc/latency/p50="]
        );
        assert_eq!(texts(Word::Slo, "p9"), ["p95", "p99"]);
        assert_eq!(texts(Word::Slo, "http/error-"), ["http/error-count", "http/error-rate"]);
    }

    #[test]
    fn values_and_tasks_are_completed() {
        assert_eq!(texts(Word::Assignment, "rollout.onFailure=r"), ["rollout.onFailure=rollback"]);
        assert_eq!(texts(Word::Assignment, "tasks=ht"), [""; 0]);
        assert_eq!(texts(Word::Assignment, "tasks={ht"), ["tasks={http"]);
        assert_eq!(texts(Word::Assignment, "tasks={http,as"), ["tasks={http,assess"]);
        assert_eq!(texts(Word::Assignment, "tasks={http,assess},http.ur"), ["tasks={http,assess},http.url="]);
    }

    #[test]
    fn explained_paths_have_no_values() {
        assert_eq!(texts(Word::Path, "http.qp"), ["http.qps"]);
        assert_eq!(texts(Word::Path, "http.basic"), ["http.basicAuth."]);
        assert_eq!(texts(Word::Path, "http/latency-p5"), ["http/latency-p50"]);
    }
}
