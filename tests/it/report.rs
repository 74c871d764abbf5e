//! Reports of documents as runs leave them, in every format.

mod browser;
mod documents;

use iter8::model::document::Experiment;

fn render(format: &str, experiment: &Experiment) -> String {
    (iter8::report::format(format).unwrap().render)(experiment).unwrap()
}

/// Documents whose reports are kept as snapshots.
fn snapshots(format: &str) {
    for (name, document) in documents::all() {
        if !matches!(name, "large" | "hostile" | "endpoints") {
            insta::assert_snapshot!(format!("{format}-{name}"), render(format, &document));
        }
    }
}

#[test]
fn text_reports_say_what_the_document_says() {
    snapshots("text");
}

#[test]
fn json_reports_say_what_the_document_says() {
    snapshots("json");
}

/// Writes every report into a directory, to be looked at: `REPORTS=/tmp/reports cargo test --test it write_reports -- --ignored`.
#[test]
#[ignore = "for looking at: writes into the directory that REPORTS names"]
fn write_reports() {
    let directory = std::path::PathBuf::from(std::env::var("REPORTS").unwrap());
    std::fs::create_dir_all(&directory).unwrap();
    for (name, document) in documents::all() {
        for format in &iter8::report::FORMATS {
            let path = directory.join(format!("{name}.{}", format.extension));
            std::fs::write(path, (format.render)(&document).unwrap()).unwrap();
        }
    }
}
