//! Numbers and document text as every format shows them.

use std::time::Duration;

use crate::model::duration::GoDuration;
use crate::model::grpc_status;

/// Larger numbers are written with an exponent: their digits would not fit a table.
const HUGE: f64 = 1e15;

/// Formats a metric's value with two decimals, or with two significant digits if it would read `0.00`.
pub(super) fn value(number: f64) -> String {
    match number.abs() {
        size if !size.is_finite() => number.to_string(),
        size if size >= HUGE || (size > 0.0 && size < 1e-6) => format!("{number:.2e}"),
        size if size > 0.0 && size < 0.01 => {
            let decimals = (-size.log10()).ceil() as usize + 1;
            format!("{number:.decimals$}")
        }
        _ => format!("{:.2}", number + 0.0),
    }
}

/// Formats a value with enough decimals to distinguish it from its limit.
pub(super) fn value_near(number: f64, limit: f64) -> String {
    let plain = value(number);
    if number == limit || plain.parse() != Ok(limit) {
        return plain;
    }
    (3..=12).map(|decimals| format!("{number:.decimals$}")).find(|text| text.parse() != Ok(limit)).unwrap_or(plain)
}

/// Formats a number in its shortest form: `50`, `0.5`.
pub(super) fn short(number: f64) -> String {
    let size = number.abs();
    if size >= HUGE || (size > 0.0 && size < 1e-6) { format!("{number:e}") } else { number.to_string() }
}

/// Formats a rate or another figure to three significant digits: `8`, `12.5`, `1234`.
pub(super) fn rounded(number: f64) -> String {
    let decimals = match number.abs() {
        size if size.is_nan() || size >= HUGE => return short(number),
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Formats a duration without digits that do not matter: `12ms`, `1.3s`, `2m5s`.
pub(super) fn coarse(duration: Duration) -> String {
    let unit = match duration.as_millis() {
        0..1_000 => 1,
        1_000..60_000 => 100,
        _ => 1_000,
    };
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    GoDuration(Duration::from_millis(millis / unit * unit)).to_string()
}

/// Groups digits: `12,000`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats bytes in the decimal unit with at most three digits before the point: `999 B`, `2.54 MB`.
pub(super) fn bytes(number: u64) -> String {
    let mut size = number as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"].into_iter().peekable();
    while size >= 999.5 {
        let Some(_) = units.next_if(|unit| *unit != "EB") else { break };
        size /= 1000.0;
    }
    format!("{} {}", rounded(size), units.next().unwrap_or("B"))
}

/// Names a response status of a provider: gRPC codes by name, all others as HTTP statuses.
pub(super) fn status_name(provider: &str, status: u16) -> String {
    let is_grpc = provider == "grpc" || provider.starts_with("grpc-");
    match grpc_status::name(status).filter(|_| is_grpc) {
        Some(name) => format!("{status} {name}"),
        None => status.to_string(),
    }
}

/// Truncates text to `max` characters, and appends its full length.
pub(super) fn clipped(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} ... ({} characters)", &text[..end], text.chars().count()),
    }
}

/// Shortens a name to `max` characters (8 or more) by removing its middle, which is the least distinctive part.
pub(super) fn squeezed(name: &str, max: usize) -> String {
    let count = name.chars().count();
    if count <= max {
        return name.to_owned();
    }
    let tail = (max - 3) / 2;
    let head = max - 3 - tail;
    name.chars().take(head).chain("...".chars()).chain(name.chars().skip(count - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_two_decimals_or_two_digits_that_say_something() {
        let cases = [
            (0.0, "0.00"),
            (-0.0, "0.00"),
            (50.0, "50.00"),
            (63.2149, "63.21"),
            (0.0042, "0.0042"),
            (0.01, "0.01"),
            (0.0000001, "1.00e-7"),
            (2e300, "2.00e300"),
            (f64::NAN, "NaN"),
            (-3.5, "-3.50"),
            (0.00999, "0.0100"),
        ];
        for (number, text) in cases {
            assert_eq!(value(number), text, "{number}");
        }
    }

    #[test]
    fn a_value_never_reads_as_its_limit_when_it_is_not() {
        assert_eq!(value_near(50.0, 50.0), "50.00");
        assert_eq!(value_near(50.0004, 50.0), "50.0004");
        assert_eq!(value_near(63.0, 50.0), "63.00");
    }

    #[test]
    fn limits_and_rates_are_short() {
        assert_eq!([short(50.0), short(0.5), short(1e300)], ["50", "0.5", "1e300"]);
        assert_eq!([rounded(8.0), rounded(12.54), rounded(1234.5), rounded(0.126)], ["8", "12.5", "1234", "0.13"]);
        assert_eq!([rounded(100.0), rounded(f64::NAN), rounded(10.0)], ["100", "NaN", "10"]);
    }

    #[test]
    fn durations_have_the_digits_that_matter() {
        let texts = [0, 12, 999, 1_349, 59_999, 125_900, 3_600_001].map(|ms| coarse(Duration::from_millis(ms)));
        assert_eq!(texts, ["0s", "12ms", "999ms", "1.3s", "59.9s", "2m5s", "1h0m0s"]);
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn bytes_are_in_the_unit_that_fits() {
        let cases = [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (2_544_000, "2.54 MB"), (999_600, "1 MB")];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(bytes(u64::MAX), "18.4 EB");
    }

    #[test]
    fn statuses_of_grpc_have_names() {
        let names =
            [("grpc", 14), ("grpc-get", 0), ("grpc", 99), ("http", 14), ("grpcs", 0)].map(|(p, s)| status_name(p, s));
        assert_eq!(names, ["14 UNAVAILABLE", "0 OK", "99", "14", "0"]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(clipped("ééé", 2), "éé ... (3 characters)");
        assert_eq!(clipped("ééé", 3), "ééé");
        assert_eq!(squeezed("http-checkout/latency-p99", 15), "http-c...cy-p99");
        assert_eq!(squeezed("short", 8), "short");
    }
}
