//! Reads arbitrary YAML as a value and as an experiment: what is read survives being written and read again.
#![no_main]

use iter8::model::codec::{experiment_from_yaml, to_yaml, value_from_yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(value) = value_from_yaml(text) {
        let written = to_yaml(&value).expect("a JSON value can be written as YAML");
        let again = value_from_yaml(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(again, value, "{written}");
    }
    if let Ok(experiment) = experiment_from_yaml(text) {
        let written = to_yaml(&experiment).expect("an experiment can be written as YAML");
        experiment_from_yaml(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    }
});
