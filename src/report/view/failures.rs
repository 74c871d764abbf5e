//! Failed requests of a load by what failed: causes, and statuses that count as errors.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::load::LoadRecord;
use crate::report::show::status_name;

/// Failed requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Cause (`timeout`) or status (`status 404`).
    pub name: String,
    /// Number of requests.
    pub count: u64,
}

/// Lists the failures, most frequent first. The document does not record which statuses are errors, so they are listed only if their
/// counts leave no doubt.
pub(super) fn of(provider: &str, load: &LoadRecord) -> Vec<Failure> {
    let mut failures: Vec<Failure> =
        load.causes.iter().map(|(cause, count)| Failure { name: cause.clone(), count: *count }).collect();
    let explained = load.causes.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let by_status = load.counts.errors.saturating_sub(explained);
    if by_status > 0 {
        let named = |(status, count): (&u16, &u64)| Failure {
            name: format!("status {}", status_name(provider, *status)),
            count: *count,
        };
        match statuses(provider, &load.statuses, by_status) {
            Some(statuses) => failures.extend(statuses.iter().map(named)),
            None => failures.push(Failure { name: "error status".to_owned(), count: by_status }),
        }
    }
    failures.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    failures
}

/// Returns the statuses with `errors` responses in total that are errors by default or, if all responses are, all of them.
fn statuses(provider: &str, all: &BTreeMap<u16, u64>, errors: u64) -> Option<BTreeMap<u16, u64>> {
    let is_grpc = provider == "grpc" || provider.starts_with("grpc-");
    let is_error = |status: u16| if is_grpc { status != 0 } else { status >= 400 };
    let by_default =
        all.iter().filter(|(status, _)| is_error(**status)).map(|(status, count)| (*status, *count)).collect();
    [by_default, all.clone()]
        .into_iter()
        .find(|some: &BTreeMap<u16, u64>| some.values().fold(0_u64, |sum, count| sum.saturating_add(*count)) == errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::counts::Counts;

    fn failures(provider: &str, errors: u64, statuses: &[(u16, u64)], causes: &[(&str, u64)]) -> Vec<(String, u64)> {
        let load = LoadRecord {
            counts: Counts { errors, ..Counts::default() },
            statuses: statuses.iter().copied().collect(),
            causes: causes.iter().map(|(cause, count)| ((*cause).to_owned(), *count)).collect(),
            ..LoadRecord::default()
        };
        of(provider, &load).into_iter().map(|failure| (failure.name, failure.count)).collect()
    }

    #[test]
    fn statuses_are_failures_if_their_counts_leave_no_doubt() {
        let found = |name: &str, count| (name.to_owned(), count);
        assert_eq!(failures("http", 0, &[(200, 9)], &[]), []);
        assert_eq!(
            failures("http", 7, &[(200, 1), (404, 4), (503, 1)], &[("timeout", 2)]),
            [found("status 404", 4), found("timeout", 2), found("status 503", 1)]
        );
        assert_eq!(failures("grpc-get", 3, &[(0, 1), (14, 3)], &[]), [found("status 14 UNAVAILABLE", 3)]);
        // All responses are errors, whatever their statuses.
        assert_eq!(failures("http", 3, &[(200, 2), (302, 1)], &[]), [found("status 200", 2), found("status 302", 1)]);
        // Other ranges of errors, and responses that have a cause, too.
        assert_eq!(failures("http", 2, &[(200, 3), (302, 2)], &[]), [found("error status", 2)]);
        assert_eq!(
            failures("http", 4, &[(404, 5)], &[("unexpected-status", 2)]),
            [found("error status", 2), found("unexpected-status", 2)]
        );
    }
}
