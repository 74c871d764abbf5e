//! Details of failures with one cause: how often each occurred.

use std::fmt;

use crate::model::text::prefix;

/// Maximum distinct details that are kept; later ones are only counted.
const MAX_DETAILS: usize = 8;

/// Longest detail, in characters.
const MAX_LENGTH: usize = 400;

/// Distinct details with their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// In the order of their first occurrence.
    known: Vec<(String, u64)>,
    /// Occurrences of details that are not kept.
    others: u64,
}

impl Details {
    /// Counts a detail; an empty one says nothing.
    pub(super) fn add(&mut self, detail: &str, count: u64) {
        let detail = prefix(detail, MAX_LENGTH);
        if detail.is_empty() {
            return;
        }
        let known = self.known.iter().position(|(known, _)| known == detail);
        let index = known.or_else(|| {
            (self.known.len() < MAX_DETAILS).then(|| {
                self.known.push((detail.to_owned(), 0));
                self.known.len() - 1
            })
        });
        let counter = match index {
            Some(index) => &mut self.known[index].1,
            None => &mut self.others,
        };
        *counter = counter.saturating_add(count);
    }

    /// Adds the details of another worker or pod.
    pub(super) fn merge(&mut self, other: &Self) {
        for (detail, count) in &other.known {
            self.add(detail, *count);
        }
        self.add_others(other.others);
    }

    /// Counts details that are not kept.
    pub(super) fn add_others(&mut self, count: u64) {
        self.others = self.others.saturating_add(count);
    }

    /// Occurrences of all details.
    pub(super) fn total(&self) -> u64 {
        self.known.iter().fold(self.others, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Details with their counts, in the order of their first occurrence.
    pub(super) fn known(&self) -> &[(String, u64)] {
        &self.known
    }
}

/// Lists the most frequent first; a single detail stands for itself.
impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([(only, _)], 0) = (self.known.as_slice(), self.others) {
            return f.write_str(only);
        }
        let mut known: Vec<_> = self.known.iter().collect();
        known.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (index, (detail, count)) in known.into_iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{detail} ×{count}")?;
        }
        if self.others > 0 {
            write!(f, ", others ×{}", self.others)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_detail_comes_first() {
        let mut details = Details::default();
        assert_eq!(details.to_string(), "");
        details.add("", 1);
        details.add("status 503", 2);
        assert_eq!(details.to_string(), "status 503");
        details.add("status 418", 3);
        assert_eq!(details.to_string(), "status 418 ×3, status 503 ×2");
        let mut other = Details::default();
        for number in 0..9 {
            other.add(&format!("odd {number}"), 1);
        }
        details.merge(&other);
        assert_eq!(details.known().len(), MAX_DETAILS);
        assert!(details.to_string().ends_with("odd 5 ×1, others ×3"), "{details}");
    }
}
