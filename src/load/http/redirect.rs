//! Following redirects within one request.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::response::Parts;
use http::{Method, StatusCode};
use url::Url;

use super::connection::{Answered, HttpConnection, open};
use super::message::Message;
use super::target::Http;
use crate::load::cause::{Cause, Failure};
use crate::load::dial::Origin;
use crate::load::meter::Meter;

/// Goes where `head` points, and on from there, as often as the target allows. The answer is the last one. A
/// redirect without a usable location is an answer in its own right.
pub(super) async fn follow(
    http: &Http,
    meter: &Meter,
    connection: &mut HttpConnection,
    mut answered: Answered,
) -> Result<Answered, Failure> {
    let mut url = http.url.clone();
    let mut message = http.message.clone();
    for _ in 0..http.redirects {
        let Some(next) = location(&answered.head, &url) else { break };
        let (Some(from), Some(to)) = (Origin::of(&url), Origin::of(&next)) else { break };
        let Some(redirected) = message.to(&next, from == to) else { break };
        message = after(answered.head.status, redirected);
        url = next;
        answered = hop(http, meter, connection, &url, &message).await?;
    }
    Ok(answered)
}

/// One exchange on the way. It is repeated here if need be: the whole request would start over otherwise, and may have had an effect.
async fn hop(
    http: &Http,
    meter: &Meter,
    connection: &mut HttpConnection,
    url: &Url,
    message: &Message,
) -> Result<Answered, Failure> {
    let mut is_repeated = false;
    loop {
        let Some(to) = Origin::of(url) else { return Err(Failure::new(Cause::Other, "the redirect leads nowhere")) };
        let sender = if to == http.dialer.origin {
            if is_repeated || !connection.sender.is_ready().await {
                connection.sender = open(&http.dialer).await?;
            }
            &mut connection.sender
        } else {
            connection.to(to, http.foreign_tls.as_ref(), is_repeated).await?
        };
        match sender.exchange(message, meter).await {
            Err(failure) if failure.is_repeatable && !is_repeated => is_repeated = true,
            Err(failure) => return Err(Failure { is_repeatable: false, ..failure }),
            answer => return answer,
        }
    }
}

/// Where an answer redirects to.
fn location(head: &Parts, base: &Url) -> Option<Url> {
    let follows = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !follows.contains(&head.status) {
        return None;
    }
    base.join(head.headers.get(LOCATION)?.to_str().ok()?).ok()
}

/// The request after a redirect of this status: all but 307 and 308 turn a request with a body into a plain GET, as browsers do.
fn after(status: StatusCode, message: Message) -> Message {
    let keeps = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&status);
    if keeps || message.method == Method::GET || message.method == Method::HEAD {
        return message;
    }
    let mut message = Message { method: Method::GET, body: Bytes::new(), ..message };
    message.headers.remove(CONTENT_TYPE);
    message.headers.remove(CONTENT_LENGTH);
    message
}
