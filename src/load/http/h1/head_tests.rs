//! Tests of heads: framing, connection, and rejected input.

use super::*;

fn read(text: &str) -> Result<Option<Head>, String> {
    parse(text.as_bytes(), false).map_err(|malformed| malformed.0.into_owned())
}

fn framing(headers: &str) -> Framing {
    read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).unwrap().unwrap().framing
}

#[test]
fn the_head_decides_where_the_body_ends() {
    for (headers, expected) in [
        ("", Framing::UntilClose),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("content-length:  12 \r\n", Framing::Length(12)),
        ("Content-Length: 12\r\nContent-Length: 12\r\n", Framing::Length(12)),
        ("Content-Length: 12, 12\r\n", Framing::Length(12)),
        ("Content-Length: 18446744073709551615\r\n", Framing::Length(u64::MAX)),
        ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
    ] {
        assert_eq!(framing(headers), expected, "{headers}");
    }
    for status in [100, 199, 204, 304] {
        for (headers, announced) in [
            ("Content-Length: 5\r\n", Framing::Length(5)),
            ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
            ("Content-Length: 0\r\n", Framing::None),
            ("", Framing::None),
        ] {
            let head = read(&format!("HTTP/1.1 {status} X\r\n{headers}\r\n")).unwrap().unwrap();
            assert_eq!((head.status, head.framing, head.announced), (status, Framing::None, announced), "{headers}");
            // A 204 that announces a body has one.
            assert_eq!(head.is_keep_alive, status != 204 || announced == Framing::None, "{status} {headers}");
        }
    }
    let to_head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true).unwrap().unwrap();
    assert_eq!((to_head.framing, to_head.announced, to_head.is_keep_alive), (Framing::None, Framing::Length(5), true));
}

#[test]
fn version_header_and_framing_decide_on_keep_alive() {
    for (line, headers, expected) in [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: x, CLOSE\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
    ] {
        let head = read(&format!("{line} 200 OK\r\nContent-Length: 0\r\n{headers}\r\n")).unwrap().unwrap();
        assert_eq!(head.is_keep_alive, expected, "{line} {headers}");
    }
    assert!(!read("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n").unwrap().unwrap().is_keep_alive);
}

#[test]
fn ambiguous_heads_are_malformed() {
    for (headers, detail) in [
        ("Content-Length: 1\r\nContent-Length: 2\r\n", "`Content-Length` contradicts itself"),
        ("Content-Length: 1, 2\r\n", "`Content-Length` contradicts itself"),
        ("Content-Length: +1\r\n", "`Content-Length` is not a number of bytes"),
        ("Content-Length: 1 1\r\n", "`Content-Length` is not a number of bytes"),
        ("Content-Length: 18446744073709551616\r\n", "`Content-Length` is not a number of bytes"),
        ("Content-Length:\r\n", "`Content-Length` is empty"),
        ("Transfer-Encoding: gzip, chunked\r\n", "`Transfer-Encoding` is not `chunked`"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "`Transfer-Encoding` is not `chunked`"),
        ("Transfer-Encoding: identity\r\n", "`Transfer-Encoding` is not `chunked`"),
        ("X: 1\r\nA b: c\r\n", "a header's name is missing or has invalid characters: `A b: c`"),
        ("A: b\r\n c\r\nB : c\r\nX y: 1\r\n", "a header's name is missing or has invalid characters: `X y: 1`"),
        ("no colon\r\n", "a header's name is missing or has invalid characters: `no colon`"),
        ("A: \x01\r\n", "a header's value has invalid characters: `A: \\x01`"),
    ] {
        assert_eq!(read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).unwrap_err(), detail, "{headers}");
    }
    for (text, detail) in [
        ("HTTP/1.1 099 X\r\n\r\n", "status 099 is not an HTTP status"),
        ("HTTP/1.1 2x0 X\r\n", "the status line is not valid HTTP"),
        ("SSH-2.0-x\r\n", "expected `HTTP/1.1` at the start, found `SSH-2.0-x\\r\\n`"),
    ] {
        assert_eq!(read(text).unwrap_err(), detail, "{text}");
    }
}

#[test]
fn what_a_user_agent_may_accept_is_accepted() {
    for (text, framing, is_keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked, false),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked, false),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 1\r\n\r\n", Framing::Length(1), true),
        ("HTTP/1.1  200 OK\r\nContent-Length : 1\r\n\r\n", Framing::Length(1), true),
    ] {
        let head = read(text).unwrap().unwrap();
        assert_eq!((head.framing, head.is_keep_alive), (framing, is_keep_alive), "{text}");
    }
}

#[test]
fn heads_have_limits() {
    let head = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(read(&head(MAX_HEADERS)).unwrap().is_some());
    assert_eq!(read(&head(MAX_HEADERS + 1)).unwrap_err(), "more than 256 headers");
    let long = |length: usize| format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(length - 24));
    assert_eq!(read(&long(MAX_HEAD)).unwrap().unwrap().length, MAX_HEAD);
    assert_eq!(read(&long(MAX_HEAD + 1)).unwrap_err(), "the head is longer than 1024 KiB");
}

#[test]
fn a_head_is_incomplete_up_to_its_last_byte() {
    for text in ["HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 200\nA: b\n\n"] {
        for end in 0..text.len() {
            assert_eq!(read(&text[..end]), Ok(None), "{end}");
            assert!(!may_end(&text.as_bytes()[..end], 0), "{end}");
        }
        for known in 0..text.len() {
            assert!(may_end(text.as_bytes(), known), "{known}");
        }
        assert_eq!(read(&format!("{text}rest")).unwrap().unwrap().length, text.len());
    }
}

#[test]
fn headers_are_found_by_name() {
    let head = b"HTTP/1.1 302 X\r\nlocation: /a\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n";
    assert_eq!(values(head, "Location"), [b"/a"]);
    assert_eq!(values(head, "set-cookie"), [b"a", b"b"]);
    assert!(values(head, "none").is_empty() && values(b"what", "none").is_empty());
}
