//! The report in payload templates, with the fields and methods of Iter8's Go types.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metrics::MetricsView;
use crate::model::document::Experiment;
use crate::model::insights::Insights;
use crate::model::metric::Reading;
use crate::model::metric_name::MetricRef;
use crate::slo::assertion;
use crate::templates::{Function, Struct, Type, TypedValue};

/// Root of a template.
pub const ROOT: Type = Type::Struct(&Struct { fields: &[("Report", Type::Struct(&REPORT))], methods: &[] });

static REPORT: Struct = Struct {
    fields: &[
        ("timeStamp", Type::String),
        ("completed", Type::Bool),
        ("noTaskFailures", Type::Bool),
        ("numTasks", Type::Int),
        ("numCompletedTasks", Type::Int),
        ("numLoops", Type::Int),
        ("experiment", Type::Struct(&EXPERIMENT)),
    ],
    methods: &[],
};

static EXPERIMENT: Struct = Struct {
    fields: &[("spec", Type::List(&Type::Struct(&TASK))), ("result", Type::Struct(&RESULT))],
    methods: &[COMPLETED, NO_FAILURE, SLOS],
};

static TASK: Struct = Struct {
    fields: &[("task", Type::Pointer), ("run", Type::Pointer), ("with", Type::Map(&Type::Any)), ("if", Type::Pointer)],
    methods: &[],
};

static RESULT: Struct = Struct {
    fields: &[
        ("revision", Type::Int),
        ("startTime", Type::Time),
        ("numLoops", Type::Int),
        ("numCompletedTasks", Type::Int),
        ("failure", Type::Bool),
        ("iter8Version", Type::String),
        ("insights", Type::Struct(&INSIGHTS)),
        // These are ours.
        ("interrupted", Type::Bool),
        ("tasks", Type::List(&Type::Any)),
    ],
    methods: &[],
};

static INSIGHTS: Struct = Struct {
    fields: &[
        ("numVersions", Type::Int),
        ("versionNames", Type::List(&Type::Struct(&VERSION))),
        ("metricsInfo", Type::Map(&Type::Struct(&METRIC))),
        ("nonHistMetricValues", Type::List(&Type::Map(&Type::List(&Type::Any)))),
        ("histMetricValues", Type::List(&Type::Map(&Type::List(&Type::Struct(&BUCKET))))),
        ("SummaryMetricValues", Type::List(&Type::Any)),
        ("SLOs", Type::Struct(&LIMITS)),
        ("SLOsSatisfied", Type::Struct(&SATISFIED)),
        // These are ours.
        ("verdicts", Type::List(&Type::Any)),
        ("splits", Type::List(&Type::Any)),
    ],
    methods: &[SCALAR_METRIC_VALUE, TRACK_VERSION_STR],
};

static VERSION: Struct = Struct { fields: &[("version", Type::String), ("track", Type::String)], methods: &[] };

static METRIC: Struct =
    Struct { fields: &[("description", Type::String), ("units", Type::Pointer), ("type", Type::String)], methods: &[] };

static BUCKET: Struct =
    Struct { fields: &[("lower", Type::Any), ("upper", Type::Any), ("count", Type::Any)], methods: &[] };

static LIMITS: Struct = Struct {
    fields: &[("upper", Type::List(&Type::Struct(&SLO))), ("lower", Type::List(&Type::Struct(&SLO)))],
    methods: &[],
};

static SLO: Struct = Struct { fields: &[("metric", Type::Any), ("limit", Type::Any)], methods: &[] };

static SATISFIED: Struct = Struct {
    fields: &[("upper", Type::List(&Type::List(&Type::Bool))), ("lower", Type::List(&Type::List(&Type::Bool)))],
    methods: &[],
};

const COMPLETED: &str = "Completed";
const NO_FAILURE: &str = "NoFailure";
const SLOS: &str = "SLOs";
const SCALAR_METRIC_VALUE: &str = "ScalarMetricValue";
const TRACK_VERSION_STR: &str = "TrackVersionStr";

/// Builds the methods for an experiment; `completed` is the value that its report shows.
pub fn methods(experiment: &Experiment, completed: bool) -> BTreeMap<&'static str, Function> {
    let result = experiment.result.clone().unwrap_or_default();
    let insights = Arc::new(result.insights.unwrap_or_default());
    let slos = assertion::slos(&insights).is_ok() && assertion::is_split_checked(experiment);
    let fine = !result.failure;
    let named = Arc::clone(&insights);
    BTreeMap::from([
        (COMPLETED, constant(completed)),
        (NO_FAILURE, constant(fine)),
        (SLOS, constant(slos)),
        (SCALAR_METRIC_VALUE, Arc::new(move |args: &[TypedValue]| scalar(&insights, args)) as Function),
        (TRACK_VERSION_STR, Arc::new(move |args: &[TypedValue]| track_version(&named, args)) as Function),
    ])
}

fn constant(holds: bool) -> Function {
    Arc::new(move |args| match args {
        [] => Ok(TypedValue::Bool(holds)),
        _ => Err("expected no arguments".to_owned()),
    })
}

fn scalar(insights: &Insights, args: &[TypedValue]) -> Result<TypedValue, String> {
    let [version, TypedValue::String(metric)] = args else {
        return Err("expected a version, from 0, and the name of a metric".to_owned());
    };
    let metric = MetricRef::from(metric.to_string());
    match MetricsView::new(insights, index(version)?).resolve(&metric).reading {
        Reading::Value(value) => Ok(TypedValue::Float(value)),
        Reading::Missing(_) => Ok(TypedValue::Nil),
    }
}

fn track_version(insights: &Insights, args: &[TypedValue]) -> Result<TypedValue, String> {
    let [version] = args else { return Err("expected a version, from 0".to_owned()) };
    Ok(TypedValue::string(insights.version_label(index(version)?)))
}

fn index(version: &TypedValue) -> Result<usize, String> {
    match version {
        TypedValue::Int(number) | TypedValue::Int64(number) => usize::try_from(*number).ok(),
        _ => None,
    }
    .ok_or_else(|| "the version must be an integer, from 0".to_owned())
}
