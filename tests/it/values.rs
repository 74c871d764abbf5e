//! Values against the real Helm program, over the table `testdata/values/cases.yaml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iter8::model::codec::{to_yaml, value_from_yaml};
use iter8::values::{Source, merge, without_nulls};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::tools;

/// Number of concurrent Helm processes.
const PROCESSES: usize = 4;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Case {
    name: String,
    files: Vec<String>,
    set_json: Vec<String>,
    set: Vec<String>,
    set_string: Vec<String>,
    set_file: Vec<String>,
    paths: BTreeMap<String, String>,
    defaults: Option<String>,
    differs: Option<String>,
    ours: Option<Value>,
}

impl Case {
    /// Helm's result: values, or an error.
    fn by_helm(&self, helm: &Path) -> Result<Value, String> {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("chart/Chart.yaml", "{apiVersion: v2, name: chart, version: 0.1.0}");
        write("chart/values.yaml", self.defaults.as_deref().unwrap_or_default());
        // Base64 keeps Helm from reading the values as a manifest.
        write("chart/templates/values.yaml", "v: {{ .Values | toJson | b64enc }}");
        self.paths.iter().for_each(|(name, text)| write(name, text));
        let mut command = Command::new(helm);
        command.current_dir(dir.path()).env("HOME", dir.path()).args(["template", "chart"]);
        for (index, text) in self.files.iter().enumerate() {
            let name = format!("values-{index}.yaml");
            write(&name, text);
            command.args(["-f", &name]);
        }
        let flags = [
            ("set-json", &self.set_json),
            ("set", &self.set),
            ("set-string", &self.set_string),
            ("set-file", &self.set_file),
        ];
        for (flag, texts) in flags {
            command.args(texts.iter().map(|text| format!("--{flag}={text}")));
        }
        let output = command.output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let packed = text.lines().find_map(|line| line.strip_prefix("v: ")).unwrap();
        Ok(serde_json::from_slice(&STANDARD.decode(packed.trim()).unwrap()).unwrap())
    }

    /// This program's result.
    fn by_us(&self) -> Result<Value, String> {
        let defaults = self.defaults.iter().map(|text| ("defaults".to_owned(), text));
        let files = self.files.iter().enumerate().map(|(index, text)| (format!("values-{index}.yaml"), text));
        let mut sources: Vec<Source> =
            defaults.chain(files).map(|(name, text)| Source::File { name, text: text.clone() }).collect();
        // In reverse order of precedence, because the order of sources must not matter.
        sources.extend(self.set_file.iter().map(|text| Source::SetFile { text: text.clone() }));
        sources.extend(self.set_string.iter().cloned().map(Source::SetString));
        sources.extend(self.set.iter().cloned().map(Source::Set));
        sources.extend(self.set_json.iter().cloned().map(Source::SetJson));
        let read = |path: &str| self.paths.get(path).cloned().ok_or_else(|| "no such file".to_owned());
        let values = merge(&sources, &read).map_err(|error| error.to_string())?.value;
        Ok(if self.defaults.is_some() { without_nulls(values) } else { values })
    }

    /// The difference, if any.
    fn complaint(&self, helm: &Path) -> Option<String> {
        let (ours, helms) = (self.by_us(), self.by_helm(helm));
        let same = match (&ours, &helms) {
            (Ok(ours), Ok(helms)) => ours == helms,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        let rendered = format!("{}:\n  ours {ours:?}\n  Helm {helms:?}", self.name);
        let Some(reason) = &self.differs else {
            return (!same).then_some(rendered);
        };
        let expected = self.ours.clone().unwrap();
        let as_said = if expected == "refused" { ours.is_err() } else { ours.as_ref() == Ok(&expected) };
        if same {
            return Some(format!("{}: no longer differs, though it should: {reason}", self.name));
        }
        (!as_said).then(|| format!("{rendered}\n  expected {expected}"))
    }
}

#[test]
fn values_parse_as_in_helm() {
    let Some(helm) = tools::needed("helm") else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/values/cases.yaml");
    let table = value_from_yaml(&fs::read_to_string(path).unwrap()).unwrap();
    let cases: Vec<Case> = serde_json::from_value(table).unwrap();
    assert!(cases.len() >= 80, "only {} cases", cases.len());
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..PROCESSES {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    complaints.lock().unwrap().extend(case.complaint(&helm));
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{} of {} cases:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}

/// Strings that a careless YAML writer would change.
#[rustfmt::skip]
const NASTY: &[&str] = &[
    "yes", "no", "on", "off", "y", "N", "012", "1_000", "~", "null", "1e3", "0x1F", "0o17", "0b1", "1:30", "190:20:30",
    "<<", "2001-12-14", "2001-12-14 21:59:43", "", " ", " x", "x ", "-", "- x", "?", "? x", ":", "x: y", "x:", "#",
    "x #y", "&x", "*x", "!x", "|", ">", "%x", "@x", "`x`", "'", "\"", "\\", "[", "]", "{}", ",", "=", ".", "..", "---",
    "...", "--- x", "a\nb", "a\nb\n", "\na", "a\n\n", "  a\nb", "a\n  b\n", "a\r\nb", "\ta", "a\tb", "tab\n\tb\n",
    "\u{0}", "\u{7f}", "\u{85}", "\u{a0}", "\u{2028}", "a\u{2029}b", "\u{feff}", "\u{fffe}", "😀", "ä", ".inf", "-.INF",
    ".nan", "+1", "-1", "1.", ".5", "0.5", "1__0", "-0b11", "true", "False", "nULL",
    "#!/bin/sh\nset -e\n\techo \"x: $y\" # z\n",
];

#[test]
fn written_yaml_is_read_by_helm() {
    let Some(helm) = tools::needed("helm") else { return };
    let mut map = serde_json::Map::new();
    for (index, text) in NASTY.iter().enumerate() {
        map.insert(format!("k{index}"), json!(text));
        map.insert((*text).to_owned(), json!([index, 0.5, -1, null, true, [], {}, [[text]]]));
    }
    let value = Value::Object(map);
    let case = Case { files: vec![to_yaml(&value).unwrap()], ..Case::default() };
    let read = case.by_helm(&helm).unwrap();
    for (key, value) in value.as_object().unwrap() {
        assert_eq!(read.get(key), Some(value), "key {key:?}");
    }
    assert_eq!(read, value);
}
