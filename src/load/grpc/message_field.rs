//! A field of a protobuf message, found by its number without decoding the rest.
//!
//! Source: Protocol Buffers, "Encoding".

use super::wire::MAX_DEPTH;

/// Path to a field with one value, and the type of that value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageField {
    /// Numbers of the fields on the way, the field's own last.
    pub path: Vec<u32>,
    /// Type of the value.
    pub kind: FieldKind,
    /// True if messages do not contain the field if it is 0, as in proto3.
    pub is_implicit: bool,
}

/// Types of fields that can name something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A string.
    Text,
    /// An integer in the plain encoding: `int32`, `int64`, or an enum.
    Signed,
    /// `uint32` or `uint64`.
    Unsigned,
}

impl MessageField {
    /// Returns the value as text; `None` if the message does not have the field, or if it is damaged. Of repeated values the last one
    /// counts.
    pub(super) fn value(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (last, path) = self.path.split_last()?;
        let parent = path.iter().try_fold(message, |message, number| match find(message, *number).ok()?? {
            Found::Bytes(bytes) => Some(bytes),
            Found::Varint(_) => None,
        })?;
        match (find(parent, *last).ok()?, self.kind) {
            (Some(Found::Bytes(bytes)), FieldKind::Text) => Some(bytes.to_vec()),
            (Some(Found::Varint(value)), FieldKind::Signed) => Some(value.cast_signed().to_string().into_bytes()),
            (Some(Found::Varint(value)), FieldKind::Unsigned) => Some(value.to_string().into_bytes()),
            (None, FieldKind::Signed | FieldKind::Unsigned) if self.is_implicit => Some(b"0".to_vec()),
            _ => None,
        }
    }
}

/// A message that is not in the wire format.
struct Damaged;

/// A value in the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found<'m> {
    Bytes(&'m [u8]),
    Varint(u64),
}

/// Returns the last value of a field outside of groups; `None` if there is none.
fn find(mut message: &[u8], number: u32) -> Result<Option<Found<'_>>, Damaged> {
    let mut found = None;
    let mut depth = 0_usize;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Some(Found::Varint(varint(&mut message)?)),
            1 => skip(&mut message, 8)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).map_err(|_| Damaged)?;
                let (bytes, rest) = message.split_at_checked(length).ok_or(Damaged)?;
                message = rest;
                Some(Found::Bytes(bytes))
            }
            3 if depth < MAX_DEPTH => {
                depth += 1;
                None
            }
            4 => {
                depth = depth.checked_sub(1).ok_or(Damaged)?;
                None
            }
            5 => skip(&mut message, 4)?,
            _ => return Err(Damaged),
        };
        if depth == 0 && tag >> 3 == u64::from(number) {
            found = value.or(found);
        }
    }
    Ok(found)
}

fn skip<'m>(message: &mut &[u8], count: usize) -> Result<Option<Found<'m>>, Damaged> {
    *message = message.get(count..).ok_or(Damaged)?;
    Ok(None)
}

fn varint(message: &mut &[u8]) -> Result<u64, Damaged> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or(Damaged)?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(path: &[u32], kind: FieldKind, message: &[u8]) -> Option<String> {
        let field = MessageField { path: path.to_vec(), kind, is_implicit: false };
        field.value(message).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn fields_are_found_among_others_of_every_kind() {
        let others = b"\x08\x07\x11\xff\xff\xff\xff\xff\xff\xff\xff\x1b\x2a\x01z\x1c\x25\xff\xff\xff\xff";
        let message = [others, &b"\x2a\x02v1\x32\x04\x0a\x02in"[..]].concat();
        assert_eq!(value(&[5], FieldKind::Text, &message).as_deref(), Some("v1"));
        assert_eq!(value(&[6, 1], FieldKind::Text, &message).as_deref(), Some("in"));
        assert_eq!(value(&[1], FieldKind::Signed, &message).as_deref(), Some("7"));
        let minus_one = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(value(&[1], FieldKind::Signed, minus_one).as_deref(), Some("-1"));
        assert_eq!(value(&[1], FieldKind::Unsigned, minus_one).as_deref(), Some("18446744073709551615"));
        assert_eq!(value(&[5], FieldKind::Text, b"\x2a\x01a\x2a\x01b").as_deref(), Some("b"), "the last one counts");
    }

    /// Messages of proto3 do not contain a number that is 0.
    #[test]
    fn an_absent_number_is_zero_if_its_message_is_there_and_whole() {
        let field = |path: &[u32], kind| MessageField { path: path.to_vec(), kind, is_implicit: true };
        for kind in [FieldKind::Signed, FieldKind::Unsigned] {
            assert_eq!(field(&[1], kind).value(b"").as_deref(), Some(&b"0"[..]));
            assert_eq!(field(&[2, 1], kind).value(b"\x12\x00").as_deref(), Some(&b"0"[..]));
            assert_eq!(field(&[2, 1], kind).value(b""), None, "the message around it is absent");
            assert_eq!(field(&[1], kind).value(b"\x80\x80"), None, "damaged");
            assert_eq!(field(&[1], kind).value(b"\x08\x07").as_deref(), Some(&b"7"[..]));
        }
        assert_eq!(field(&[1], FieldKind::Text).value(b""), None);
    }

    #[test]
    fn absent_fields_and_damaged_messages_have_no_value() {
        // The second one has the field in a group, which is field 3.
        for message in [
            &b""[..],
            b"\x1b\x2a\x01z\x1c",
            b"\x08",
            b"\x2a\x05v1",
            b"\x2a",
            b"\x2c",
            b"\x2f",
            b"\x80\x80",
            &[0x2b; 4096],
        ] {
            assert_eq!(value(&[5], FieldKind::Text, message), None, "{message:?}");
            assert_eq!(value(&[5, 1], FieldKind::Text, message), None, "{message:?}");
        }
        assert_eq!(value(&[5], FieldKind::Text, b"\x28\x01"), None, "another type");
        assert_eq!(value(&[], FieldKind::Text, b""), None);
    }
}
