//! Compiles arbitrary jq filters and runs them on arbitrary documents: every run ends within its bounds, and the verdict fits the value.
#![no_main]

use iter8::templates::jq::{Filter, Output, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, document) = input;
    let Ok(filter) = Filter::compile(text) else { return };
    for document in [document, br#"{"a": [1, 2.5, "x", null, {"b": true}], "n": -1}"#] {
        let verdict = filter.run(document);
        match filter.value(document) {
            Output::Nothing(_) => assert!(!matches!(verdict, Verdict::Satisfied)),
            Output::Number(..) | Output::Text(_) => assert_eq!(verdict, Verdict::Satisfied),
            Output::NotJson(_) => assert!(matches!(verdict, Verdict::NotJson(_))),
            // The verdict stops at the first true output, the value needs a second one.
            Output::Other(_) | Output::Failed(_) => {}
        }
    }
});
