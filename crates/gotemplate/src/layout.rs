//! Go's time layouts, which show how the reference time `Mon Jan 2 15:04:05 MST 2006` would be written. All times are in UTC.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Maximum digits of fractional seconds.
const FRACTION: usize = 9;

/// A placeholder of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Month { is_long: bool },
    MonthNumber { width: usize },
    Weekday { is_long: bool },
    Day { width: usize, pad: char },
    DayOfYear { pad: char },
    Hour { width: usize },
    Hour12 { width: usize },
    Minute { width: usize },
    Second { width: usize },
    Year { width: usize },
    HalfOfDay { is_upper: bool },
    ZoneName,
    Offset { has_z: bool, has_colon: bool, has_minutes: bool, has_seconds: bool },
    Fraction { digits: usize, is_fixed: bool },
}

/// Placeholders by spelling. If one is a prefix of another, the longer one comes first.
const PARTS: &[(&str, Part)] = &[
    ("January", Part::Month { is_long: true }),
    ("Jan", Part::Month { is_long: false }),
    ("Monday", Part::Weekday { is_long: true }),
    ("Mon", Part::Weekday { is_long: false }),
    ("MST", Part::ZoneName),
    ("2006", Part::Year { width: 4 }),
    ("__2", Part::DayOfYear { pad: ' ' }),
    ("_2", Part::Day { width: 2, pad: ' ' }),
    ("002", Part::DayOfYear { pad: '0' }),
    ("01", Part::MonthNumber { width: 2 }),
    ("02", Part::Day { width: 2, pad: '0' }),
    ("03", Part::Hour12 { width: 2 }),
    ("04", Part::Minute { width: 2 }),
    ("05", Part::Second { width: 2 }),
    ("06", Part::Year { width: 2 }),
    ("15", Part::Hour { width: 2 }),
    ("1", Part::MonthNumber { width: 1 }),
    ("2", Part::Day { width: 1, pad: '0' }),
    ("3", Part::Hour12 { width: 1 }),
    ("4", Part::Minute { width: 1 }),
    ("5", Part::Second { width: 1 }),
    ("PM", Part::HalfOfDay { is_upper: true }),
    ("pm", Part::HalfOfDay { is_upper: false }),
    ("-07:00:00", offset(false, true, true, true)),
    ("-070000", offset(false, false, true, true)),
    ("-07:00", offset(false, true, true, false)),
    ("-0700", offset(false, false, true, false)),
    ("-07", offset(false, false, false, false)),
    ("Z07:00:00", offset(true, true, true, true)),
    ("Z070000", offset(true, false, true, true)),
    ("Z07:00", offset(true, true, true, false)),
    ("Z0700", offset(true, false, true, false)),
    ("Z07", offset(true, false, false, false)),
];

const fn offset(has_z: bool, has_colon: bool, has_minutes: bool, has_seconds: bool) -> Part {
    Part::Offset { has_z, has_colon, has_minutes, has_seconds }
}

/// Returns the placeholder at the start of a layout, with its length in bytes.
fn part(layout: &str) -> Option<(Part, usize)> {
    if let Some(after) = layout.strip_prefix(['.', ',']) {
        let digit = after.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
        let digits = after.len() - after.trim_start_matches(digit).len();
        let is_last = !after[digits..].starts_with(|c: char| c.is_ascii_digit());
        return (is_last && digits <= FRACTION)
            .then_some((Part::Fraction { digits, is_fixed: digit == '0' }, 1 + digits));
    }
    // `_2006` is an underscore and a year.
    if layout.starts_with("_2006") {
        return None;
    }
    let (name, part) = PARTS.iter().find(|(name, _)| layout.starts_with(name))?;
    // `Jan` and `Mon` inside longer words, such as `Month`, are literal.
    let is_word = matches!(*name, "Jan" | "Mon") && layout[name.len()..].starts_with(|c: char| c.is_ascii_lowercase());
    (!is_word).then_some((*part, name.len()))
}

/// Splits a layout into placeholders and literal text.
fn parts(layout: &str) -> Vec<Result<Part, &str>> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(c) = layout[at..].chars().next() {
        match part(&layout[at..]) {
            Some((part, length)) => {
                if from < at {
                    parts.push(Err(&layout[from..at]));
                }
                parts.push(Ok(part));
                at += length;
                from = at;
            }
            None => at += c.len_utf8(),
        }
    }
    if from < at {
        parts.push(Err(&layout[from..]));
    }
    parts
}

/// Formats a time.
pub fn format(time: DateTime<Utc>, layout: &str) -> String {
    let mut out = String::new();
    for part in parts(layout) {
        match part {
            Ok(part) => format_part(time, part, &mut out),
            Err(text) => out.push_str(text),
        }
    }
    out
}

fn format_part(time: DateTime<Utc>, part: Part, out: &mut String) {
    let name = |names: &[&'static str], at: u32, is_long: bool| {
        let name = names.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or_default();
        if is_long { name } else { name.get(..3).unwrap_or(name) }
    };
    let padded = |number: u32, width: usize, pad: char| {
        let number = number.to_string();
        format!("{}{number}", pad.to_string().repeat(width.saturating_sub(number.len())))
    };
    let text = match part {
        Part::Month { is_long } => name(&MONTHS, time.month0(), is_long).to_owned(),
        Part::Weekday { is_long } => name(&DAYS, time.weekday().num_days_from_monday(), is_long).to_owned(),
        Part::MonthNumber { width } => padded(time.month(), width, '0'),
        Part::Day { width, pad } => padded(time.day(), width, pad),
        Part::DayOfYear { pad } => padded(time.ordinal(), 3, pad),
        Part::Hour { width } => padded(time.hour(), width, '0'),
        Part::Hour12 { width } => padded(time.hour12().1, width, '0'),
        Part::Minute { width } => padded(time.minute(), width, '0'),
        Part::Second { width } => padded(time.second(), width, '0'),
        Part::Year { width: 4 } => format!("{:04}", time.year()),
        Part::Year { .. } => format!("{:02}", time.year().rem_euclid(100)),
        Part::HalfOfDay { is_upper } => match (time.hour12().0, is_upper) {
            (true, true) => "PM".to_owned(),
            (true, false) => "pm".to_owned(),
            (false, true) => "AM".to_owned(),
            (false, false) => "am".to_owned(),
        },
        Part::ZoneName => "UTC".to_owned(),
        Part::Offset { has_z: true, .. } => "Z".to_owned(),
        Part::Offset { has_colon, has_minutes, has_seconds, .. } => {
            let colon = if has_colon { ":" } else { "" };
            let minutes = if has_minutes { format!("{colon}00") } else { String::new() };
            let seconds = if has_seconds { format!("{colon}00") } else { String::new() };
            format!("+00{minutes}{seconds}")
        }
        Part::Fraction { digits, is_fixed } => {
            let nanos = format!("{:09}", time.nanosecond().min(999_999_999));
            let fraction = nanos.get(..digits).unwrap_or(&nanos);
            let fraction = if is_fixed { fraction } else { fraction.trim_end_matches('0') };
            if fraction.is_empty() { String::new() } else { format!(".{fraction}") }
        }
    };
    out.push_str(&text);
}

/// Components of a time that have been parsed.
#[derive(Default)]
struct Read {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    is_afternoon: Option<bool>,
    east: i64,
}

/// Parses a time; without a zone it is in UTC.
pub fn parse(layout: &str, text: &str) -> Option<DateTime<Utc>> {
    let mut read = Read::default();
    let mut rest = text;
    let parts = parts(layout);
    for (at, part) in parts.iter().enumerate() {
        match part {
            Ok(part) => {
                rest = parse_part(*part, rest, &mut read)?;
                let has_fraction = matches!(parts.get(at + 1), Some(Ok(Part::Fraction { .. })));
                // Fractional seconds are accepted even if the layout has none.
                if matches!(part, Part::Second { .. }) && !has_fraction && rest.starts_with(['.', ',']) {
                    rest = fraction(rest, &mut read)?;
                }
            }
            Err(text) => rest = rest.strip_prefix(text)?,
        }
    }
    if rest.is_empty() { read.finish() } else { None }
}

fn parse_part<'t>(part: Part, text: &'t str, read: &mut Read) -> Option<&'t str> {
    let (min, max) = match part {
        Part::Month { .. } | Part::Weekday { .. } => {
            let names: &[&str] = if matches!(part, Part::Month { .. }) { &MONTHS } else { &DAYS };
            let is_long = matches!(part, Part::Month { is_long: true } | Part::Weekday { is_long: true });
            let names = names.iter().map(|name| if is_long { name } else { name.get(..3).unwrap_or(name) });
            let matches = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
            let (at, name) = (1_u32..).zip(names).find(|(_, name)| matches(name))?;
            if matches!(part, Part::Month { .. }) {
                read.month = Some(at);
            }
            return text.get(name.len()..);
        }
        Part::HalfOfDay { .. } => {
            let half = text.get(..2)?;
            read.is_afternoon = Some(match half {
                "PM" | "pm" => true,
                "AM" | "am" => false,
                _ => return None,
            });
            return text.get(2..);
        }
        Part::ZoneName => return text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")),
        Part::Offset { .. } => return zone(part, text, read),
        Part::Fraction { .. } => {
            return if text.starts_with(['.', ',']) { fraction(text, read) } else { Some(text) };
        }
        Part::Year { width } => (width, width),
        Part::DayOfYear { .. } => (3, 3),
        Part::MonthNumber { width } | Part::Hour { width } | Part::Hour12 { width } => (width, 2),
        Part::Minute { width } | Part::Second { width } | Part::Day { width, pad: '0' } => (width, 2),
        Part::Day { .. } => (1, 2),
    };
    let is_padded = matches!(part, Part::Day { pad: ' ', .. } | Part::DayOfYear { pad: ' ' });
    let text = if is_padded { text.trim_start_matches(' ') } else { text };
    let digits = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if digits < min.min(if is_padded { 1 } else { min }) || digits == 0 {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    let number: u32 = number.parse().ok()?;
    match part {
        Part::Year { width: 4 } => read.year = i32::try_from(number).ok(),
        Part::Year { .. } => read.year = i32::try_from(if number >= 69 { 1900 + number } else { 2000 + number }).ok(),
        Part::MonthNumber { .. } => read.month = Some(number),
        Part::Day { .. } => read.day = Some(number),
        Part::DayOfYear { .. } => read.day_of_year = Some(number),
        Part::Hour { .. } | Part::Hour12 { .. } => read.hour = number,
        Part::Minute { .. } => read.minute = number,
        _ => read.second = number,
    }
    Some(rest)
}

fn fraction<'t>(text: &'t str, read: &mut Read) -> Option<&'t str> {
    let after = text.get(1..)?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let (digits, rest) = after.split_at(digits);
    let nanos: String = digits.chars().chain(std::iter::repeat('0')).take(FRACTION).collect();
    read.nanos = nanos.parse().ok()?;
    Some(rest)
}

fn zone<'t>(part: Part, text: &'t str, read: &mut Read) -> Option<&'t str> {
    let Part::Offset { has_z, has_colon, has_minutes, has_seconds } = part else { return None };
    if has_z && let Some(rest) = text.strip_prefix('Z') {
        return Some(rest);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let mut rest = text.get(1..)?;
    let mut seconds = 0;
    for (at, is_there) in [true, has_minutes, has_seconds].into_iter().enumerate() {
        if !is_there {
            break;
        }
        if at > 0 && has_colon {
            rest = rest.strip_prefix(':')?;
        }
        let number: i64 = rest.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        seconds += number * [3600, 60, 1][at];
        rest = rest.get(2..)?;
    }
    read.east = sign * seconds;
    Some(rest)
}

impl Read {
    fn finish(self) -> Option<DateTime<Utc>> {
        let hour = match self.is_afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let year = self.year.unwrap_or(0);
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, day)?,
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        let time = NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nanos)?;
        let east = TimeDelta::try_seconds(self.east)?;
        Some(NaiveDateTime::new(date, time).checked_sub_signed(east)?.and_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_formatted_by_layout() {
        let at = time("2024-03-05T14:07:09.120Z");
        for (layout, expected) in [
            ("2006-01-02T15:04:05Z07:00", "2024-03-05T14:07:09Z"),
            ("Mon Jan _2 15:04:05 MST 2006", "Tue Mar  5 14:07:09 UTC 2024"),
            ("Monday, January 2, 06 3:04:05.000 PM -0700", "Tuesday, March 5, 24 2:07:09.120 PM +0000"),
            ("002 1/2 03:4:5.999 pm -07:00 -07", "065 3/5 02:7:9.12 pm +00:00 +00"),
            ("plain Month", "plain Month"),
        ] {
            assert_eq!(format(at, layout), expected, "{layout}");
        }
    }

    #[test]
    fn times_are_parsed_by_layout() {
        for (layout, text, expected) in [
            ("2006-01-02", "2024-03-05", "2024-03-05T00:00:00Z"),
            ("2006-01-02T15:04:05Z07:00", "2024-03-05T14:07:09+02:00", "2024-03-05T12:07:09Z"),
            ("2006-01-02T15:04:05Z07:00", "2024-03-05T14:07:09.5Z", "2024-03-05T14:07:09.500Z"),
            ("Jan _2 2006 3:04PM", "Mar  5 2024 2:07PM", "2024-03-05T14:07:00Z"),
            ("2006 002", "2024 065", "2024-03-05T00:00:00Z"),
        ] {
            assert_eq!(parse(layout, text), Some(time(expected)), "{layout}");
        }
        for (layout, text) in
            [("2006-01-02", "2024-13-05"), ("2006", "24"), ("15:04", "9:5"), ("2006", "2024x"), ("Jan", "é")]
        {
            assert_eq!(parse(layout, text), None, "{layout} {text}");
        }
    }
}
