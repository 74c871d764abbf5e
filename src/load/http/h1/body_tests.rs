//! Tests of bodies, whole and in pieces, against a simple reference.

use proptest::prelude::*;

use super::*;

/// Feeds `pieces`: the body, the bytes that belong to the response, and true if it is complete.
fn feed<'b>(framing: Framing, pieces: impl Iterator<Item = &'b [u8]>) -> Result<(Vec<u8>, usize, bool), String> {
    let mut decoder = Decoder::new(framing);
    let (mut body, mut consumed) = (Vec::new(), 0);
    for piece in pieces {
        let taken = decoder.feed(piece, |range| body.extend_from_slice(&piece[range]));
        consumed += taken.map_err(|malformed| malformed.0.into_owned())?;
    }
    Ok((body, consumed, decoder.is_done()))
}

fn chunked(bytes: &[u8]) -> Result<(Vec<u8>, usize, bool), String> {
    feed(Framing::Chunked, std::iter::once(bytes))
}

#[test]
fn bodies_end_at_their_last_byte() {
    let whole = |framing, bytes: &[u8]| feed(framing, std::iter::once(bytes)).unwrap();
    assert_eq!(whole(Framing::None, b"abc"), (vec![], 0, true));
    assert_eq!(whole(Framing::Length(0), b"abc"), (vec![], 0, true));
    assert_eq!(whole(Framing::Length(2), b"abc"), (b"ab".to_vec(), 2, true));
    assert_eq!(whole(Framing::Length(4), b"abc"), (b"abc".to_vec(), 3, false));
    assert_eq!(whole(Framing::UntilClose, b"abc"), (b"abc".to_vec(), 3, false));
    let text = b"2\r\nok\r\n03 ;x=\"y\";z\r\nyes\r\nA\t\r\n0123456789\r\n0\r\nTrailer: 1\r\nB:\r\n\r\nrest";
    assert_eq!(chunked(text).unwrap(), (b"okyes0123456789".to_vec(), text.len() - 4, true));
    assert_eq!(chunked(b"0\r\n\r\n").unwrap(), (vec![], 5, true));
}

#[test]
fn malformed_chunks_are_rejected() {
    for (text, detail) in [
        (&b"zz\r\n"[..], "a chunk's size is not a number"),
        (b"\r\n", "a chunk's size is not a number"),
        (b";x\r\n", "a chunk's size is not a number"),
        (b"-1\r\n", "a chunk's size is not a number"),
        (b"5 5\r\n", "a chunk's size is not a number"),
        (b"5\n", "a chunk's size is not a number"),
        (b"5;a\n", "a chunk's size ends in a bare LF"),
        (b"5\rx", "a chunk's size does not end in CR LF"),
        (b"10000000000000000\r\n", "a chunk's size does not fit into 64 bits"),
        (b"2\r\nokay\r\n", "a chunk is longer than its size"),
        (b"2\r\nok\n", "a chunk is longer than its size"),
        (b"0\r\nA: b\n\r\n", "a trailer ends in a bare LF"),
        (b"0\r\n\n", "a trailer ends in a bare LF"),
        (b"0\r\nno name\r\n", "a trailer has no name"),
        (b"0\r\n: b\r\n", "a trailer has no name"),
        (b"0\r\nA: b\rx", "a trailer does not end in CR LF"),
        (b"0\r\n\rx", "a trailer does not end in CR LF"),
    ] {
        assert_eq!(chunked(text).unwrap_err(), detail, "{}", text.escape_ascii());
    }
    // The largest size is accepted.
    assert_eq!(chunked(b"ffffffffffffffff\r\nabc").unwrap().0, b"abc");
}

#[test]
fn extensions_and_trailers_have_limits() {
    let extended = |length: usize| [b"1;".to_vec(), vec![b'x'; length], b"\r\na\r\n0\r\n\r\n".to_vec()].concat();
    assert!(chunked(&extended(MAX_EXTRAS - 1)).unwrap().2);
    assert_eq!(chunked(&extended(MAX_EXTRAS)).unwrap_err(), "more than 16 KiB of chunk extensions");
    let little = b"1;xxx\r\na\r\n".repeat(MAX_EXTRAS / 4 + 1);
    assert_eq!(chunked(&little).unwrap_err(), "more than 16 KiB of chunk extensions");
    let trailing = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(MAX_EXTRAS)].concat();
    assert_eq!(chunked(&trailing).unwrap_err(), "more than 16 KiB of trailers");
}

/// Returns the body of well-formed chunks without extensions and trailers, read the simple way.
fn reference(mut text: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = text.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&text[..line]).unwrap(), 16).unwrap();
        text = &text[line + 2..];
        body.extend_from_slice(&text[..size]);
        if size == 0 {
            return body;
        }
        text = &text[size + 2..];
    }
}

/// Splits `text` at the positions in `cuts`, which are fractions of its length.
fn pieces<'b>(text: &'b [u8], cuts: &[f64]) -> Vec<&'b [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| (cut * text.len() as f64) as usize).collect();
    ends.push(text.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &text[std::mem::replace(&mut start, end)..end]).collect()
}

proptest! {
    #[test]
    fn chunks_are_read_as_by_the_reference_whatever_the_pieces(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..12),
        cuts in prop::collection::vec(0.0..1.0, 0..20),
    ) {
        let mut text = Vec::new();
        for chunk in &chunks {
            text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\n\r\n");
        prop_assert_eq!(&reference(&text), &chunks.concat());
        let fed = feed(Framing::Chunked, pieces(&text, &cuts).into_iter()).unwrap();
        prop_assert_eq!(fed, (chunks.concat(), text.len(), true));
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_result(
        text in "([0-9a-f]{0,3}(;[a-z]*)?\r?\n|[a-z:]{0,8}|\r\n|0\r\n\r\n|\\PC){0,8}",
        cuts in prop::collection::vec(0.0..1.0, 0..20),
        length in 0_u64..40,
    ) {
        for framing in [Framing::None, Framing::Length(length), Framing::Chunked, Framing::UntilClose] {
            let whole = feed(framing, std::iter::once(text.as_bytes()));
            prop_assert_eq!(feed(framing, pieces(text.as_bytes(), &cuts).into_iter()), whole);
        }
    }
}
