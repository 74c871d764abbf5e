//! Reads request bodies of a bounded size.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body;

use super::error::ServiceError;

/// Longest request body, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Bytes of a longer body that are read and discarded, so that a client that writes everything before it reads gets its response.
const MAX_DROPPED_BYTES: usize = 16 << 20;

/// Reads a whole body. Fails if it is longer than [`MAX_BYTES`] (413) or breaks off (400).
pub(super) async fn read<B>(mut body: B) -> Result<Bytes, ServiceError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ServiceError::bad(format!("the body ended early: {error}")))?;
        let Ok(bytes) = frame.into_data() else { continue };
        length = length.saturating_add(bytes.len());
        if length > MAX_DROPPED_BYTES {
            break;
        }
        if length > MAX_BYTES {
            continue;
        }
        // Nearly every body comes in one piece, which needs no copy.
        if first.is_empty() {
            first = bytes;
        } else {
            rest.extend_from_slice(&bytes);
        }
    }
    if length > MAX_BYTES {
        let message = format!("the body is longer than {MAX_BYTES} bytes");
        return Err(ServiceError { status: StatusCode::PAYLOAD_TOO_LARGE, message });
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(length);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use std::convert::Infallible;

    fn pieces(pieces: Vec<Vec<u8>>) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        StreamBody::new(stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece.into())))))
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_read_whole() {
        assert_eq!(read(Full::new(Bytes::from("abc"))).await.unwrap(), "abc");
        let body = pieces(vec![b"a".to_vec(), vec![], b"bc".to_vec(), b"d".to_vec()]);
        assert_eq!(read(body).await.unwrap(), "abcd");
        assert_eq!(read(pieces(vec![])).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_is_too_large_from_the_first_byte_over_the_limit() {
        assert_eq!(read(pieces(vec![vec![b' '; MAX_BYTES - 1], vec![b' ']])).await.unwrap().len(), MAX_BYTES);
        for body in [vec![vec![b' '; MAX_BYTES], vec![b' ']], vec![vec![b' '; MAX_BYTES]; 64]] {
            assert_eq!(read(pieces(body)).await.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
}
