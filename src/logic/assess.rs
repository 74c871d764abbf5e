//! Verdicts on objectives, from the metrics of a document.
