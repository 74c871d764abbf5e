//! Metric names, and looking up a metric's value in a document.
