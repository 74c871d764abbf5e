//! Values that cannot be compared with a split, which are rejected before anything runs.

use crate::support::cli_case::CliCase;
use crate::support::transcript::transcript;

#[test]
fn splits_that_nothing_shows_are_rejected_before_the_run() {
    let _transcript = transcript!();
    let cli = CliCase::new();
    let two = "http.versionValues[0].url=http://a/,http.versionValues[1].url=http://b/";
    let custom = "custommetrics.prometheus.url=http://p/,custommetrics.prometheus.queries.requests.query=up";
    let versions = "custommetrics.versionValues[0].a=1,custommetrics.versionValues[1].a=2";
    let cases: [&[&str]; 8] = [
        // A load that selects the version of each request.
        &["tasks={http,split}", two, "split.metric=http/request-count,split.expected={80,20}"],
        // Measured only later, never, or under another name.
        &["tasks={split,custommetrics}", custom, "split.metric=prometheus/requests,split.expected={80,20}"],
        &["tasks={custommetrics,split}", custom, versions, "split.metric=prometheus/request,split.expected={80,20}"],
        &["tasks={split}", "split.metric=istio/request-count,split.expected={80,20}"],
        // Numbers of versions that do not fit.
        &[
            "tasks={custommetrics,split}",
            custom,
            versions,
            "custommetrics.versionValues[2].a=3",
            "split.metric=prometheus/requests,split.expected={80,20}",
        ],
        &["tasks={custommetrics,split}", custom, "split.metric=prometheus/requests,split.expectedFrom.isvc=iris"],
        &["tasks={custommetrics,split}", custom, "split.metric=prometheus/requests"],
        &["tasks={custommetrics,split}", custom, "split.metric=prometheus/requests,split.expectedFrom.isvcs=iris"],
    ];
    for sets in cases {
        cli.run(["run"].into_iter().chain(sets.iter().flat_map(|set| ["--set", *set]))).snapshot(2);
    }
}
