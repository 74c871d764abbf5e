//! Follows redirects within one request.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use url::Url;

use super::connection::{HttpConnection, Link};
use super::h1::{Received, Wants, head};
use super::message::Message;
use super::target::Http;
use crate::load::cause::{Cause, Failure, Resend};
use crate::load::connect::Endpoint;
use crate::load::progress::Progress;
use crate::load::stats_recorder::StatsRecorder;
use crate::model::text::prefix;
use crate::redact::redact_url;

/// Statuses of redirects.
const FOLLOWED: [u16; 5] = [301, 302, 303, 307, 308];

/// Longest location in messages, in characters.
const MAX_LOCATION: usize = 200;

/// Statuses of redirects that keep method and body.
const KEEPING: [u16; 2] = [307, 308];

/// Last response of a request that was redirected.
pub(super) struct Followed<'c> {
    pub(super) received: Received,
    /// Its connection.
    pub(super) link: &'c Link,
    /// Reason why this redirect was not followed.
    pub(super) dead_end: Option<String>,
}

/// Context of the exchanges of one request.
pub(super) struct Context<'a> {
    pub(super) http: &'a Http,
    pub(super) stats: &'a StatsRecorder,
    pub(super) wants: Wants,
    pub(super) progress: &'a Progress,
}

/// Follows the redirect that was received on `connection`, and further ones up to the target's limit. `url` and `message` are the
/// redirected request.
pub(super) async fn follow<'c>(
    context: &Context<'_>,
    connection: &'c mut HttpConnection,
    (url, message): (&Url, &Message),
    mut received: Received,
) -> Result<Followed<'c>, Failure> {
    let mut url = url.clone();
    let mut message = message.clone();
    let mut number = None;
    let mut hops = 0;
    let dead_end = loop {
        if !FOLLOWED.contains(&received.status) {
            break None;
        }
        if hops == context.http.redirects {
            break Some(format!("more than {hops} redirects"));
        }
        let redirected = location(received.status, connection.link(number).head(), &url)
            .and_then(|next| Ok((redirected(&message, &url, &next).ok_or_else(|| unusable(&next))?, next)));
        let (redirected, next) = match redirected {
            Ok(redirected) => redirected,
            Err(reason) => break Some(reason),
        };
        message = after(received.status, redirected);
        url = next;
        (received, number) = hop(context, connection, &url, &message).await?;
        hops += 1;
    };
    Ok(Followed { received, link: connection.link(number), dead_end })
}

/// Returns the request to the URL `to` instead of `from`; `None` if there can be none, as to another scheme.
fn redirected(message: &Message, from: &Url, to: &Url) -> Option<Message> {
    message.to(to, Endpoint::from_url(from)? == Endpoint::from_url(to)?)
}

fn unusable(to: &Url) -> String {
    format!("redirect to `{}`; expected an `http` or `https` URL", redact_url(to.as_str()))
}

/// Makes one exchange, and returns the number of its connection. It is sent again here: the caller would start the whole request over,
/// which may have had effects.
async fn hop(
    context: &Context<'_>,
    connection: &mut HttpConnection,
    url: &Url,
    message: &Message,
) -> Result<(Received, Option<usize>), Failure> {
    let Context { http, stats, wants, progress } = *context;
    let request = message.to_request();
    let mut is_repeated = false;
    loop {
        let Some(to) = Endpoint::from_url(url) else {
            return Err(Failure::new(Cause::Other, "the redirect has no usable location"));
        };
        let is_target = to == http.prepared.connector.endpoint;
        progress.redirected((!is_target).then(|| to.authority()));
        let number = if is_target {
            if is_repeated || !connection.target.is_ready().await {
                connection.target = Link::open(&http.prepared.connector, stats, progress).await?;
            }
            None
        } else {
            let opened = connection.to(to, http.foreign_tls.as_ref(), is_repeated, stats, progress).await;
            Some(opened.map_err(|failure| of_target(failure, url))?)
        };
        match connection.link_mut(number).exchange(&request, wants, progress).await {
            Err(failure) if failure.resend != Resend::Never && !is_repeated => {
                is_repeated = true;
                stats.resending(failure.resend);
            }
            Err(failure) => {
                let failure = Failure { resend: Resend::Never, ..failure };
                return Err(if number.is_some() { of_target(failure, url) } else { failure });
            }
            Ok(received) => return Ok((received, number)),
        }
    }
}

/// Charges a failure to another server than the target.
fn of_target(failure: Failure, url: &Url) -> Failure {
    failure.of_hop(Cause::Redirect, &format!("redirect target `{}`", redact_url(url.as_str())))
}

/// Returns the URL to which a response redirects, or the reason why it redirects to none.
fn location(status: u16, response: &[u8], base: &Url) -> Result<Url, String> {
    let location = head::values(response, "location").first().copied();
    let location = location.ok_or_else(|| format!("status {status} without a `Location`"))?;
    let text = String::from_utf8_lossy(location);
    let invalid =
        || format!("status {status} with an invalid `Location`: `{}`", prefix(&redact_url(&text), MAX_LOCATION));
    let text = std::str::from_utf8(location).map_err(|_| invalid())?;
    base.join(text).map_err(|_| invalid())
}

/// Returns the request after a redirect: all statuses but 307 and 308 turn a request with a body into a plain GET, as in browsers.
fn after(status: u16, message: Message) -> Message {
    if KEEPING.contains(&status) || message.method == Method::GET || message.method == Method::HEAD {
        return message;
    }
    let mut message = Message { method: Method::GET, body: Bytes::new(), ..message };
    message.headers.remove(CONTENT_TYPE);
    message.headers.remove(CONTENT_LENGTH);
    message
}
