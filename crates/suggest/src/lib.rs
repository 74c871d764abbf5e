//! "Did you mean …": the nearest valid name to a mistyped one.

/// Longest name, in bytes, that is compared: the time that takes grows with the square of the length.
const MAX_LENGTH: usize = 200;

/// The candidate nearest to `name`, if one is near enough to be what was meant.
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

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let names = ["http", "assess", "numRequests", "duration"];
        assert_eq!(nearest("asess", names), Some("assess"));
        assert_eq!(nearest("numrequests", names), Some("numRequests"));
        assert_eq!(nearest("zzz", names), None);
    }

    #[test]
    fn names_that_nobody_typed_are_not_compared() {
        let long = "w".repeat(100_000);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        assert_eq!(nearest("http", [long.as_str(), "htpt"]), Some("htpt"));
    }
}
