//! Go's `time.ParseDuration` and `time.Duration.String` for non-negative durations: `1m30s`, `500ms`, `1.5h`.

use std::time::Duration;

/// Units in nanoseconds. `ms` comes before `m`, so that it is not read as minutes.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Parses a duration; `None` if Go rejects it.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (unit, scale) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?;
        nanos += number * scale;
        rest = &tail[unit.len()..];
    }
    // The range of Go's int64 of nanoseconds, about 292 years.
    (nanos <= i64::MAX as f64).then(|| Duration::from_nanos(nanos.round() as u64))
}

/// Formats a duration as Go does: `1h0m5s`, `1.5ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fraction = |value: u128, unit: u128, name: &str| {
        let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
        format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000, "ms"),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let hours = if minutes >= 60 { format!("{}h", minutes / 60) } else { String::new() };
            let minutes = if minutes > 0 { format!("{}m", minutes % 60) } else { String::new() };
            format!("{hours}{minutes}{}", fraction(nanos % 60_000_000_000, 1_000_000_000, "s"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_and_formatted_as_in_go() {
        let cases = [
            ("0", "0s"),
            ("5s", "5s"),
            ("1m30s", "1m30s"),
            ("500ms", "500ms"),
            ("1.5h", "1h30m0s"),
            ("90s", "1m30s"),
            ("1500us", "1.5ms"),
            ("10ns", "10ns"),
            ("1500µs", "1.5ms"),
            (".5s", "500ms"),
        ];
        for (text, printed) in cases {
            assert_eq!(parse(text).map(format).as_deref(), Some(printed), "{text}");
        }
    }

    #[test]
    fn durations_that_go_rejects_are_rejected() {
        for text in ["", "5", "s", "-5s", "5 s", "5x", "1..5s", "300000h0m0s9999999h", "5sm"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
