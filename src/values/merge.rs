//! The sources of values, and the order in which they win.

use serde_json::{Map, Value};

use super::set::{Kind, set};
use crate::model::codec;
use crate::redact::{HIDDEN, is_secret_path, mask_text};
use crate::values::input::InputError;

/// Longest part of a flag's text that an error repeats, in characters.
const SHOWN: usize = 80;

/// Values given by the user, from one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `-f`: a YAML 1.1 file that was read.
    File {
        /// Name of the file, for messages.
        name: String,
        /// What is in it.
        text: String,
    },
    /// `--set-json`: `path=JSON,…`.
    SetJson(String),
    /// `--set`: `path=value,…`; booleans, decimal integers and `null` are typed.
    Set(String),
    /// `--set-string`: `path=value,…`; every value is a text.
    SetString(String),
    /// `--set-file`: `path=file,…`; the values are the contents of files.
    SetFile {
        /// The list of `path=file`.
        text: String,
    },
}

impl Source {
    /// Which sources come first, and so lose.
    fn rank(&self) -> u8 {
        match self {
            Self::File { .. } => 0,
            Self::SetJson(_) => 1,
            Self::Set(_) => 2,
            Self::SetString(_) => 3,
            Self::SetFile { .. } => 4,
        }
    }
}

/// Merges the sources as Helm does: files in their order, then all `--set-json`, all `--set`, all `--set-string`, all `--set-file`.
/// Maps merge deeply; everything else replaces what was there, `null` too.
///
/// `read_file` gives the content of a file that `--set-file` names, or the reason why there is none. Errors name the flag, its text
/// without secrets, and what is wrong with it. The result is always a map.
pub fn merge(sources: &[Source], read_file: &dyn Fn(&str) -> Result<String, String>) -> Result<Value, InputError> {
    let mut values = Map::new();
    let mut ordered: Vec<&Source> = sources.iter().collect();
    ordered.sort_by_key(|source| source.rank());
    for source in ordered {
        let (flag, text, kind) = match source {
            Source::File { name, text } => {
                overlay(&mut values, file(name, text)?);
                continue;
            }
            Source::SetJson(text) => ("--set-json", text, Kind::Json),
            Source::Set(text) => ("--set", text, Kind::Typed),
            Source::SetString(text) => ("--set-string", text, Kind::Text),
            Source::SetFile { text } => ("--set-file", text, Kind::File(read_file)),
        };
        set(&mut values, text, kind).map_err(|message| {
            let error = InputError::new(format!("{flag} \"{}\"", shown(text)), mask_text(&message));
            if flag == "--set-json" && text.trim_start().starts_with('{') {
                return error.with_hint("write KEY=JSON, one for each top-level key");
            }
            error
        })?;
    }
    Ok(Value::Object(values))
}

/// The value without the map entries that are `null`: who reads values takes `null` for "not set", which is how a user takes back
/// what a file set. Lists keep their length.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// The map in a values file; an empty file is an empty map.
fn file(name: &str, text: &str) -> Result<Map<String, Value>, InputError> {
    match codec::value_from_yaml(text).map_err(|error| InputError::new(name, error.to_string()))? {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        other => Err(InputError::new(name, format!("expected a map of values, found {}", codec::kind(&other)))),
    }
}

/// Lays `over` over `base`, map by map; lists and single values replace.
pub fn overlay(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => overlay(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// The text without secrets, cut where it is too long for a message. Where a secret ends is not sure when the text is wrong: nothing
/// after one is shown.
fn shown(text: &str) -> String {
    let end = secret_at(text);
    let text = match end {
        Some(at) => format!("{}{HIDDEN}", mask_text(&text[..at])),
        None => mask_text(text),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Where the first value of a secret starts.
fn secret_at(text: &str) -> Option<usize> {
    let mut from = 0;
    for piece in text.split_inclusive(',') {
        if let Some((path, _)) = piece.split_once('=') {
            let keys: Vec<&str> = path.split(['.', '[']).map(|key| key.trim_matches([' ', '\\', ']'])).collect();
            if is_secret_path(&keys) {
                return Some(from + path.len() + 1);
            }
        }
        from += piece.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn no_files(_: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }

    fn error_of(source: Source) -> InputError {
        merge(&[source], &no_files).unwrap_err()
    }

    #[test]
    fn the_kind_of_flag_decides_which_source_wins_not_the_order() {
        let sources = [
            Source::SetFile { text: "a=f".to_owned() },
            Source::SetString("a=1,b=1".to_owned()),
            Source::Set("a=2,b=2,c=2".to_owned()),
            Source::SetJson("a=3,b=3,c=3,d=3".to_owned()),
            Source::File { name: "v.yaml".to_owned(), text: "{a: 4, b: 4, c: 4, d: 4, e: 4}".to_owned() },
        ];
        let values = merge(&sources, &|path| Ok(format!("content of {path}"))).unwrap();
        assert_eq!(values, json!({"a": "content of f", "b": "1", "c": 2, "d": 3, "e": 4}));
    }

    #[test]
    fn an_error_names_the_flag_and_its_text() {
        let error = error_of(Source::Set("a[0=1".to_owned()));
        assert_eq!(error.to_string(), r#"--set "a[0=1": `[` at `a` has no closing `]`"#);
        let error = error_of(Source::SetFile { text: "a=gone".to_owned() });
        assert_eq!(error.to_string(), r#"--set-file "a=gone": cannot read `gone`: no such file"#);
        let error = error_of(Source::SetJson(r#"{"a": 1}"#.to_owned()));
        assert_eq!(error.hint.as_deref(), Some("write KEY=JSON, one for each top-level key"));
        let error = error_of(Source::SetString(format!("{}[", "ü".repeat(500))));
        assert!(error.path.chars().count() < 120, "{error}");
    }

    #[test]
    fn an_error_repeats_no_secret() {
        let cases = [
            Source::Set("http.headers.Authorization=Bearer SECRET123,SECRET".to_owned()),
            Source::Set("a=1,slack.url=http://h/SECRET,SECRET[x".to_owned()),
            Source::SetString("http.url=http://u:SECRET@h/,b".to_owned()),
            Source::Set("github.token={SECRET,b".to_owned()),
            Source::Set("run=curl -u a:SECRET h,b".to_owned()),
            Source::Set("http.headers[0].X-Api-Key=SECRET,b".to_owned()),
            Source::SetJson(r#"http.headers={"Authorization":"SECRET"},http.a={"password":"SECRET"#.to_owned()),
            Source::SetFile { text: "github.token=SECRET".to_owned() },
        ];
        for source in cases {
            let error = error_of(source.clone()).to_string();
            assert!(!error.contains("SECRET"), "{error}");
            assert!(error.starts_with("--set"), "{error}");
        }
        let error = error_of(Source::Set("a=1,http.headers.Authorization=Bearer SECRET123,oops".to_owned()));
        assert_eq!(
            error.to_string(),
            "--set \"a=1,http.headers.Authorization=[hidden]\": what follows the comma in the value of \
             `http.headers.Authorization` can't be read; write `\\,` for a comma in a value"
        );
        let error = error_of(Source::Set("http.endpoints.tokenize.method=POST,oops".to_owned()));
        assert!(error.to_string().contains("no value for `oops`"), "{error}");
    }

    #[test]
    fn an_error_in_a_file_names_the_file_and_the_place() {
        let error = error_of(Source::File { name: "v.yaml".to_owned(), text: "a: 1\nb: [1, 2\n".to_owned() });
        assert!(error.to_string().starts_with("v.yaml: line 2, column 4: "), "{error}");
        let error = error_of(Source::File { name: "v.yaml".to_owned(), text: "- 1".to_owned() });
        assert_eq!(error.to_string(), "v.yaml: expected a map of values, found a list");
    }

    #[test]
    fn a_null_takes_a_key_back_for_those_who_read_values() {
        let values = json!({"a": null, "b": {"c": null, "d": [null, {"e": null}]}});
        assert_eq!(without_nulls(values), json!({"b": {"d": [null, {}]}}));
    }
}
