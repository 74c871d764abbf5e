//! Numbers and document text as every format shows them.

use std::time::Duration;

use crate::model::duration::GoDuration;
use crate::model::grpc_status;
use crate::model::metric::MSEC;
pub(super) use crate::model::readable::thousands;
use crate::model::text::one_line;

/// Maximum characters of a unit.
const MAX_UNIT: usize = 20;
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

/// Formats a number for people: digits in groups, two decimals, none for a count or a share that is whole.
pub(super) fn readable(number: f64, units: Option<&str>) -> String {
    let size = number.abs();
    match units.is_none_or(str::is_empty) && number.fract() == 0.0 && size < HUGE {
        true => grouped(&short(number + 0.0)),
        false if size >= 1_000.0 => grouped(&rounded(number)),
        false => value(number),
    }
}

/// Formats a number for people with enough decimals to distinguish it from a limit.
pub(super) fn readable_near(number: f64, limit: f64, units: Option<&str>) -> String {
    let text = readable(number, units);
    match number != limit && text.replace(',', "").parse() == Ok(limit) {
        true => grouped(&value_near(number, limit)),
        false => text,
    }
}

/// Groups the digits before the point of a number: `12,345.6`. Other text stays as it is.
pub(super) fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').map_or((digits, String::new()), |(a, b)| (a, format!(".{b}")));
    match whole.parse() {
        Ok(number) => format!("{sign}{}{fraction}", thousands(number)),
        Err(_) => text.to_owned(),
    }
}

/// Formats a number in percent: whole from 10 on, else with a decimal. Only 100 itself reads as 100.
pub(super) fn percent(percent: f64) -> String {
    let decimals = match percent.abs() {
        size if size.is_nan() || size >= HUGE => return format!("{}\u{a0}%", short(percent)),
        size if (99.5..100.5).contains(&size) && size != 100.0 => 2,
        size if (0.05..10.0).contains(&size) => 1,
        _ => 0,
    };
    let text = format!("{percent:.decimals$}");
    let text = match text.trim_start_matches('-') {
        "100.00" if percent.abs() < 100.0 => "99.99".to_owned(),
        "100.00" => "100.01".to_owned(),
        _ => text,
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let text = if text == "-0" { "0" } else { text };
    format!("{}\u{a0}%", grouped(text))
}

/// Formats a share in percent, to three significant digits and without the sign. Only 0 is shown as 0, and only 100 as 100.
pub(super) fn percentage(percent: f64) -> String {
    match percent {
        percent if percent > 0.0 && percent < 0.01 => "< 0.01".to_owned(),
        percent if (99.95..100.0).contains(&percent) => "> 99.9".to_owned(),
        percent => rounded(percent),
    }
}

/// Formats seconds in the unit that people would use, to three significant digits: `106 ms`, `5.03 s`, `12 min`.
pub(super) fn elapsed(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.9995 => format!("{} ms", rounded(seconds * 1_000.0)),
        seconds if seconds < 120.0 => format!("{} s", rounded(seconds)),
        seconds if seconds < 7_200.0 => format!("{} min", rounded(seconds / 60.0)),
        seconds if seconds < 172_800.0 => format!("{} h", rounded(seconds / 3_600.0)),
        seconds => format!("{} days", grouped(&rounded(seconds / 86_400.0))),
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

/// Returns the unit after a number, with a space: ` ms`; empty if there is none.
pub(super) fn unit(units: Option<&str>) -> String {
    match units {
        None | Some("") => String::new(),
        Some(MSEC) => " ms".to_owned(),
        Some(unit) => format!(" {}", one_line(&squeezed(unit, MAX_UNIT))),
    }
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
    fn people_read_groups_of_digits_and_whole_counts() {
        let ms = Some("msec");
        let cases = [
            (1000.0, None, "1,000"),
            (0.0, None, "0"),
            (-0.0, None, "0"),
            (0.0, ms, "0.00"),
            (50.0, ms, "50.00"),
            (0.94, None, "0.94"),
            (12_345.678, ms, "12,346"),
            (-1_234.0, None, "-1,234"),
            (2e300, None, "2e300"),
            (f64::NAN, ms, "NaN"),
            (f64::INFINITY, None, "inf"),
        ];
        for (number, units, text) in cases {
            assert_eq!(readable(number, units), text, "{number}");
        }
        assert_eq!(readable_near(1_000.4, 1_000.0, ms), "1,000.40", "a value never reads as its limit");
        assert_eq!(readable_near(1_000.0, 1_000.0, None), "1,000");
        assert_eq!(["1e300", "-", "1234.5", "-12"].map(grouped), ["1e300", "-", "1,234.5", "-12"]);
    }

    #[test]
    fn percents_are_short_and_only_the_whole_reads_as_the_whole() {
        let cases =
            [(0.0, "0"), (-0.0, "0"), (0.84, "0.8"), (-33.14, "-33"), (9.96, "10"), (100.0, "100"), (99.992, "99.99")];
        for (number, text) in cases {
            assert_eq!(percent(number), format!("{text}\u{a0}%"), "{number}");
        }
        let near = [99.999_999, 100.000_001, 99.6, 12_345.0, 1e300, f64::NAN].map(percent);
        assert_eq!(near.map(|text| text.replace("\u{a0}%", "")), ["99.99", "100.01", "99.6", "12,345", "1e300", "NaN"]);
    }

    #[test]
    fn shares_read_as_nothing_or_all_only_if_they_are() {
        let texts = [0.0, 0.001, 0.01, 0.844, 12.34, 99.94, 99.95, 99.999, 100.0].map(percentage);
        assert_eq!(texts, ["0", "< 0.01", "0.01", "0.84", "12.3", "99.9", "> 99.9", "> 99.9", "100"]);
    }

    #[test]
    fn elapsed_times_have_three_digits_and_a_unit() {
        let texts = [0.0, 0.01711, 5.028_151, 60.12, 725.0, 36_000.0, 1e9].map(elapsed);
        assert_eq!(texts, ["0 ms", "17.1 ms", "5.03 s", "60.1 s", "12.1 min", "10 h", "11,574 days"]);
        assert_eq!(elapsed(f64::NAN), "NaN days");
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
