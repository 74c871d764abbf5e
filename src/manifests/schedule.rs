//! Schedules of CronJobs, as Kubernetes takes them: five fields, or a word such as `@hourly`.
//!
//! What the API server refuses is refused before anything is sent to it. The grammar is that of its own documentation; a test holds
//! both to a table of schedules.

/// A field: its name, its least and greatest number, the numbers between as a regular expression, and names of numbers from the least on.
struct Field {
    name: &'static str,
    least: u32,
    greatest: u32,
    digits: &'static str,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The fields in order.
const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, greatest: 59, digits: "[0-5]?[0-9]", names: &[] },
    Field { name: "hour", least: 0, greatest: 23, digits: "1?[0-9]|2[0-3]", names: &[] },
    Field { name: "day of the month", least: 1, greatest: 31, digits: "[12]?[1-9]|[123]0|31", names: &[] },
    Field { name: "month", least: 1, greatest: 12, digits: "[1-9]|1[0-2]", names: MONTHS },
    Field { name: "day of the week", least: 0, greatest: 6, digits: "[0-6]", names: DAYS },
];

/// Words that stand for a schedule.
const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Finds what is wrong with a schedule.
pub fn check(schedule: &str) -> Result<(), String> {
    if schedule.contains("TZ=") {
        return Err("a CronJob takes no time zone in its schedule".to_owned());
    }
    if let Some(interval) = schedule.strip_prefix("@every ") {
        let interval: Result<crate::model::duration::GoDuration, _> = interval.trim().parse();
        return interval.map(drop).map_err(|error| error.to_string());
    }
    if schedule.starts_with('@') {
        let known = WORDS.contains(&schedule);
        return if known { Ok(()) } else { Err(format!("expected one of {}", WORDS.join(", "))) };
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let count = fields.len();
        return Err(format!(
            "it has {count} fields; expected 5: minute, hour, day of the month, month, day of the week"
        ));
    }
    for (text, field) in fields.iter().zip(&FIELDS) {
        // As there, nothing between two commas is passed over.
        for part in text.split(',').filter(|part| !part.is_empty()) {
            check_part(part, field).map_err(|reason| format!("`{part}` is not a {}: {reason}", field.name))?;
        }
    }
    Ok(())
}

/// The same as a regular expression, but for ranges that go down: what the schema of values has. It takes a blank text too.
pub fn pattern() -> String {
    let number = |field: &Field| {
        let digits = format!(r"\+?0*({})", field.digits);
        std::iter::once(digits).chain(field.names.iter().map(|name| in_any_case(name))).collect::<Vec<_>>().join("|")
    };
    let list = |field: &Field| {
        let number = number(field);
        let part = format!(r"(\*|\?|({number})(-({number}))?)(/\+?0*[1-9][0-9]*)?");
        format!("(,*{part}(,+{part})*,*|,+)")
    };
    let words = WORDS.map(|word| word.trim_start_matches('@')).join("|");
    format!(r"^\s*(@({words})|@every .+|{})?\s*$", FIELDS.each_ref().map(list).join(r"\s+"))
}

fn in_any_case(name: &str) -> String {
    name.chars().map(|letter| format!("[{letter}{}]", letter.to_ascii_uppercase())).collect()
}

/// One element of a field's list: `*`, `5`, `1-5`, `*/10`, `1-30/5`, `3/2`.
fn check_part(part: &str, field: &Field) -> Result<(), String> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    if let Some(step) = step {
        match step.parse::<u32>() {
            Ok(1..) => {}
            _ => return Err(format!("the step `{step}` is not a whole number of 1 or more")),
        }
    }
    if range == "*" || range == "?" {
        return Ok(());
    }
    let (from, to) = match range.split_once('-') {
        Some((from, to)) => (number(from, field)?, number(to, field)?),
        None => {
            let number = number(range, field)?;
            (number, number)
        }
    };
    if from > to {
        return Err(format!("the range goes from {from} down to {to}"));
    }
    Ok(())
}

fn number(text: &str, field: &Field) -> Result<u32, String> {
    let by_name = field.names.iter().position(|name| text.eq_ignore_ascii_case(name));
    let number = match by_name {
        Some(at) => field.least + at as u32,
        None => text.parse().map_err(|_| format!("`{text}` is not a number"))?,
    };
    if (field.least..=field.greatest).contains(&number) {
        Ok(number)
    } else {
        Err(format!("expected {} to {}", field.least, field.greatest))
    }
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, check, pattern};

    const GOOD: [&str; 8] = [
        "*/1 * * * *",
        "0 12 1-15 jan-MAR mon,5",
        "1/2 ? * * SUN",
        "@hourly",
        "@every 1h30m",
        "59 23 31 12 6",
        "00-07/02,+9 * 01 * *",
        "1,,2, * * * ,",
    ];

    #[test]
    fn the_pattern_takes_what_the_check_takes() {
        let pattern = regex::Regex::new(&pattern()).unwrap();
        for good in GOOD {
            assert!(pattern.is_match(good) && pattern.is_match(&format!(" {good} ")), "{good}");
        }
        for bad in
            ["* * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * foo *", "* * * * 7", "*/0 * * * *"]
        {
            assert!(check(bad).is_err() && !pattern.is_match(bad), "{bad}");
        }
        // Every number of every field, and the next one.
        for (at, field) in FIELDS.iter().enumerate() {
            let with = |number: u32| {
                (0..5).map(|it| if it == at { number.to_string() } else { "*".into() }).collect::<Vec<_>>().join(" ")
            };
            assert!((field.least..=field.greatest).all(|number| pattern.is_match(&with(number))), "{}", field.name);
            assert!(!pattern.is_match(&with(field.greatest + 1)) && pattern.is_match(&with(0)) == (field.least == 0));
        }
        for bad in ["@fortnightly", "TZ=UTC * * * * *", "* * * * * *", "1-2-3 * * * *", "*-5 * * * *"] {
            assert!(check(bad).is_err() && !pattern.is_match(bad), "{bad}");
        }
    }

    #[test]
    fn schedules_are_told_from_what_is_none() {
        for good in GOOD {
            check(good).unwrap_or_else(|reason| panic!("{good}: {reason}"));
        }
        let told = |schedule: &str| check(schedule).unwrap_err();
        assert!(told("* * * * * *").starts_with("it has 6 fields; expected 5: minute"));
        assert_eq!(told("60 * * * *"), "`60` is not a minute: expected 0 to 59");
        assert_eq!(told("* 24 * * *"), "`24` is not a hour: expected 0 to 23");
        assert_eq!(told("* * 0 * *"), "`0` is not a day of the month: expected 1 to 31");
        assert_eq!(told("* * * foo *"), "`foo` is not a month: `foo` is not a number");
        assert_eq!(told("* * * * 7"), "`7` is not a day of the week: expected 0 to 6");
        assert_eq!(told("5-1 * * * *"), "`5-1` is not a minute: the range goes from 5 down to 1");
        assert_eq!(told("*/0 * * * *"), "`*/0` is not a minute: the step `0` is not a whole number of 1 or more");
        assert!(told("@fortnightly").starts_with("expected one of @yearly"));
        assert!(told("TZ=UTC * * * * *").contains("time zone"));
        assert!(told("").starts_with("it has 0 fields"));
    }
}
