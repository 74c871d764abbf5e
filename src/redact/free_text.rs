//! Secrets in free text: scripts, error messages, headers, forms.
//!
//! Everything in the position of a secret is redacted, except references: `$TOKEN`, `${TOKEN}`, `$(cat token)`.
//!
//! The text comes from outside, so the time must grow with its length only: [`LEADS`] matches what precedes a secret, its name decides,
//! and only the value of a secret is read, once. Values that may be references are short.

mod leads;
mod percent;
mod urls;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::command_line::{is_piped_password, secret_arguments, separates_password, takes_here_string, takes_password};
use super::names::{REDACTED, is_compound, is_secret, is_secret_header};
use super::references::Dollars;
use super::shapes::redact_shapes;
use super::value::{offset, string_prefix, unquoted, value_end};
use leads::LEADS;
use percent::redact_percent;
use urls::redact_url_in;
pub use urls::{redact_form, redact_url, redact_webhook};

/// Schemes before the secret in a header.
const SCHEMES: [&str; 5] = ["bearer ", "basic ", "token ", "digest ", "apikey "];
/// Longest start of a line, in bytes, that is checked for being indentation.
const MAX_INDENT: usize = 200;

/// Redacts secrets in scripts and messages: credentials in URLs, values after `Bearer`, `Authorization:`, `--token` or `curl -u NAME:`,
/// those of `TOKEN=…` and `"password": …`, and tokens with a well-known form. References such as `$TOKEN` are kept.
pub fn redact_text(text: &str) -> String {
    redacted(text, Dollars::Refer.into())
}

/// Returns what [`redact_literal`] redacts, except in URLs.
pub(crate) fn secrets_in_literal(text: &str) -> Vec<String> {
    let mut redactor = Redactor::new(text, Dollars::Literal.into());
    redactor.found = Some(Vec::new());
    redactor.run();
    redactor.found.unwrap_or_default()
}

/// Like [`redact_text`], for a value in which `$` has no special meaning.
pub fn redact_literal(text: &str) -> String {
    if let Ok(login) = LOGIN.as_ref()
        && let Some(found) = login.captures(text)
    {
        return format!("{REDACTED}@{}", &found[1]);
    }
    redacted(text, Dollars::Literal.into())
}

/// A URL without a scheme, with user and password: `user:password@host:80/path`.
static LOGIN: LazyLock<Result<Regex, regex::Error>> =
    LazyLock::new(|| Regex::new(r"^[^\s/@:]+:[^\s/@]+@([A-Za-z0-9.\[\]-]+(?::\d+)?(?:[/?#].*)?)$"));

fn redacted(text: &str, place: Place) -> String {
    Redactor::new(&redact_percent(&redact_shapes(text), place), place).run()
}

/// Context of a text.
#[derive(Clone, Copy, Debug)]
struct Place {
    dollars: Dollars,
    /// Number of times that the text around it was decoded. Bounded, so that the time stays linear.
    decoded: u8,
}

impl From<Dollars> for Place {
    fn from(dollars: Dollars) -> Self {
        Self { dollars, decoded: 0 }
    }
}

/// Start, end and replacement of a secret.
type Replacement = (usize, usize, String);

struct Redactor<'a> {
    text: &'a str,
    place: Place,
    /// Secrets that were redacted, if they are wanted.
    found: Option<Vec<String>>,
    /// Secret arguments of the last commands, in their order.
    arguments: VecDeque<Range<usize>>,
    /// Start of the line that `line_checked` is in.
    line_start: usize,
    /// Position up to which the text was searched for line ends.
    line_checked: usize,
}

impl<'a> Redactor<'a> {
    fn new(text: &'a str, place: Place) -> Self {
        Self { text, place, found: None, arguments: VecDeque::new(), line_start: 0, line_checked: 0 }
    }

    fn run(&mut self) -> String {
        let text = self.text;
        let leads = match LEADS.as_ref() {
            Ok(leads) => leads,
            Err(error) => return format!("{REDACTED} (cannot search for secrets: {error})"),
        };
        let mut redacted = String::with_capacity(text.len());
        let mut from = 0;
        loop {
            let lead = leads.captures_at(text, from);
            let end = lead.as_ref().and_then(|lead| lead.get(0)).map(|whole| whole.end());
            let argument = self.next_argument(from, end);
            let (until, next, with) = match (argument, lead, end) {
                (Some(argument), ..) => {
                    let kept = (argument.end, argument.end, String::new());
                    self.inner(argument.start, &text[argument]).unwrap_or(kept)
                }
                (None, Some(lead), Some(end)) => self.secret_after(&lead, end).unwrap_or_else(|| {
                    let next = behind(&lead).unwrap_or_else(|| {
                        // The space behind a lead may be the one before the next option.
                        let last = text[..end].char_indices().next_back().filter(|(_, c)| c.is_whitespace());
                        last.map_or(end, |(at, _)| at)
                    });
                    (next, next, String::new())
                }),
                _ => break,
            };
            redacted.push_str(&text[from..until]);
            redacted.push_str(&with);
            if let Some(found) = self.found.as_mut().filter(|_| with == REDACTED) {
                found.push(text[until..next].to_owned());
            }
            from = next;
        }
        redacted.push_str(&text[from..]);
        redacted
    }

    /// Returns the next secret argument of a command, if it is before the end of the next lead.
    fn next_argument(&mut self, from: usize, lead_end: Option<usize>) -> Option<Range<usize>> {
        while self.arguments.front().is_some_and(|argument| argument.start < from) {
            self.arguments.pop_front();
        }
        let is_before = |argument: &Range<usize>| lead_end.is_none_or(|end| argument.start < end);
        if self.arguments.front().is_some_and(is_before) { self.arguments.pop_front() } else { None }
    }

    /// Returns the replacement for the secret at `start`, behind a lead; `None` if it is not a secret.
    fn secret_after(&mut self, lead: &Captures<'_>, start: usize) -> Option<Replacement> {
        if lead.name("pem").is_some() {
            let end = self.text[start..].find("-----END").map_or(self.text.len(), |at| start + at);
            return Some((start, end, REDACTED.to_owned()));
        }
        if let Some(scheme) = lead.name("scheme") {
            return self.credential(scheme.as_str(), start);
        }
        if let Some(login) = lead.name("login") {
            return self.login(&self.text[..login.start()], start);
        }
        if let Some(command) = lead.name("command") {
            self.find_arguments(command.start(), &lead["program"], start);
            return None;
        }
        if let Some(quote) = lead.name("open") {
            return self.value(quote.start());
        }
        if lead.name("tiger").is_some() {
            return self.value(start);
        }
        if let Some(long) = lead.name("long") {
            let name = lead.name("single")?;
            // `-p` with a password that looks like the name of an option.
            let (before, short) = (&self.text[..long.start()], name.as_str().get(..1).unwrap_or_default());
            if takes_password(before, short, true) {
                return self.value(name.start() + 1);
            }
            let references = ["env:", "file:", "fd:", "stdin", "-"];
            let is_reference = references.iter().any(|prefix| self.text[start..].starts_with(prefix))
                || (name.as_str() == "pw" && !takes_password(before, "pw", false));
            return if is_reference { None } else { self.value(start) };
        }
        if lead.name("flag").is_some() {
            let is_value = is_secret(&lead["option"]) && !self.text[start..].starts_with("--");
            return if is_value { self.value(start) } else { None };
        }
        if let Some(option) = lead.name("short") {
            let (letters, is_attached) = (&lead["letters"], lead["gap"].is_empty());
            let is_password = takes_password(&self.text[..option.start()], letters, is_attached);
            let value = self.value(start).filter(|_| is_password)?;
            // `curl -b FILE`.
            let is_file = letters == "b" && !self.text[value.0..value.1].contains('=');
            return if is_file { None } else { Some(value) };
        }
        if lead.name("echo").is_some() {
            return self.piped(start);
        }
        if let Some(here) = lead.name("here") {
            return if takes_here_string(&self.text[..here.start()]) { self.value(start) } else { None };
        }
        if lead.name("set").is_some() {
            let setting = &lead["setting"];
            let name = setting.rsplit(['/', ':']).next().unwrap_or(setting);
            let is_name = is_compound(setting) || setting.contains(['/', ':', '@']);
            return if is_name && is_secret(name) { self.value(start) } else { None };
        }
        if lead.name("element").is_some() {
            let length = self.text[start..].find('<').unwrap_or(self.text.len() - start);
            return if is_secret(&lead["tag"]) { self.inner(start, &self.text[start..start + length]) } else { None };
        }
        if lead.name("literal").is_some() {
            return self.value(start);
        }
        self.pair(lead, start)
    }

    /// The arguments of a command that prints a password for another one.
    fn piped(&self, start: usize) -> Option<Replacement> {
        if !is_piped_password(&self.text[value_end(self.text, start)..]) {
            return None;
        }
        let value = self.value(start)?;
        // `printf FORMAT PASSWORD`.
        let format_end = value_end(self.text, start);
        let rest = &self.text[format_end..];
        let end = format_end + rest.find(['|', '\n']).unwrap_or_default();
        let arguments = self.text[format_end..end].trim();
        if arguments.is_empty() {
            return Some(value);
        }
        let is_format = self.text[start..format_end].contains('%');
        let start = if is_format { start + offset(&self.text[start..], arguments) } else { start };
        self.inner(start, self.text[start..end].trim_end())
    }

    /// The secret after `Bearer` or `Basic`.
    fn credential(&self, scheme: &str, start: usize) -> Option<Replacement> {
        let inner = unquoted(&self.text[start..value_end(self.text, start)]);
        // "basic authentication" is prose; base64 is not.
        let is_basic = scheme.to_ascii_lowercase().starts_with("basic");
        let is_prose = inner.len() < 6 || (is_basic && inner.chars().all(|c| c.is_ascii_lowercase()));
        if is_prose { None } else { self.value(start) }
    }

    /// `name=value`, `Header: value`, `"name": "value"`, `scheme://…`.
    fn pair(&mut self, lead: &Captures<'_>, start: usize) -> Option<Replacement> {
        let (name, is) = (lead.name("name")?, lead.name("is")?);
        let (word, is) = (name.as_str(), is.as_str());
        if is == ":" && self.text[start..].starts_with("//") {
            return self.url(name.start(), word);
        }
        let is = is.trim_end();
        if is.ends_with('=') {
            let last = word.rsplit('.').next().unwrap_or(word);
            // `==` is a comparison.
            let sets = !self.text[start..].starts_with('=');
            return if sets && is_secret(last) { self.value(start) } else { None };
        }
        // Field paths at the start of errors have dots.
        let is_option = is_header_option(&self.text[..name.start()]);
        if word.contains('.') || !(is_secret(word) || (is_option && is_secret_header(word))) {
            return None;
        }
        // A single word before a colon is prose.
        let is_header = is_option || matches!(word.to_ascii_lowercase().as_str(), "authorization" | "cookie");
        if !(is_header || is.len() > 1 || is_compound(word) || self.is_alone(name.start(), start)) {
            return None;
        }
        if is.len() > 1 || self.text[start..].starts_with(['"', '\'']) {
            return self.value(start);
        }
        let quote = self.text[..name.start()].chars().next_back().filter(|c| matches!(c, '"' | '\''));
        let word_length = value_end(self.text, start) - start;
        let (lead, end) = header_value(&self.text[start..], quote, word, word_length);
        self.inner(start + lead, &self.text[start + lead..start + end])
    }

    /// Returns true if a pair is alone in its line.
    fn is_alone(&mut self, name: usize, value: usize) -> bool {
        let indent = &self.text[self.start_of_line(name)..name];
        if indent.len() > MAX_INDENT || !indent.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'-')) {
            return false;
        }
        let after = self.text[value_end(self.text, value)..].trim_start_matches([' ', '\t', '\r']);
        after.is_empty() || after.starts_with('\n')
    }

    /// Returns the start of the line with the position `at`, which is behind that of the last call.
    fn start_of_line(&mut self, at: usize) -> usize {
        if let Some(end) = self.text[self.line_checked..at].rfind('\n') {
            self.line_start = self.line_checked + end + 1;
        }
        self.line_checked = at;
        self.line_start
    }

    /// Redacts a URL whose scheme ends the word at `start`.
    fn url(&self, start: usize, word: &str) -> Option<Replacement> {
        let scheme = word.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let start = start + word.len() - scheme.len();
        if scheme.is_empty() {
            return None;
        }
        let is_end = |c: char| c.is_whitespace() || "\"'`<>|".contains(c);
        let url = &self.text[start..];
        let url = &url[..url.find(is_end).unwrap_or(url.len())];
        let bare = url.trim_end_matches([',', ';', ':', ')', '.', '}', '\\']);
        Some((start, start + bare.len(), redact_url_in(bare, self.place)))
    }

    /// Notes the secret arguments of a command, which begin at `start`.
    fn find_arguments(&mut self, lead: usize, program: &str, start: usize) {
        // A part of another word.
        if self.text[..lead].ends_with(['-', '.', '_']) {
            return;
        }
        let last = self.arguments.back().map_or(start, |argument| argument.end);
        let secrets = secret_arguments(program, &self.text[start..]);
        let secrets = secrets.into_iter().map(|secret| start + secret.start..start + secret.end);
        // The arguments of a nested command may have been found already.
        self.arguments.extend(secrets.filter(|secret| secret.start >= last));
    }

    /// Returns the password in `NAME:PASSWORD`, as in `curl -u`, or behind another separator that the command `before` uses.
    fn login(&self, before: &str, start: usize) -> Option<Replacement> {
        let mut end = value_end(self.text, start);
        let is_used = |separator: &char| {
            self.text[start..end].contains(*separator) || (*separator == ',' && self.text[end..].starts_with(','))
        };
        let others = ['%', ','].into_iter().filter(is_used);
        let separator = others.into_iter().find(|separator| separates_password(before, *separator)).unwrap_or(':');
        if separator == ',' && self.text[end..].starts_with(',') {
            end = value_end(self.text, end + 1);
        }
        let value = &self.text[start..end];
        let inner = unquoted(value);
        let (name, password) = inner.split_once(separator)?;
        // `docker -u 1000:1000` is a user and a group.
        let is_id = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if is_id(name) && is_id(password) {
            return None;
        }
        self.inner(start + offset(value, inner) + name.len() + 1, password)
    }

    /// Redacts the value at `start` inside its quotes.
    fn value(&self, start: usize) -> Option<Replacement> {
        let start = start + string_prefix(&self.text[start..]);
        self.inner(start, &self.text[start..value_end(self.text, start)])
    }

    /// Redacts a value inside its quotes; `None` if it is a reference or a boolean.
    fn inner(&self, start: usize, value: &str) -> Option<Replacement> {
        let inner = unquoted(value);
        let start = start + offset(value, inner);
        let harmless =
            inner.is_empty() || matches!(inner, "true" | "false" | "null") || self.place.dollars.refer(inner);
        (!harmless).then(|| (start, start + inner.len(), REDACTED.to_owned()))
    }
}

/// Returns the position behind a lead that precedes no secret, where the next one may start: `-p` in `-password=X`.
fn behind(lead: &Captures<'_>) -> Option<usize> {
    let option = lead.name("short").or_else(|| lead.name("long"))?;
    option.as_str().find('-').map(|dash| option.start() + dash + 1)
}

/// Returns true if a text ends with an option that takes a header: `-H '`.
fn is_header_option(before: &str) -> bool {
    let before = before.strip_suffix(['"', '\'']).unwrap_or(before);
    let option = before.trim_end_matches([' ', '=', ',', '"', '\'']);
    option.ends_with("-H") || option.ends_with("-header")
}

/// Start and end of the secret in a header's value: without its scheme, up to the end of its quote or word, for cookies to the end of the
/// line.
fn header_value(rest: &str, quote: Option<char>, name: &str, word: usize) -> (usize, usize) {
    let is_scheme = |scheme: &&&str| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let lead = SCHEMES.iter().find(is_scheme).map_or(0, |scheme| scheme.len());
    let is_cookie = name.to_ascii_lowercase().ends_with("cookie");
    let end = match quote {
        Some(quote) => rest.find(quote),
        None if is_cookie => rest.find(['"', '\'', '\n']),
        None if lead == 0 => Some(word),
        None => rest[lead..].find(|c: char| c.is_whitespace() || "\"'`<>|;,".contains(c)).map(|at| lead + at),
    };
    (lead, end.unwrap_or(rest.len()).max(lead))
}
