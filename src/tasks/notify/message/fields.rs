//! Field names in Iter8's payload templates: those of its Go code (`.Report.NumLoops`) instead of those of documents (`numLoops`).
//!
//! The two differ only in case, so the template is rewritten before it is parsed. Its length stays the same, so positions in errors
//! remain right. A report rendered as JSON has each key once.

/// Keys of reports and documents that are spelled differently in Go.
const KEYS: &[&str] = &[
    "timeStamp",
    "completed",
    "noTaskFailures",
    "numTasks",
    "numCompletedTasks",
    "numLoops",
    "experiment",
    "spec",
    "task",
    "run",
    "with",
    "if",
    "result",
    "revision",
    "startTime",
    "failure",
    "iter8Version",
    "insights",
    "numVersions",
    "versionNames",
    "version",
    "track",
    "metricsInfo",
    "description",
    "type",
    "units",
    "nonHistMetricValues",
    "histMetricValues",
    "count",
    "upper",
    "lower",
    "metric",
    "limit",
];

/// Rewrites a Go template to the field names of documents. Keys spelled as in Go, such as in a task's `with`, are still available
/// through `index`.
pub fn as_in_documents(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (before, action) = rest.split_at(at);
        let (inside, after) = action.split_at(end_of_action(action));
        out.push_str(before);
        if is_comment(inside) {
            out.push_str(inside);
        } else {
            renamed(inside, &mut out);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn is_comment(action: &str) -> bool {
    ["{{/*", "{{- /*"].iter().any(|start| action.starts_with(start))
}

/// Returns the end of the action at the start of a text. Its strings may contain braces.
fn end_of_action(action: &str) -> usize {
    if is_comment(action) {
        return action.find("*/").map_or(action.len(), |at| at + 2);
    }
    let mut at = 2;
    while let Some(byte) = action.as_bytes().get(at) {
        at += match byte {
            b'}' if action[at..].starts_with("}}") => return at + 2,
            b'"' | b'`' | b'\'' => quoted(&action.as_bytes()[at..]),
            _ => 1,
        };
    }
    action.len()
}

/// Returns the length of the quoted string at the start of `bytes`, quotes included.
fn quoted(bytes: &[u8]) -> usize {
    let quote = bytes[0];
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote != b'`' => at += 1,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Writes an action with its fields renamed.
fn renamed(action: &str, out: &mut String) {
    let bytes = action.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (mut at, mut written) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'`' | b'\'' => at += quoted(&bytes[at..]),
            b'.' => {
                at += 1;
                let length = bytes[at..].iter().take_while(|byte| is_name(byte)).count();
                let name = &action[at..at + length];
                let is_go = name.starts_with(|c: char| c.is_ascii_uppercase());
                if is_go && let Some(key) = KEYS.iter().find(|key| key.eq_ignore_ascii_case(name)) {
                    out.push_str(&action[written..at]);
                    out.push_str(key);
                    written = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    out.push_str(&action[written..]);
}

#[cfg(test)]
mod tests {
    use super::as_in_documents;

    #[test]
    fn go_fields_are_renamed() {
        for (go, document) in [
            ("{{ .Report.Completed }}", "{{ .Report.completed }}"),
            ("{{.Report.TimeStamp}}{{$.Report.Timestamp}}", "{{.Report.timeStamp}}{{$.Report.timeStamp}}"),
            (
                "{{- with .Report.Experiment.Result.Insights -}}{{ .SLOsSatisfied.Upper }}{{ end }}",
                "{{- with .Report.experiment.result.insights -}}{{ .SLOsSatisfied.upper }}{{ end }}",
            ),
            (
                "{{ range $i, $t := .Report.Experiment.Spec }}{{ $t.Task }}",
                "{{ range $i, $t := .Report.experiment.spec }}{{ $t.task }}",
            ),
            ("{{ (index .Report.Experiment.Spec 0).If }}", "{{ (index .Report.experiment.spec 0).if }}"),
            (
                "{{ .Report.Experiment.Result.Insights.NonHistMetricValues }}",
                "{{ .Report.experiment.result.insights.nonHistMetricValues }}",
            ),
        ] {
            assert_eq!(as_in_documents(go), document);
        }
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in [
            "",
            "é .Report.Completed }} {{",
            "{{",
            "{{\"",
            "{{ '\\",
            "{{ .Report | toPrettyJson }} .Completed",
            r#"{{ index .with ".Completed" }}{{ `.Completed }} "` }}{{ '"' }}"#,
            "{{/* .Report.Completed }} */}}",
            "{{- /* .Completed",
            r#"{{ printf "\".Completed" }}"#,
            "{{ .Report.completed }}{{ .Completed2 }}{{ .Other }}{{ .SummaryMetricValues }}",
            "{{ .é.Ö }}",
        ] {
            assert_eq!(as_in_documents(text), text);
        }
        // The text after a quoted string or a comment is an action again.
        assert_eq!(as_in_documents(r#"{{/* }} */}}{{ "}}" | .Result }}"#), r#"{{/* }} */}}{{ "}}" | .result }}"#);
    }

    #[test]
    fn truncated_templates_are_unchanged() {
        let text = r#"é{{- /* é" */ -}}{{ with é.é | f ""é{{" `é"` 'é' ''' }}.é{{- .Other -}}{{"}}"}}"#;
        for (from, _) in text.char_indices() {
            for (length, _) in text[from..].char_indices() {
                let cut = &text[from..from + length];
                assert_eq!(as_in_documents(cut), cut);
            }
        }
    }

    #[test]
    fn positions_are_preserved() {
        for key in super::KEYS {
            let go = format!("{{{{ .{}{} }}}}", key[..1].to_uppercase(), &key[1..]);
            let document = as_in_documents(&go);
            assert_eq!(document, format!("{{{{ .{key} }}}}"));
        }
    }
}
