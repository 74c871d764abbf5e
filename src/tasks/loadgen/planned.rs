//! Names of the metrics that a load will measure.

use super::measure::{SPLIT, Scalars};
use crate::metrics::catalog::MetricNames;
use crate::metrics::histogram::percentile_name;

/// Metrics of every load.
const COUNTS: [&str; 3] = ["request-count", "error-count", "error-rate"];

/// Returns the names of the metrics that [`super::measure::add`] derives from these distributions, and from the attribution of
/// responses to versions if there is one.
pub(in crate::tasks) fn planned<'a>(
    distributions: impl IntoIterator<Item = (&'a str, Scalars<'a>)>,
    is_attributed: bool,
) -> MetricNames {
    let mut scalars: Vec<String> = COUNTS.map(str::to_owned).into();
    scalars.extend(is_attributed.then(|| SPLIT.to_owned()));
    let mut names = Vec::new();
    for (name, derived) in distributions {
        names.push(name.to_owned());
        scalars.extend(statistics(derived).into_iter().map(|statistic| format!("{name}-{statistic}")));
    }
    MetricNames::Known { scalars: scalars.into_iter().collect(), distributions: names.into_iter().collect() }
}

fn statistics(scalars: Scalars<'_>) -> Vec<String> {
    let (moments, percentiles): (&[&str], &[f64]) = match scalars {
        Scalars::None => return Vec::new(),
        Scalars::Percentiles(percentiles) => (&[], percentiles),
        Scalars::All(percentiles) => (&["mean", "stddev", "min", "max"], percentiles),
    };
    moments.iter().map(|name| (*name).to_owned()).chain(percentiles.iter().map(|p| percentile_name(*p))).collect()
}
