//! Pushes metrics to a Pushgateway.

use std::time::Duration;

use url::Url;

use super::env::WebClient;
use super::error::AppError;
use crate::model::text::one_line;
use crate::ports::{Web, WebRequest};
use crate::redact::{excerpt, redact_url};

/// Path of the metrics of a job, for URLs that do not have one.
const DEFAULT_JOB: [&str; 3] = ["metrics", "job", "iter8"];
/// Media type of the older text format, because a Pushgateway does not read OpenMetrics. Our text is valid in both.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Timeout of the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of the response, in bytes, and characters of it in an error.
const MAX_RESPONSE_BYTES: usize = 64 << 10;
const MAX_EXCERPT: usize = 300;

/// Replaces the metrics of a job in a Pushgateway, so that series of versions that are gone disappear.
pub(crate) async fn push(url: &str, metrics: String) -> Result<(), AppError> {
    let url = job_url(url)?;
    let failed = || AppError::outside(format!("cannot push the metrics to {}", redact_url(&url)));
    let request = WebRequest {
        method: "PUT".to_owned(),
        url: url.clone(),
        headers: vec![("Content-Type".to_owned(), CONTENT_TYPE.to_owned())],
        body: Some(metrics.into_bytes()),
        max_response_bytes: MAX_RESPONSE_BYTES,
        timeout: TIMEOUT,
        ..WebRequest::default()
    };
    let response = WebClient::default().send(request).await.map_err(|error| failed().caused_by(error))?;
    if (200..300).contains(&response.status) {
        return Ok(());
    }
    let body = excerpt(String::from_utf8_lossy(&response.body).trim(), MAX_EXCERPT);
    let words = if body.is_empty() { String::new() } else { format!(": {}", one_line(&body)) };
    let mut error = failed();
    error.causes.push(format!("status {}{words}", response.status));
    Err(error)
}

/// Adds the path of a job to the URL of a Pushgateway, unless it has one.
fn job_url(url: &str) -> Result<String, AppError> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(mut parsed) = parsed else {
        return Err(AppError::input("--push: not a valid URL; expected `http://HOST[:PORT]` or `https://…`"));
    };
    let has_job = |part: &str| parsed.path().contains(part);
    if !has_job("/metrics/job/")
        && !has_job("/metrics/job@base64/")
        && let Ok(mut path) = parsed.path_segments_mut()
    {
        path.pop_if_empty().extend(DEFAULT_JOB);
    }
    Ok(parsed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_without_a_job_get_one() {
        let cases = [
            ("http://gateway:9091", "http://gateway:9091/metrics/job/iter8"),
            ("http://gateway:9091/push/", "http://gateway:9091/push/metrics/job/iter8"),
            ("https://g/metrics/job/shop/experiment/canary", "https://g/metrics/job/shop/experiment/canary"),
            ("https://g/metrics/job@base64/c2hvcA", "https://g/metrics/job@base64/c2hvcA"),
        ];
        for (given, expected) in cases {
            assert_eq!(job_url(given).ok().as_deref(), Some(expected));
        }
        assert!(["gateway:9091", "ftp://x", ""].iter().all(|url| job_url(url).is_err()));
    }
}
