//! Keeps how long an API server asks to wait: it says so in a header alone where it is overloaded, and the client drops headers.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kube::core::Status;
use kube::core::response::StatusDetails;
use serde_json::json;

/// An error that any layer of the client may have.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
pub(crate) type Answer = UnsyncBoxBody<Bytes, BoxError>;

/// The same answer; one that asks to wait, by a header, as a status that says so.
pub(crate) fn keep<B>(response: Response<B>) -> Response<Answer>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let asked = match response.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => seconds(&response),
        _ => None,
    };
    let Some(seconds) = asked else {
        return response.map(|body| body.map_err(Into::into).boxed_unsync());
    };
    let code = response.status();
    let message = format!("{}, to be tried again after {seconds} s", code.canonical_reason().unwrap_or("busy"));
    let details = json!({ "retryAfterSeconds": seconds });
    let details: Option<StatusDetails> = serde_json::from_value(details).ok();
    let status = Status { code: code.as_u16(), details, ..Status::failure(&message, "") };
    let text = serde_json::to_vec(&status).unwrap_or_default();
    response.map(|_| Full::from(text).map_err(|never| match never {}).boxed_unsync())
}

fn seconds<B>(response: &Response<B>) -> Option<u32> {
    response.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// The client with this in it.
pub(crate) fn client(config: kube::Config) -> Result<kube::Client, kube::Error> {
    let builder = kube::client::ClientBuilder::try_from(config)?;
    Ok(builder.with_layer(&tower::util::MapResponseLayer::new(keep::<BoxBody>)).build::<Answer>())
}

/// The body as the client's own layers have it.
type BoxBody = Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send + Unpin>;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, header: &str) -> Response<Answer> {
        let response = Response::builder().status(code).header("retry-after", header);
        keep(response.body(Full::from("too many requests")).unwrap())
    }

    #[tokio::test]
    async fn what_a_header_asks_for_is_told_by_the_status() {
        let text = answer(429, "7").into_body().collect().await.unwrap().to_bytes();
        let status: Status = serde_json::from_slice(&text).unwrap();
        assert_eq!((status.code, status.details.unwrap().retry_after_seconds), (429, 7));
        for (code, header) in [(429, "soon"), (200, "7"), (404, "7")] {
            let text = answer(code, header).into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, "too many requests", "{code} {header}");
        }
    }
}
