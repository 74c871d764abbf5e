//! Sources of values, and their precedence.

use helm_yaml::{Document, DuplicateKey};
use serde_json::{Map, Value};

use super::input::{InputError, InputErrors};
use super::origin::Origin;
use super::origins::Origins;
use super::set::{Kind, set};
use crate::model::codec;
use crate::model::text::truncate;
use crate::redact::{REDACTED, is_secret_path, redact_text};

/// Maximum length of a flag's text or of a key in a message, in characters.
const MAX_EXCERPT: usize = 80;

/// Maximum number of warnings about one file.
const MAX_WARNINGS: usize = 10;

/// Merged values, with the origin of each.
#[derive(Clone, Debug)]
pub struct Values {
    /// The merged map.
    pub value: Value,
    /// Files and flags that set its fields.
    pub origins: Origins,
    /// Warnings about what the sources say twice.
    pub warnings: Vec<String>,
}

/// Values of one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `-f`: a YAML 1.1 file.
    File {
        /// Name of the file, for messages.
        name: String,
        /// Content of the file.
        text: String,
    },
    /// `--set-json`: `path=JSON,…`.
    SetJson(String),
    /// `--set`: `path=value,…`; booleans, decimal integers and `null` are typed.
    Set(String),
    /// `--set-string`: `path=value,…`; every value is a string.
    SetString(String),
    /// `--set-file`: `path=file,…`; the values are the contents of the files.
    SetFile {
        /// List of `path=file`.
        text: String,
    },
    /// A flag or an argument of the command itself that stands for values: `path=JSON,…`.
    Argument(String),
    /// A flag or an argument of `run` that stands for values.
    Short {
        /// Its name, for messages.
        flag: &'static str,
        /// The values.
        values: Map<String, Value>,
    },
}

impl Source {
    /// Precedence: higher ranks override lower ones.
    fn rank(&self) -> u8 {
        match self {
            Self::File { .. } => 0,
            Self::SetJson(_) => 1,
            Self::Set(_) => 2,
            Self::SetString(_) => 3,
            Self::SetFile { .. } => 4,
            Self::Argument(_) | Self::Short { .. } => 5,
        }
    }
}

/// Merges the sources as Helm does: files in their order, then all `--set-json`, all `--set`, all `--set-string`, all `--set-file`, and the
/// command's own flags.
/// Maps merge deeply; everything else is replaced, also by `null`.
///
/// `read_file` reads a file that `--set-file` names. Errors name the flag, its text without secrets, and the mistake. The result is
/// always a map.
pub fn merge(sources: &[Source], read_file: &dyn Fn(&str) -> Result<String, String>) -> Result<Values, InputErrors> {
    let mut values = Map::new();
    let (mut origins, mut errors, mut warnings) = (Origins::default(), Vec::new(), Vec::new());
    let mut ordered: Vec<&Source> = sources.iter().collect();
    ordered.sort_by_key(|source| source.rank());
    for source in ordered {
        let (flag, text, kind) = match source {
            Source::File { name, text } => {
                match file(name, text, &mut origins, &mut warnings) {
                    Ok(map) => overlay(&mut values, map),
                    Err(error) => errors.push(error),
                }
                continue;
            }
            Source::Short { flag, values: map } => {
                origins.push_flag(flag, Value::Object(map.clone()));
                overlay(&mut values, map.clone());
                continue;
            }
            Source::SetJson(text) | Source::Argument(text) => ("--set-json", text, Kind::Json),
            Source::Set(text) => ("--set", text, Kind::Typed),
            Source::SetString(text) => ("--set-string", text, Kind::Text),
            Source::SetFile { text } => ("--set-file", text, Kind::File(read_file)),
        };
        match set(&mut values, text, kind) {
            Ok(()) => origins.push_flag(flag, fields(text, kind)),
            Err(message) => {
                let origin = Origin::Flag(format!("{flag} \"{}\"", redacted(text)));
                let error = InputError::of_source(origin, redact_text(&message));
                let is_map = flag == "--set-json" && text.trim_start().starts_with('{');
                errors.push(if is_map { error.with_hint("write KEY=JSON for each top-level key") } else { error });
            }
        }
    }
    InputErrors::check(errors, Values { value: Value::Object(values), origins, warnings })
}

/// Removes map entries that are `null`: in values, `null` means "not set", so that a flag can unset what a file sets. Lists keep their
/// length.
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

/// Returns the fields that a flag sets, for their origin.
fn fields(text: &str, kind: Kind<'_>) -> Value {
    let mut fields = Map::new();
    let kind = if matches!(kind, Kind::Json) { Kind::Json } else { Kind::Text };
    // Cannot fail: the same text was set before.
    let _ = set(&mut fields, text, kind);
    Value::Object(fields)
}

/// Reads the map in a values file; an empty file is an empty map.
fn file(
    name: &str,
    text: &str,
    origins: &mut Origins,
    warnings: &mut Vec<String>,
) -> Result<Map<String, Value>, InputError> {
    let invalid = |message| InputError::of_source(Origin::File { name: name.to_owned(), line: None }, message);
    let Document { value, lines, duplicates } =
        helm_yaml::document_from_yaml(text).map_err(|error| invalid(error.to_string()))?;
    warnings.extend(duplicates.iter().take(MAX_WARNINGS).map(|duplicate| {
        let DuplicateKey { key, first, line } = duplicate;
        let origin = Origin::File { name: name.to_owned(), line: Some(*line) };
        let key = truncate(&redact_text(key), MAX_EXCERPT);
        format!("{origin}: duplicate key `{key}`: the value on line {first} has no effect")
    }));
    origins.push_file(name, lines);
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        other => Err(invalid(format!("expected a map of values, found {}", codec::kind(&other)))),
    }
}

/// Merges `over` into `base`, map by map; lists and scalars are replaced.
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

/// Redacts and truncates the text of a flag. The end of a secret in a malformed text is unknown, so that nothing after one is shown.
fn redacted(text: &str) -> String {
    let end = secret_at(text);
    let text = match end {
        Some(at) => format!("{}{REDACTED}", redact_text(&text[..at])),
        None => redact_text(text),
    };
    truncate(&text, MAX_EXCERPT)
}

/// Start of the first value that is a secret.
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
    use crate::model::path::FieldPath;
    use serde_json::json;

    #[test]
    fn duplicate_keys_of_a_file_are_warnings_and_the_last_one_applies() {
        let text = "assess:\n  SLOs:\n    upper:\n      http/error-count: 0\n      http/error-count: 100\n".to_owned();
        let merged = merge(&[Source::File { name: "values.yaml".into(), text }], &no_files).unwrap();
        assert_eq!(merged.value["assess"]["SLOs"]["upper"]["http/error-count"], json!(100));
        let expected = "values.yaml:5: duplicate key `http/error-count`: the value on line 4 has no effect";
        assert_eq!(merged.warnings, [expected]);
    }

    fn no_files(_: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }

    fn error_of(source: Source) -> InputError {
        merge(&[source], &no_files).unwrap_err().into_vec().remove(0)
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
        let values = merge(&sources, &|path| Ok(format!("content of {path}"))).unwrap().value;
        assert_eq!(values, json!({"a": "content of f", "b": "1", "c": 2, "d": 3, "e": 4}));
    }

    #[test]
    fn an_error_names_the_flag_and_its_text() {
        let error = error_of(Source::Set("a[0=1".to_owned()));
        assert_eq!(error.to_string(), r#"--set "a[0=1": `[` at `a` has no closing `]`"#);
        let error = error_of(Source::SetFile { text: "a=gone".to_owned() });
        assert_eq!(error.to_string(), r#"--set-file "a=gone": cannot read `gone`: no such file"#);
        let error = error_of(Source::SetJson(r#"{"a": 1}"#.to_owned()));
        assert_eq!(error.hint.as_deref(), Some("write KEY=JSON for each top-level key"));
        let error = error_of(Source::SetString(format!("{}[", "ü".repeat(500))));
        assert!(error.origin.unwrap().to_string().chars().count() < 120);
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
            "--set \"a=1,http.headers.Authorization=[hidden]\": the text after the comma in the value of \
             `http.headers.Authorization` cannot be parsed; write `\\,` for a comma in a value"
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
    fn all_mistakes_are_reported_at_once() {
        let sources = [
            Source::Set("a[0=1".to_owned()),
            Source::File { name: "v.yaml".to_owned(), text: "- 1".to_owned() },
            Source::Set("b".to_owned()),
        ];
        let errors = merge(&sources, &no_files).unwrap_err().to_string();
        let expected = "v.yaml: expected a map of values, found a list; --set \"a[0=1\": `[` at `a` has no closing `]`; \
                        --set \"b\": no value for `b`; write `b=VALUE`";
        assert_eq!(errors, expected);
    }

    #[test]
    fn the_origin_of_a_field_is_the_last_source_that_sets_it() {
        let file = |name: &str, text: &str| Source::File { name: name.to_owned(), text: text.to_owned() };
        let sources = [
            file("a.yaml", "http:\n  url: x\n  endpoints:\n    v1.2: {qps: 1}\n"),
            file("b.yaml", "# comment\nhttp:\n  qps: 1\n"),
            Source::Set("http.url=y,assess.SLOs.upper.a/b=1,list[1].x=2".to_owned()),
        ];
        let values = merge(&sources, &no_files).unwrap();
        let origin = |path: FieldPath| values.origins.with_origin(InputError::new(path, "wrong")).to_string();
        assert_eq!(origin("http.url".into()), "--set: http.url: wrong");
        assert_eq!(origin("http.qps".into()), "b.yaml:3: http.qps: wrong");
        assert_eq!(
            origin(FieldPath::from("http.endpoints").key("v1.2").key("qps")),
            "a.yaml:4: http.endpoints.v1.2.qps: wrong"
        );
        assert_eq!(origin("http.endpoints.v1.2.qps".into()), "a.yaml:4: http.endpoints.v1.2.qps: wrong");
        // A missing field is at the nearest field around it.
        assert_eq!(origin("http.endpoints.v1.2.url".into()), "a.yaml:4: http.endpoints.v1.2.url: wrong");
        assert_eq!(origin("list[1].y".into()), "--set: list[1].y: wrong");
        assert_eq!(origin("grpc.url".into()), "grpc.url: wrong");
        let flags = merge(&[Source::Set("http.url=y".to_owned())], &no_files).unwrap();
        assert_eq!(flags.origins.with_origin(InputError::new("http.url", "wrong")).to_string(), "http.url: wrong");
    }

    #[test]
    fn mistakes_are_sorted_by_source_and_line() {
        let text = "b:\n  x: 1\na: 1\n".to_owned();
        let sources = [Source::Set("c=1".to_owned()), Source::File { name: "v.yaml".to_owned(), text }];
        let values = merge(&sources, &no_files).unwrap();
        let errors = ["d", "c", "a", "b.x"].map(|path| InputError::new(path, "wrong")).to_vec();
        let errors = InputErrors::check(errors, ()).unwrap_err();
        let sorted = values.origins.locate(errors).to_string();
        assert_eq!(sorted, "v.yaml:2: b.x: wrong; v.yaml:3: a: wrong; --set: c: wrong; d: wrong");
    }

    #[test]
    fn readers_of_values_see_no_nulls() {
        let values = json!({"a": null, "b": {"c": null, "d": [null, {"e": null}]}});
        assert_eq!(without_nulls(values), json!({"b": {"d": [null, {}]}}));
    }
}
