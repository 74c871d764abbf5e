//! "Did you mean …": finds the valid name that a mistyped one is closest to.
//!
//! ```
//! assert_eq!(suggest::nearest("asess", ["assess", "ready"]), Some("assess"));
//! assert_eq!(suggest::nearest("xyz", ["assess", "ready"]), None);
//! ```

/// Longest name that is compared, in bytes. The cost is quadratic in the length.
const MAX_LENGTH: usize = 200;

/// Returns the candidate nearest to `name`, ignoring case, if one is similar enough to be a plausible correction.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Returns the question "did you mean `x`?" for the nearest candidate.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, nearest};

    #[test]
    fn asks_only_if_a_candidate_is_near() {
        assert_eq!(did_you_mean("asess", ["http", "assess"]).as_deref(), Some("did you mean `assess`?"));
        assert_eq!(did_you_mean("zzz", ["http", "assess"]), None);
    }

    #[test]
    fn finds_only_plausible_corrections() {
        let names = ["http", "assess", "numRequests", "duration"];
        assert_eq!(nearest("asess", names), Some("assess"));
        assert_eq!(nearest("numrequests", names), Some("numRequests"));
        assert_eq!(nearest("zzz", names), None);
    }

    #[test]
    fn long_names_are_not_compared() {
        let long = "w".repeat(100_000);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        assert_eq!(nearest("http", [long.as_str(), "htpt"]), Some("htpt"));
    }
}
