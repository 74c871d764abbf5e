//! Statistics of verdicts with a confidence: limits of shares, percentiles, means, differences and ratios from requests that depend on
//! each other.
//!
//! *A percentile is a share.* "p95 is at most L" says that at most 5 % of the requests take longer than L. Error rates and percentiles are
//! one problem, therefore: `k` of `n` requests are bad, and a limit `θ₀` of their share is given.
//!
//! *Dependence costs requests.* A slow second is slow for all of its requests, so 1,000 requests may say as little as 100 independent ones.
//! The load's series shows it: `blocks` are its intervals, and `dependence` estimates the variance of their sum. Divided by the variance of
//! independent requests it is the design effect (`design_effect`). The exact binomial limit is then taken at the *effective* number of
//! requests, as surveys do for samples in clusters (Korn and Graubard 1998; `svyciprop(method = "beta")` in R's package survey). Nothing
//! is drawn at random: the same document gives the same verdict.
//!
//! *One number α.* `α = 1 − confidence` is the error of one claim about one side: "satisfied" is wrong with a probability of at most α, and
//! so is "violated". An interval `[lo, hi]` has that confidence at each of its ends.
//!
//! *Never a false pass.* Whatever cannot be computed, from edited documents for example, is `None`, or a limit that excludes nothing. No
//! function panics, and none returns NaN.
//!
//! | file | question |
//! |---|---|
//! | `beta` | quantiles of the beta, Student and normal distributions |
//! | `dependence` | variance of the sum of a series that depends on itself |
//! | `blocks`, `design_effect` | counts per interval; independent requests that a request is worth |
//! | `proportion` | share against a limit |
//! | `order`, `percentile` | percentile against a limit |
//! | `mean` | mean against a limit |
//! | `difference`, `mean_difference` | candidate minus version 0 |
//! | `ratio`, `mean_ratio` | candidate divided by version 0 |
//! | `needs` | requests that would decide |
//! | `family` | several objectives at once |
//! | `evidence`, `looks` | verdicts before the end of a load |

pub mod beta;
pub mod blocks;
pub mod dependence;
pub mod design_effect;
pub mod difference;
pub mod evidence;
pub mod family;
pub mod looks;
pub mod mean;
pub mod mean_difference;
pub mod mean_ratio;
pub mod needs;
pub mod order;
pub mod percentile;
pub mod proportion;
pub mod ratio;

#[cfg(test)]
mod public_cases_tests;
#[cfg(test)]
mod testing;
