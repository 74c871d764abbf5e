//! Redirects (RFC 9110, section 15.4): builds the next request, without parts that must not be forwarded.

use url::{Origin, Url};

use crate::ports::WebRequest;

/// Returns true for a status that redirects.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Returns the request that follows a redirect. Headers, body and certificate are meant for the original host: a request with any
/// of them does not follow a redirect to another origin, including one from https to http.
pub(super) fn follow(request: WebRequest, status: u16, location: Option<&[u8]>) -> Result<WebRequest, String> {
    let location = location.ok_or_else(|| format!("status {status} without a `Location`"))?;
    let origin_url = Url::parse(&request.url).map_err(|error| error.to_string())?;
    let unusable =
        || format!("status {status} redirects to an invalid URL; expected `http://` or `https://` and a host");
    let next = std::str::from_utf8(location).ok().and_then(|text| origin_url.join(text.trim()).ok());
    let mut next =
        next.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or_else(unusable)?;
    next.set_fragment(None);
    if next.origin() != origin_url.origin() {
        check_is_bare(&request, &next.origin())?;
    } else if next.username().is_empty() && next.password().is_none() {
        // Cannot fail: the URL has a host.
        let _ = next.set_username(origin_url.username());
        let _ = next.set_password(origin_url.password());
    }
    let request = if becomes_get(status, &request.method) { without_body(request) } else { request };
    Ok(WebRequest { url: next.into(), ..request })
}

fn check_is_bare(request: &WebRequest, origin: &Origin) -> Result<(), String> {
    let what = if !request.headers.is_empty() {
        "headers are"
    } else if request.body.is_some() {
        "body is"
    } else if request.tls.identity.is_some() {
        "certificate is"
    } else {
        return Ok(());
    };
    let origin = origin.ascii_serialization();
    Err(format!("redirects to another host ({origin}), and the request's {what} not forwarded; use that URL instead"))
}

fn becomes_get(status: u16, method: &str) -> bool {
    match status {
        303 => !method.eq_ignore_ascii_case("HEAD"),
        301 | 302 => method.eq_ignore_ascii_case("POST"),
        _ => false,
    }
}

fn without_body(mut request: WebRequest) -> WebRequest {
    request.headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
    WebRequest { method: "GET".to_owned(), body: None, ..request }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tls::{Identity, TlsOptions};

    fn request(url: &str) -> WebRequest {
        WebRequest { method: "GET".to_owned(), url: url.to_owned(), ..WebRequest::default() }
    }

    fn url_after(url: &str, location: &str) -> Result<String, String> {
        follow(request(url), 302, Some(location.as_bytes())).map(|next| next.url)
    }

    #[test]
    fn a_location_is_relative_to_the_request() {
        for (origin_url, location, expected) in [
            ("http://h/a/b?c=d", "e", "http://h/a/e"),
            ("http://h/a", "/x?y=z#part", "http://h/x?y=z"),
            ("http://h/a", "//other/x", "http://other/x"),
            ("http://h/a", "", "http://h/a"),
            ("http://h:80/a", "HTTP://H/b", "http://h/b"),
            // Credentials stay with their origin.
            ("http://u:p@h/a", "/b", "http://u:p@h/b"),
            ("http://u:p@h/a", "http://h/b", "http://u:p@h/b"),
            ("http://u:p@h/a", "http://h:81/b", "http://h:81/b"),
            ("https://u:p@h/a", "http://h/b", "http://h/b"),
        ] {
            assert_eq!(url_after(origin_url, location).as_deref(), Ok(expected), "{origin_url} -> {location}");
        }
        for location in ["ftp://h/x", "file:///etc/passwd", "http://", "http://[::1", "javascript:alert(1)"] {
            let message = url_after("http://h/", location).unwrap_err();
            assert!(message.contains("redirects to an invalid URL"), "{location}: {message}");
        }
        assert!(follow(request("http://h/"), 301, Some(b"/\xff")).is_err());
        assert_eq!(follow(request("http://h/"), 308, None).unwrap_err(), "status 308 without a `Location`");
    }

    #[test]
    fn headers_body_and_certificate_go_to_their_origin_only() {
        let identity = Some(Identity { cert: Vec::new(), key: Vec::new() });
        let with_token = WebRequest {
            headers: vec![("Authorization".to_owned(), "Bearer secret".to_owned())],
            ..request("https://h/a?token=secret")
        };
        let with_body = WebRequest { body: Some(Vec::new()), ..request("https://h/") };
        let with_certificate =
            WebRequest { tls: TlsOptions { identity, ..TlsOptions::default() }, ..request("https://h/") };
        for (request, what) in
            [(with_token, "headers are"), (with_body, "body is"), (with_certificate, "certificate is")]
        {
            let end = |location: &str| follow(request.clone(), 307, Some(location.as_bytes())).map(|_| ());
            for other in ["https://other", "https://h:444", "http://h"] {
                let expected = format!(
                    "redirects to another host ({other}), and the request's {what} not forwarded; use that URL instead"
                );
                assert_eq!(end(&format!("{other}/?secret=1")), Err(expected));
            }
            assert_eq!(end("https://h:443/x"), Ok(()));
        }
    }

    #[test]
    fn methods_change_as_in_browsers() {
        for (method, status, expected) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("PUT", 302, "PUT"),
            ("PUT", 303, "GET"),
            ("HEAD", 303, "HEAD"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
        ] {
            let request = WebRequest {
                method: method.to_owned(),
                headers: vec![("Content-Type".to_owned(), "x".to_owned()), ("X-Id".to_owned(), "1".to_owned())],
                body: Some(b"body".to_vec()),
                ..request("http://h/")
            };
            let next = follow(request, status, Some(b"/b")).unwrap();
            assert_eq!(next.method, expected, "{method} {status}");
            assert_eq!(next.body.is_some(), expected == method, "{method} {status}");
            assert_eq!(next.headers.len(), if expected == method { 2 } else { 1 }, "{method} {status}");
        }
    }
}
