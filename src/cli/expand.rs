//! Arguments of `run` that clap cannot tell apart by itself.
//!
//! `-q` was `--quiet` before it was the rate, as other load generators call it: `-q 100` is `--qps 100`, and `-q` without a number is `--quiet`. An
//! optional value does not swallow a URL: `--assert http://…` is `--assert` and the URL.

use std::ffi::OsString;

use clap::error::ErrorKind;

/// Conditions of `--assert` without a value.
pub(super) const ALL_CONDITIONS: &str = "completed,nofailure,slos";

/// Short flags of `run` without a value, which may stand before `-H` in one argument.
const SWITCHES: [char; 2] = ['k', 'q'];

/// Rewrites such arguments of `run`; those of other commands stay as they are. Refuses an unquoted header: its value would be a separate
/// argument, which may be a credential, and errors repeat arguments.
pub(super) fn expand(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let Some(run) = command(&arguments).filter(|at| arguments[*at] == "run" || arguments[*at] == "launch") else {
        return Ok(arguments);
    };
    if headers(&arguments[run + 1..]).iter().any(|header| has_no_value(header)) {
        let message = "a header has no value; expected `NAME: VALUE`\n\n  tip: quote it: -H 'NAME: VALUE'\n";
        return Err(clap::Error::raw(ErrorKind::InvalidValue, message));
    }
    let rest = arguments.split_off(run + 1);
    let mut rest = rest.into_iter().peekable();
    while let Some(argument) = rest.next() {
        let next = rest.peek().and_then(|next| next.to_str());
        let text = argument.to_str().unwrap_or_default();
        let attached = text.strip_prefix("-q").map(|rate| rate.trim_start_matches('='));
        if text == "--" {
            arguments.push(argument);
            break;
        } else if text == "-q" && next.is_some_and(is_rate) {
            arguments.push("--qps".into());
        } else if let Some(rate) = attached.filter(|rate| is_rate(rate)) {
            arguments.push(format!("--qps={rate}").into());
        } else if text == "--assert" && next.is_some_and(is_target) {
            arguments.push(format!("--assert={ALL_CONDITIONS}").into());
        } else {
            arguments.push(argument);
        }
    }
    arguments.extend(rest);
    Ok(arguments)
}

/// Returns true if a header is among the arguments of `run`. Without quotes, a part of its value is an argument of its own, which may be a
/// credential.
pub(super) fn has_header(arguments: &[OsString]) -> bool {
    command(arguments).is_some_and(|run| !headers(&arguments[run + 1..]).is_empty())
}

/// Finds the headers: `-H`, `-kH` and `--header`, with their text in the same argument or in the next one.
fn headers(arguments: &[OsString]) -> Vec<&str> {
    let text = |at: usize| arguments.get(at).and_then(|argument| argument.to_str()).unwrap_or_default();
    let mut found = Vec::new();
    for at in (0..arguments.len()).take_while(|at| text(*at) != "--") {
        let attached = match text(at).strip_prefix("--header") {
            Some("") => Some(""),
            Some(rest) => rest.strip_prefix('='),
            None => text(at).strip_prefix('-').and_then(|flags| flags.trim_start_matches(SWITCHES).strip_prefix('H')),
        };
        found.extend(
            attached.map(|header| if header.is_empty() { text(at + 1) } else { header.trim_start_matches('=') }),
        );
    }
    found
}

/// Returns true for `NAME:`. The value of a header may end with a colon.
fn has_no_value(header: &str) -> bool {
    header.split_once(':').is_some_and(|(name, value)| !name.is_empty() && value.trim().is_empty())
}

/// Finds the name of the command, after flags of all commands.
fn command(arguments: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(text) = arguments.get(at).and_then(|argument| argument.to_str()) {
        match text {
            "-l" | "--loglevel" => at += 2,
            flag if flag.starts_with('-') => at += 1,
            _ => return Some(at),
        }
    }
    None
}

/// Returns true for a URL, also one without a scheme, which is refused later with a hint. Conditions are words.
fn is_target(text: &str) -> bool {
    !text.starts_with('-') && text.contains([':', '/', '.'])
}

fn is_rate(text: &str) -> bool {
    text == "max" || text.parse::<f64>().is_ok_and(|rate| rate.is_finite() && rate >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from);
        expand(arguments).unwrap().iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_rate_after_q_is_the_rate_and_q_alone_is_quiet() {
        for (line, expected) in [
            ("iter8 run -q 100 http://x", "iter8 run --qps 100 http://x"),
            ("iter8 -q -l debug launch -q 0.5", "iter8 -q -l debug launch --qps 0.5"),
            ("iter8 run -q100 -q=5 -q max", "iter8 run --qps=100 --qps=5 --qps max"),
            ("iter8 run -q http://x", "iter8 run -q http://x"),
            ("iter8 run http://x -q", "iter8 run http://x -q"),
            ("iter8 run -q -n 5", "iter8 run -q -n 5"),
            ("iter8 run -- -q 5", "iter8 run -- -q 5"),
            ("iter8 k run -q 5", "iter8 k run -q 5"),
            ("iter8 report -q run -q 5", "iter8 report -q run -q 5"),
            ("iter8", "iter8"),
        ] {
            assert_eq!(expanded(line), expected);
        }
    }

    #[test]
    fn a_header_without_quotes_is_refused() {
        for line in [
            "-H Authorization: Bearer hunter2",
            "--header X-Key: hunter2",
            "-HX-Key: hunter2",
            "--header=X-Key: hunter2 http://h",
            "-kH X-Key: hunter2",
            "-qkHX-Key: hunter2",
            "-H=X-Key: hunter2",
            "-H X-Key:",
        ] {
            let arguments = format!("iter8 run {line}");
            let error = expand(arguments.split(' ').map(OsString::from)).expect_err(line).to_string();
            assert!(error.contains("quote it") && !error.contains("hunter2"), "{error}");
        }
        for line in [
            "iter8 run -H X-Key:x",
            "iter8 run -H X:y -H Z:z http://h",
            "iter8 k run -H X:",
            "iter8 run -H",
            "iter8 run -H X:a:",
        ] {
            assert!(expand(line.split(' ').map(OsString::from)).is_ok(), "{line}");
        }
        let arguments = ["iter8", "run", "-H", "X-Prefix: a:", "--", "-H", "X:"].map(OsString::from);
        assert!(expand(arguments).is_ok());
        for (line, expected) in
            [("iter8 run -kHX:y", true), ("iter8 run --header=X:y", true), ("iter8 run -dH -- -H", false)]
        {
            assert_eq!(has_header(&line.split(' ').map(OsString::from).collect::<Vec<_>>()), expected, "{line}");
        }
    }

    #[test]
    fn assert_does_not_take_a_url_as_conditions() {
        assert_eq!(
            expanded("iter8 run --assert https://x --assert slos --assert"),
            "iter8 run --assert=completed,nofailure,slos https://x --assert slos --assert"
        );
        for target in ["localhost:8080", "shop.example", "shop/path"] {
            let expected = format!("iter8 run --assert=completed,nofailure,slos {target}");
            assert_eq!(expanded(&format!("iter8 run --assert {target}")), expected);
        }
        for line in ["iter8 run --assert --dry", "iter8 run --assert slos,completed", "iter8 run --assert -f v.yaml"] {
            assert_eq!(expanded(line), line);
        }
    }
}
