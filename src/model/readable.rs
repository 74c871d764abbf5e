//! Numbers in sentences: integers plain, others with two decimals, tiny ones with two significant digits.

/// Maximum decimals.
const MAX_DECIMALS: usize = 12;

/// Formats a number: `50`, `63.21`, `0.0042`, `1.5e15`; `NaN` and infinities by name.
pub fn show(number: f64) -> String {
    with_decimals(number, decimals(number))
}

/// Formats a value and its limit with enough decimals that different numbers never read the same.
pub fn show_pair(value: f64, limit: f64) -> (String, String) {
    let (value_text, limit_text) = (show(value), show(limit));
    if value == limit || value_text.parse::<f64>().ok() != limit_text.parse::<f64>().ok() {
        return (value_text, limit_text);
    }
    (decimals(value)..=MAX_DECIMALS)
        .map(|decimals| (with_decimals(value, decimals), with_decimals(limit, decimals)))
        .find(|(a, b)| a.parse::<f64>().ok() != b.parse::<f64>().ok())
        .unwrap_or_else(|| (value.to_string(), limit.to_string()))
}

/// Groups the digits of a whole number: `12,000`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a confidence in percent with all its digits, `97.5 %`: 99.995 % is not 100 %.
pub fn confidence(level: f64) -> String {
    format!("{} %", in_percent(level))
}

/// Returns a share in percent, without the noise of its last digits.
pub fn in_percent(share: f64) -> f64 {
    (share * 1e11).round() / 1e9
}

/// Returns the decimals of a number: none for an integer, two as a rule, more below 0.01.
fn decimals(number: f64) -> usize {
    let size = number.abs();
    if !size.is_finite() || number.fract() == 0.0 {
        0
    } else if size >= 0.01 {
        2
    } else {
        // 0.0042 has its first digit at the third decimal; one more makes two significant digits.
        let first = (-size.log10()).ceil();
        (first as usize).saturating_add(1).min(MAX_DECIMALS)
    }
}

fn with_decimals(number: f64, decimals: usize) -> String {
    let size = number.abs();
    if number == 0.0 {
        "0".to_owned() // and never "-0"
    } else if size.is_finite() && !(1e-9..1e15).contains(&size) {
        format!("{number:.1e}")
    } else if number.fract() == 0.0 {
        format!("{number}")
    } else {
        format!("{number:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (50.0, "50"),
            (-3.0, "-3"),
            (63.2149, "63.21"),
            (0.5, "0.50"),
            (0.0042, "0.0042"),
            (0.000_123_4, "0.00012"),
            (1_234_567.891, "1234567.89"),
            (2.5e15, "2.5e15"),
            (1e-12, "1.0e-12"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (number, text) in cases {
            assert_eq!(show(number), text);
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn confidences_are_in_full() {
        let levels = [0.95, 1.0 - (1.0 - 0.95) / 2.0, 0.9999, 1.0 - (1.0 - 0.9999) / 2.0];
        assert_eq!(levels.map(confidence), ["95 %", "97.5 %", "99.99 %", "99.995 %"]);
    }

    #[test]
    fn a_value_beside_its_limit_never_reads_as_equal_when_it_is_not() {
        assert_eq!(show_pair(63.21, 50.0), ("63.21".into(), "50".into()));
        assert_eq!(show_pair(50.001, 50.0), ("50.001".into(), "50".into()));
        assert_eq!(show_pair(0.100_000_1, 0.1), ("0.1000001".into(), "0.1000000".into()));
        assert_eq!(show_pair(0.1, 0.1), ("0.10".into(), "0.10".into()));
        let next = f64::from_bits(1.0_f64.to_bits() + 1);
        let (a, b) = show_pair(next, 1.0);
        assert_ne!(a, b);
    }
}
