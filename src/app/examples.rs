//! Values files to start from: those of `examples/`.

use serde_json::Value;

use super::error::AppError;
use super::schema;
use crate::app::resolve::from_value;
use crate::model::codec::value_from_yaml;
use crate::values::input::InputErrors;

/// Start of the line that tells an editor the schema.
const EDITOR_HINT: &str = "# yaml-language-server: $schema=";

/// Name of the schema beside a values file.
pub(crate) const SCHEMA_FILE: &str = "values.schema.json";

/// A values file with comments.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    text: &'static str,
    /// Addresses that are the user's, in order.
    addresses: &'static [&'static str],
    /// Command that runs it, before its file.
    pub(crate) command: &'static str,
    /// Flags after its file.
    pub(crate) flags: &'static str,
}

/// Builds an example from its file.
macro_rules! example {
    ($name:literal, $summary:literal, $addresses:expr, $command:literal, $flags:literal) => {
        Example {
            name: $name,
            summary: $summary,
            text: include_str!(concat!("../../examples/", $name, ".yaml")),
            addresses: &$addresses,
            command: $command,
            flags: $flags,
        }
    };
}

/// All examples, the most common one first.
pub(crate) const EXAMPLES: [Example; 7] = [
    example!("http", "load on a URL", ["http://localhost:8080/"], "iter8 run -f", " --assert slos"),
    example!("grpc", "load on a gRPC method", ["localhost:8080"], "iter8 run -f", " --assert slos"),
    example!(
        "two-versions",
        "two versions at the same time",
        ["http://localhost:8081/", "http://localhost:8082/"],
        "iter8 run -f",
        " --assert slos"
    ),
    example!(
        "confidence",
        "a load that ends as soon as its verdicts are certain",
        ["http://localhost:8080/"],
        "iter8 run -f",
        " --assert slos"
    ),
    example!("prometheus", "queries of Prometheus", ["http://localhost:9090"], "iter8 run -f", " --assert slos"),
    example!(
        "kserve",
        "rollout of an InferenceService in steps",
        ["http://sklearn-iris.models.example.com/v1/models/sklearn-iris:predict"],
        "iter8 run -f",
        ""
    ),
    example!(
        "cronjob",
        "a check in a cluster every ten minutes",
        ["http://shop.default.svc/"],
        "iter8 k launch -f",
        ""
    ),
];

/// Finds an example by its name.
pub(crate) fn example(name: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.name == name)
}

impl Example {
    /// Returns the text with these addresses in place of those of the example.
    pub(crate) fn with_addresses(&self, addresses: &[String]) -> Result<String, AppError> {
        if addresses.len() > self.addresses.len() {
            let message = format!(
                "--url: given {} times, but `{}` takes at most {}",
                addresses.len(),
                self.name,
                self.addresses.len()
            );
            return Err(AppError::input(message));
        }
        let lines = self.text.lines().map(|line| {
            if line.starts_with(EDITOR_HINT) {
                return format!("{EDITOR_HINT}{SCHEMA_FILE}\n");
            }
            let pairs = self.addresses.iter().zip(addresses);
            let is_value = |old: &str| line.ends_with(&format!(": {old}"));
            match pairs.into_iter().find(|(old, _)| is_value(old)) {
                Some((old, new)) => format!("{}{}\n", line.trim_end_matches(old), scalar(new)),
                None => format!("{line}\n"),
            }
        });
        let text: String = lines.collect();
        let values =
            value_from_yaml(&text).map_err(|error| AppError::input("the values are not valid").caused_by(error))?;
        from_value(&values).map_err(|errors: InputErrors| AppError::in_values(errors))?;
        Ok(text)
    }
}

/// Returns true if the text is a schema of values, of any version.
pub(crate) fn is_values_schema(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|schema| schema.get("title") == Some(&schema::VALUES_TITLE.into()))
}

/// Writes a string in YAML, quoted if it needs to be.
fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=?+~%".contains(c);
    let has_space_after_colon = text.ends_with(':');
    match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(|c| is_plain(c) || c == ':') {
        true if !has_space_after_colon => text.to_owned(),
        _ => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_replaced_and_quoted_if_necessary() {
        let with = |name: &str, addresses: &[&str]| {
            let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
            example(name).unwrap().with_addresses(&addresses).map_err(|error| error.causes.concat() + &error.message)
        };
        assert!(with("http", &["http://shop:1/a?b=c"]).unwrap().contains("  url: http://shop:1/a?b=c\n"));
        assert!(with("http", &["http://shop/#{a}"]).unwrap().contains("  url: \"http://shop/#{a}\"\n"));
        assert!(with("grpc", &["shop:9000"]).unwrap().contains("  host: shop:9000\n"));
        let two = with("two-versions", &["http://a/", "http://b/"]).unwrap();
        assert!(two.contains("url: http://a/\n") && two.contains("url: http://b/\n"), "{two}");
        assert!(with("http", &["http://a", "http://b"]).unwrap_err().contains("given 2 times"));
        assert!(with("http", &["ftp://a"]).unwrap_err().contains("scheme"));
    }

    #[test]
    fn every_address_of_an_example_is_in_its_file() {
        for example in &EXAMPLES {
            for address in example.addresses {
                let count = example.text.lines().filter(|line| line.ends_with(&format!(": {address}"))).count();
                assert_eq!(count, 1, "{address} in {}", example.name);
            }
        }
    }
}
