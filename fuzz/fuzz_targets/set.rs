//! Merges arbitrary `--set`, `--set-string`, `--set-json`, `--set-file` flags and files: the result is a map, or an error.
#![no_main]

use iter8::values::{Source, merge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: Vec<(u8, &str)>| {
    let source = |(kind, text): (u8, &str)| match kind % 5 {
        0 => Source::Set(text.to_owned()),
        1 => Source::SetString(text.to_owned()),
        2 => Source::SetJson(text.to_owned()),
        3 => Source::SetFile { text: text.to_owned() },
        _ => Source::File { name: "values.yaml".to_owned(), text: text.to_owned() },
    };
    let sources: Vec<Source> = input.into_iter().take(8).map(source).collect();
    let read_file = |path: &str| if path.len() % 2 == 0 { Ok(path.to_owned()) } else { Err("no such file".to_owned()) };
    if let Ok(values) = merge(&sources, &read_file) {
        assert!(values.value.is_object());
    }
});
