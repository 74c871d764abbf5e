//! Lines of a log that is opened again after its stream broke: the API server resumes at a whole second, so it repeats lines.

use k8s_openapi::jiff::Timestamp;

/// Position in a log whose lines start with their timestamps.
#[derive(Debug, Default)]
pub(super) struct NewLines {
    last: Option<Timestamp>,
    /// Position before the log was opened again; up to there, lines are repeated.
    resumed: Option<Timestamp>,
}

impl NewLines {
    /// Returns the time from which to read on; `None` for the start of the log. The client rounds it to seconds, so it is rounded down here.
    pub(super) fn since(&mut self) -> Option<Timestamp> {
        self.resumed = self.last;
        Timestamp::from_second(self.last?.as_second()).ok()
    }

    /// Returns the line without its timestamp; `None` if it was seen before.
    pub(super) fn take<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let stamped = line.split_once(' ').unwrap_or((line, ""));
        let Ok(time) = stamped.0.parse::<Timestamp>() else { return Some(line) };
        if self.resumed.is_some_and(|resumed| time <= resumed) {
            return None;
        }
        self.last = self.last.max(Some(time));
        Some(stamped.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_dropped_and_none_is_lost() {
        let mut lines = NewLines::default();
        assert_eq!(lines.since(), None);
        for (line, expected) in [
            ("2026-01-01T00:00:01.9Z a", "a"),
            // Lines may have the same time.
            ("2026-01-01T00:00:01.9Z b", "b"),
            ("2026-01-01T00:00:01.95Z ", ""),
            ("no timestamp", "no timestamp"),
        ] {
            assert_eq!(lines.take(line), Some(expected));
        }
        assert_eq!(lines.since().unwrap().to_string(), "2026-01-01T00:00:01Z", "rounded down");
        assert_eq!(lines.take("2026-01-01T00:00:01.9Z b"), None);
        assert_eq!(lines.take("2026-01-01T00:00:01.95Z "), None);
        assert_eq!(lines.take("2026-01-01T00:00:01.950000001Z c"), Some("c"));
    }
}
