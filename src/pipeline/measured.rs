//! Finds SLOs, rewards and splits on metrics that nothing measures, before the run.

use super::ResultPolicy;
use super::check::{Prepared, entry};
use crate::metrics::catalog::{Catalog, Unmeasured};
use crate::model::insights::Insights;
use crate::model::metric_name::MetricRef;
use crate::model::objectives::Objectives;
use crate::model::reward::Rewards;
use crate::ports::Files;
use crate::tasks::Task;
use crate::values::input::InputError;

impl Prepared {
    /// Returns the SLOs and rewards whose metrics nothing measures; with `policy` reuse, metrics of earlier loops count. Paths of errors start at
    /// `spec`.
    pub(crate) fn unmeasured_slos(&self, policy: ResultPolicy, files: &dyn Files) -> Vec<InputError> {
        let result = self.experiment.result.as_ref().filter(|_| policy == ResultPolicy::Reuse);
        unmeasured_slos(&self.tasks, files, result.and_then(|result| result.insights.as_ref()))
    }
}

/// Returns the SLOs and rewards whose metrics no earlier task of the spec and no earlier loop measures. Tasks with conditions count as measuring. Paths
/// of errors start at `spec`.
pub(crate) fn unmeasured_slos(
    tasks: &[Box<dyn Task>],
    files: &dyn Files,
    earlier: Option<&Insights>,
) -> Vec<InputError> {
    if tasks.iter().all(|task| task.judges().is_none() && task.counts().is_none()) {
        return Vec::new();
    }
    // A split compares the counts of one loop.
    let mut counted = Catalog::default();
    let mut measured = Catalog::default();
    if let Some(insights) = earlier {
        measured.add_earlier(insights);
    }
    let mut planned = measured.clone();
    let metrics: Vec<_> = tasks.iter().map(|task| task.measures(files)).collect();
    for metric in metrics.iter().flatten() {
        planned.add(&metric.provider, metric.metrics.clone());
    }
    let mut errors = Vec::new();
    for (index, (task, metrics)) in tasks.iter().zip(metrics).enumerate() {
        let lists = task.judges().into_iter().flat_map(|Objectives { limits, relative, .. }| {
            [("SLOs", "upper", &limits.upper), ("SLOs", "lower", &limits.lower), ("relative", "upper", &relative.upper)]
        });
        for (key, bound, slos) in lists {
            for (at, slo) in slos.iter().enumerate() {
                let path = entry(index).key("with").key(key).key(bound).index(at).key("metric");
                let error = error(&slo.metric, &measured, &planned, "list the tasks that measure before `assess`");
                errors.extend(error.map(|error| error.under(path)));
            }
        }
        let rewards = task.rewards().into_iter().flat_map(|Rewards { max, min }| [("max", max), ("min", min)]);
        for (goal, metrics) in rewards {
            for (at, metric) in metrics.iter().enumerate() {
                let path = entry(index).key("with").key("rewards").key(goal).index(at);
                let error = error(metric, &measured, &planned, "list the tasks that measure before `assess`");
                errors.extend(error.map(|error| error.under(path)));
            }
        }
        if let Some(metric) = task.counts() {
            let path = entry(index).key("with").key("metric");
            let order = "list a task that measures it, such as `custommetrics`, before `split`";
            let error = error(metric, &counted, &planned, order);
            let with_hint = |error: InputError| if counted.is_empty() { error.with_hint(order) } else { error };
            errors.extend(error.map(|error| with_hint(error).under(path)));
        }
        for metric in metrics {
            counted.add(&metric.provider, metric.metrics.clone());
            measured.add(&metric.provider, metric.metrics);
        }
    }
    errors
}

/// Checks that a metric is measured; `order` is the hint if a later task measures it.
fn error(metric: &MetricRef, measured: &Catalog, planned: &Catalog, order: &str) -> Option<InputError> {
    // Malformed names are rejected when the task is parsed.
    let name = metric.name().ok()?;
    let Unmeasured { message, hint, is_misspelled } = measured.check(name).err()?;
    if planned.check(name).is_ok() {
        let message = format!("`{name}` is measured only by a later task");
        return Some(InputError::new("", message).with_hint(order));
    }
    let error = InputError::new("", message).with_hint(hint);
    Some(InputError { is_mistyped: is_misspelled, ..error })
}
