use super::*;

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("models", name)
}

fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
    let prefix = format!("{PREFIX}_{name}");
    metrics.render().lines().filter(|line| line.starts_with(&prefix)).map(str::to_owned).collect()
}

#[test]
fn all_metrics_are_rendered() {
    let metrics = Metrics::new(true);
    metrics.reconciled(true);
    metrics.reconciled(false);
    metrics.failed(ErrorReason::Contested);
    metrics.apply_finished(Duration::from_millis(3));
    metrics.drift_repaired();
    metrics.event_dropped(DropReason::Queue);
    metrics.watch_started("inferenceservices.serving.kserve.io");
    metrics.watch_restarted("inferenceservices.serving.kserve.io", WatchReason::Expired);
    metrics.queue_length(7);
    metrics.leader(true);
    metrics.routemap_is(&key("wisdom"), true);
    metrics.weights_desired(&key("wisdom"), &[20, 80]);
    metrics.weights_applied(&key("wisdom"), &[100, 0]);
    let text = metrics.render();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE iter8_controller_"));
    assert_eq!(
        types.collect::<Vec<_>>(),
        [
            "reconciles counter",
            "errors counter",
            "apply_duration_seconds histogram",
            "drift_repairs counter",
            "events_dropped counter",
            "watch_restarts counter",
            "queue_length gauge",
            "leader gauge",
            "routemaps gauge",
            "weight_desired gauge",
            "weight_applied gauge",
        ]
    );
    for line in [
        "reconciles_total{result=\"applied\"} 1",
        "reconciles_total{result=\"unchanged\"} 1",
        "reconciles_total{result=\"error\"} 1",
        "errors_total{reason=\"contested\"} 1",
        "errors_total{reason=\"apply_rejected\"} 0",
        "apply_duration_seconds_bucket{le=\"0.004\"} 1",
        "drift_repairs_total 1",
        "events_dropped_total{reason=\"queue\"} 1",
        "events_dropped_total{reason=\"failed\"} 0",
        "watch_restarts_total{resource=\"inferenceservices.serving.kserve.io\",reason=\"expired\"} 1",
        "watch_restarts_total{resource=\"inferenceservices.serving.kserve.io\",reason=\"forbidden\"} 0",
        "queue_length 7",
        "leader 1",
        "routemaps{state=\"valid\"} 1",
        "weight_desired{namespace=\"models\",routemap=\"wisdom\",version=\"1\"} 80",
        "weight_applied{namespace=\"models\",routemap=\"wisdom\",version=\"0\"} 100",
    ] {
        let line = format!("{PREFIX}_{line}");
        assert!(text.lines().any(|rendered| rendered == line), "no `{line}` in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn series_of_a_routemap_end_with_it_and_with_its_versions() {
    let metrics = Metrics::new(true);
    let wisdom = key("wisdom");
    metrics.routemap_is(&wisdom, true);
    metrics.routemap_is(&key("invalid"), false);
    metrics.weights_desired(&wisdom, &[1, 2, 3]);
    metrics.weights_applied(&wisdom, &[1, 2, 3]);
    metrics.weights_desired(&wisdom, &[4]);
    assert_eq!(
        lines(&metrics, "weight_desired{"),
        ["iter8_controller_weight_desired{namespace=\"models\",routemap=\"wisdom\",version=\"0\"} 4"]
    );
    metrics.forget(&wisdom);
    assert_eq!(lines(&metrics, "weight"), Vec::<String>::new());
    assert_eq!(
        lines(&metrics, "routemaps{"),
        ["iter8_controller_routemaps{state=\"valid\"} 0", "iter8_controller_routemaps{state=\"invalid\"} 1"]
    );
}

#[test]
fn series_of_versions_can_be_switched_off() {
    let metrics = Metrics::new(false);
    metrics.routemap_is(&key("wisdom"), true);
    metrics.weights_desired(&key("wisdom"), &[1, 2]);
    assert!(!metrics.render().contains("weight"));
    assert_eq!(lines(&metrics, "routemaps{state=\"valid\"}").len(), 1);
}
