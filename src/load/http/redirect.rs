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
use crate::load::stats_recorder::StatsRecorder;

/// Statuses of redirects.
const FOLLOWED: [u16; 5] = [301, 302, 303, 307, 308];

/// Statuses of redirects that keep method and body.
const KEEPING: [u16; 2] = [307, 308];

/// Follows the redirect that was received on `connection`, and further ones up to the target's limit. `url` and `message` are the
/// redirected request. Returns the last response and its connection. A redirect without a usable location is returned as it is.
pub(super) async fn follow<'c>(
    http: &Http,
    stats: &StatsRecorder,
    connection: &'c mut HttpConnection,
    (url, message): (&Url, &Message),
    mut received: Received,
    wants: Wants,
) -> Result<(Received, &'c Link), Failure> {
    let mut url = url.clone();
    let mut message = message.clone();
    let mut number = None;
    for _ in 0..http.redirects {
        let Some(next) = location(received.status, connection.link(number).head(), &url) else { break };
        let (Some(from), Some(to)) = (Endpoint::from_url(&url), Endpoint::from_url(&next)) else { break };
        let Some(redirected) = message.to(&next, from == to) else { break };
        message = after(received.status, redirected);
        url = next;
        (received, number) = hop(http, stats, connection, &url, &message, wants).await?;
    }
    Ok((received, connection.link(number)))
}

/// Makes one exchange, and returns the number of its connection. It is sent again here: the caller would start the whole request over,
/// which may have had effects.
async fn hop(
    http: &Http,
    stats: &StatsRecorder,
    connection: &mut HttpConnection,
    url: &Url,
    message: &Message,
    wants: Wants,
) -> Result<(Received, Option<usize>), Failure> {
    let request = message.to_request();
    let mut is_repeated = false;
    loop {
        let Some(to) = Endpoint::from_url(url) else {
            return Err(Failure::new(Cause::Other, "the redirect has no usable location"));
        };
        let number = if to == http.prepared.connector.endpoint {
            if is_repeated || !connection.target.is_ready().await {
                connection.target = Link::open(&http.prepared.connector, stats).await?;
            }
            None
        } else {
            Some(connection.to(to, http.foreign_tls.as_ref(), is_repeated, stats).await?)
        };
        match connection.link_mut(number).exchange(&request, wants).await {
            Err(failure) if failure.resend != Resend::Never && !is_repeated => {
                is_repeated = true;
                stats.resending(failure.resend);
            }
            Err(failure) => return Err(Failure { resend: Resend::Never, ..failure }),
            Ok(received) => return Ok((received, number)),
        }
    }
}

/// Returns the URL to which a response redirects.
fn location(status: u16, response: &[u8], base: &Url) -> Option<Url> {
    if !FOLLOWED.contains(&status) {
        return None;
    }
    let location = head::values(response, "location").first().copied()?;
    base.join(std::str::from_utf8(location).ok()?).ok()
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
