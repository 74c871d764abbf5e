//! Following redirects within one request.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use url::Url;

use super::connection::{HttpConnection, Link};
use super::h1::{Received, Wants, head};
use super::message::Message;
use super::target::Http;
use crate::load::cause::{Cause, Failure};
use crate::load::connect::Endpoint;
use crate::load::stats_recorder::StatsRecorder;

/// Statuses that name another place to ask at.
const FOLLOWED: [u16; 5] = [301, 302, 303, 307, 308];

/// Statuses that ask for the very same request there.
const KEEPING: [u16; 2] = [307, 308];

/// Goes where the answer on `connection` points, and on from there, as often as the target allows; `url` and
/// `message` are what was asked. Returns the last answer and the
/// connection that it came by. A redirect without a usable location is an answer in its own right.
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
    let mut by = None;
    for _ in 0..http.redirects {
        let Some(next) = location(received.status, connection.by(by).head(), &url) else { break };
        let (Some(from), Some(to)) = (Endpoint::of(&url), Endpoint::of(&next)) else { break };
        let Some(redirected) = message.to(&next, from == to) else { break };
        message = after(received.status, redirected);
        url = next;
        (received, by) = hop(http, stats, connection, &url, &message, wants).await?;
    }
    Ok((received, connection.by(by)))
}

/// One exchange on the way, and which connection it was on. It is repeated here if need be: the whole request would start over
/// otherwise, and may have had an effect.
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
        let Some(to) = Endpoint::of(url) else { return Err(Failure::new(Cause::Other, "the redirect leads nowhere")) };
        let by = if to == http.prepared.connector.endpoint {
            if is_repeated || !connection.own.is_ready().await {
                connection.own = Link::open(&http.prepared.connector, stats).await?;
            }
            None
        } else {
            Some(connection.to(to, http.foreign_tls.as_ref(), is_repeated, stats).await?)
        };
        match connection.by_mut(by).exchange(&request, wants).await {
            Err(failure) if failure.is_repeatable && !is_repeated => is_repeated = true,
            Err(failure) => return Err(Failure { is_repeatable: false, ..failure }),
            Ok(received) => return Ok((received, by)),
        }
    }
}

/// Where an answer redirects to.
fn location(status: u16, answer: &[u8], base: &Url) -> Option<Url> {
    if !FOLLOWED.contains(&status) {
        return None;
    }
    let location = head::values(answer, "location").first().copied()?;
    base.join(std::str::from_utf8(location).ok()?).ok()
}

/// The request after a redirect of this status: all but 307 and 308 turn a request with a body into a plain GET, as browsers do.
fn after(status: u16, message: Message) -> Message {
    if KEEPING.contains(&status) || message.method == Method::GET || message.method == Method::HEAD {
        return message;
    }
    let mut message = Message { method: Method::GET, body: Bytes::new(), ..message };
    message.headers.remove(CONTENT_TYPE);
    message.headers.remove(CONTENT_LENGTH);
    message
}
