//! Redirects: what is asked next, and what must not be sent there. RFC 9110, section 15.4.

use url::{Origin, Url};

use crate::ports::WebRequest;

/// Whether an answer of this status only says where to ask.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The request that follows such an answer. What a request has of its own is for its receiver alone: to another origin, which a
/// step from https to http is too, only what has nothing goes on. The error says why the redirect is not followed.
pub(super) fn follow(request: WebRequest, status: u16, location: Option<&[u8]>) -> Result<WebRequest, String> {
    let location = location.ok_or_else(|| format!("answered {status} without saying where to ask instead"))?;
    let asked = Url::parse(&request.url).map_err(|error| error.to_string())?;
    let unusable =
        || format!("answered {status} and redirects to what is not a URL with http:// or https:// and a host");
    let next = std::str::from_utf8(location).ok().and_then(|text| asked.join(text.trim()).ok());
    let mut next =
        next.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or_else(unusable)?;
    next.set_fragment(None);
    if next.origin() != asked.origin() {
        check_has_nothing(&request, &next.origin())?;
    } else if next.username().is_empty() && next.password().is_none() {
        // Neither can fail: the URL has a host.
        let _ = next.set_username(asked.username());
        let _ = next.set_password(asked.password());
    }
    let request = if becomes_get(status, &request.method) { without_body(request) } else { request };
    Ok(WebRequest { url: next.into(), ..request })
}

fn check_has_nothing(request: &WebRequest, origin: &Origin) -> Result<(), String> {
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
    Err(format!("redirects to another host ({origin}), where its {what} not sent; give that URL instead"))
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
    fn a_location_is_taken_relative_to_what_was_asked() {
        for (asked, location, expected) in [
            ("http://h/a/b?c=d", "e", "http://h/a/e"),
            ("http://h/a", "/x?y=z#part", "http://h/x?y=z"),
            ("http://h/a", "//other/x", "http://other/x"),
            ("http://h/a", "", "http://h/a"),
            ("http://h:80/a", "HTTP://H/b", "http://h/b"),
            // Credentials stay with their origin, and go nowhere else.
            ("http://u:p@h/a", "/b", "http://u:p@h/b"),
            ("http://u:p@h/a", "http://h/b", "http://u:p@h/b"),
            ("http://u:p@h/a", "http://h:81/b", "http://h:81/b"),
            ("https://u:p@h/a", "http://h/b", "http://h/b"),
        ] {
            assert_eq!(url_after(asked, location).as_deref(), Ok(expected), "{asked} -> {location}");
        }
        for location in ["ftp://h/x", "file:///etc/passwd", "http://", "http://[::1", "javascript:alert(1)"] {
            let told = url_after("http://h/", location).unwrap_err();
            assert!(told.contains("not a URL with http:// or https://"), "{location}: {told}");
        }
        assert!(follow(request("http://h/"), 301, Some(b"/\xff")).is_err());
        assert_eq!(
            follow(request("http://h/"), 308, None).unwrap_err(),
            "answered 308 without saying where to ask instead"
        );
    }

    #[test]
    fn what_a_request_has_goes_to_its_origin_only() {
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
            let told = |location: &str| follow(request.clone(), 307, Some(location.as_bytes())).map(|_| ());
            for other in ["https://other", "https://h:444", "http://h"] {
                let expected =
                    format!("redirects to another host ({other}), where its {what} not sent; give that URL instead");
                assert_eq!(told(&format!("{other}/?secret=1")), Err(expected));
            }
            assert_eq!(told("https://h:443/x"), Ok(()));
        }
    }

    #[test]
    fn methods_change_as_browsers_change_them() {
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
