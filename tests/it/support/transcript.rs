//! Snapshots of the program's output: one file per test with the calls that the test adds, in their order.
//!
//! A test opens its transcript with `let _transcript = transcript!();` and adds calls with [`CliOutput::snapshot`]. When the test ends, the
//! transcript is compared with `tests/it/snapshots/<module>/<test>.snap`. After a change of wording, run the tests with
//! `INSTA_UPDATE=always` and review the difference in Git. With `CI` set, a snapshot that is missing or differs is never written.

use std::cell::RefCell;
use std::fmt::Write;

use super::cli_case::CliOutput;

thread_local! {
    static OPEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Patterns of what differs from run to run, and what replaces it.
const UNSTABLE: [(&str, &str); 16] = [
    (r"(127\.0\.0\.1|localhost|\[::1\])([:-])\d{5}\b", "$1${2}PORT"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "TIME"),
    (r"\b(time|start|end)=\d{10}(\.\d+)?", "$1=TIME"),
    (r"(?m)^(\[\d+/\d+\] \S+: \w+) \([\dhmµns.]+\)$", "$1 (DURATION)"),
    (
        r"\d+(/\d+)? sent, [\d.]+/s, (\d+ errors), p50 [\d.]+ ms, p99 [\d.]+ ms",
        "N$1 sent, RATE/s, $2, p50 LATENCY, p99 LATENCY",
    ),
    // A rejected connection is seen before or after the request was sent.
    (
        r"client error \((SendRequest|Canceled)\): (operation was canceled: )?connection error",
        "client error (SENT OR NOT): connection error",
    ),
    // Times have up to nine decimals, so what follows them moves.
    (r"at line 1 column \d{3,}", "at line 1 column N"),
    (r"clock is \d+ s (ahead|behind)", "clock is N s $1"),
    (r"\b\d+ (ms|s) in the future", "N $1 in the future"),
    // The column is wider than its content.
    (r"  \d+[smhd] ago *", "  AGO  "),
    (r"(?m)(-predictor-\d{5}) +\d+[smh]$", "$1  AGE"),
    (r"\btest-\d{4}\b", "NAMESPACE"),
    (r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", "UID"),
    (r"(pod/\S+-job)-(\d+-)?[a-z0-9]{5}\b", "$1-RANDOM"),
    (r"/\.iter8-\w{6}\.tmp", "/.iter8-RANDOM.tmp"),
    (r"/tmp/\.tmp\w{6}", "TMP"),
];

/// Opens the transcript of the surrounding test.
macro_rules! transcript {
    () => {{
        fn here() {}
        $crate::support::transcript::Transcript::open(std::any::type_name_of_val(&here))
    }};
}
pub(crate) use transcript;

/// The open transcript of a test. Dropping it compares it with its snapshot.
#[must_use]
pub struct Transcript {
    module: String,
    test: String,
}

impl Transcript {
    /// Opens the transcript of the test that holds the item `path`: `it::module::test::here`.
    pub fn open(path: &str) -> Self {
        let test = path.trim_end_matches("::here").trim_end_matches("::{{closure}}");
        let (module, test) = test.split_once("::").and_then(|(_, inner)| inner.rsplit_once("::")).unwrap();
        OPEN.with_borrow_mut(|open| assert!(open.replace(String::new()).is_none(), "two transcripts in one test"));
        Self { module: module.replace("::", "/"), test: test.to_owned() }
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        let text = OPEN.take().unwrap_or_default();
        // A test that fails has no complete transcript.
        if std::thread::panicking() {
            return;
        }
        assert!(!text.is_empty(), "the transcript of {} has no call", self.test);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(format!("../snapshots/{}", self.module));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_filters(UNSTABLE);
        settings.bind(|| insta::assert_snapshot!(self.test.as_str(), text));
    }
}

/// Adds a call to the transcript that is open on this thread.
#[track_caller]
pub fn add(result: &CliOutput) {
    OPEN.with_borrow_mut(|open| {
        let text = open.as_mut().expect("NO TRANSCRIPT: this test needs `let _transcript = transcript!();`");
        if !text.is_empty() {
            text.push('\n');
        }
        let command: Vec<_> = result.command.iter().map(|word| quoted(word)).collect();
        let code = result.code.map_or("none".to_owned(), |code| code.to_string());
        writeln!(text, "$ {}\nexit code: {code}", command.join(" ")).unwrap();
        for (name, output) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
            if !output.is_empty() {
                writeln!(text, "--- {name}\n{}", output.trim_end_matches('\n')).unwrap();
            }
        }
    });
}

/// An argument as it would be typed into a shell.
fn quoted(arg: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=,@%+{}[]\\".contains(character);
    if !arg.is_empty() && arg.chars().all(is_plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}
