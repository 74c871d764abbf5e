//! Wire format of protobuf: a message of any type is a sequence of fields.
//!
//! Checks messages without their types, so that embedded messages and strings count as bytes. Needs no memory but for groups.
//!
//! Source: Protocol Buffers, "Encoding".

/// Largest number of a field.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// Maximum depth of groups, as in other decoders.
pub(super) const MAX_DEPTH: usize = 100;

/// Position of the last byte of a varint of 64 bits; it has one bit.
const LAST_SHIFT: u32 = 63;

/// Bytes are not in the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The part of a field that comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Tag,
    Varint,
    Length,
    /// As many bytes of any value.
    Bytes(u64),
}

/// Check of one message, which comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Wire {
    part: Part,
    /// The varint so far.
    value: u64,
    shift: u32,
    /// Numbers of open groups, the innermost last.
    groups: Vec<u64>,
}

impl Wire {
    /// Checks the next bytes.
    pub(super) fn feed(&mut self, mut data: &[u8]) -> Result<(), Malformed> {
        while let Some((&byte, rest)) = data.split_first() {
            if let Part::Bytes(left) = self.part {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.skip(left - count as u64);
                data = &data[count..];
                continue;
            }
            data = rest;
            if let Some(value) = self.varint(byte)? {
                self.part_ends(value)?;
            }
        }
        Ok(())
    }

    /// Checks that the message may end here.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        let is_complete = self.part == Part::Tag && self.shift == 0 && self.groups.is_empty();
        if is_complete { Ok(()) } else { Err(Malformed) }
    }

    /// Returns the varint that ends with `byte`, if it does.
    fn varint(&mut self, byte: u8) -> Result<Option<u64>, Malformed> {
        if self.shift == LAST_SHIFT && byte > 1 {
            return Err(Malformed);
        }
        self.value |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        if byte & 0x80 != 0 {
            return Ok(None);
        }
        self.shift = 0;
        Ok(Some(std::mem::take(&mut self.value)))
    }

    fn part_ends(&mut self, value: u64) -> Result<(), Malformed> {
        match self.part {
            Part::Tag => return self.field(value >> 3, value & 7),
            Part::Varint => self.part = Part::Tag,
            Part::Length => self.skip(value),
            Part::Bytes(_) => {}
        }
        Ok(())
    }

    /// Starts a field of this wire type.
    fn field(&mut self, number: u64, wire_type: u64) -> Result<(), Malformed> {
        if number == 0 || number > MAX_FIELD {
            return Err(Malformed);
        }
        match wire_type {
            0 => self.part = Part::Varint,
            1 => self.skip(8),
            2 => self.part = Part::Length,
            3 if self.groups.len() < MAX_DEPTH => self.groups.push(number),
            4 if self.groups.pop() == Some(number) => {}
            5 => self.skip(4),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn skip(&mut self, count: u64) {
        self.part = if count == 0 { Part::Tag } else { Part::Bytes(count) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]]) -> Result<(), Malformed> {
        let mut wire = Wire::default();
        pieces.iter().try_for_each(|piece| wire.feed(piece))?;
        wire.end()
    }

    /// Every kind of field, each a message of its own.
    const FIELDS: [&[u8]; 8] = [
        b"\x08\x00",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x09\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x0a\x00",
        b"\x0a\x03\xff\xff\xff",
        b"\x0d\xff\xff\xff\xff",
        b"\x0b\x08\x01\x13\x14\x0c",
        b"\xf8\xff\xff\xff\x0f\x01",
    ];

    #[test]
    fn fields_of_every_kind_are_valid_however_they_are_cut() {
        assert_eq!(check(&[]), Ok(()));
        let all = FIELDS.concat();
        for at in 0..=all.len() {
            assert_eq!(check(&[&all[..at], &all[at..]]), Ok(()), "{at}");
        }
    }

    #[test]
    fn a_message_that_ends_within_a_field_is_invalid() {
        for field in FIELDS {
            for end in 1..field.len() {
                assert_eq!(check(&[&field[..end]]), Err(Malformed), "{field:?} {end}");
            }
        }
    }

    #[test]
    fn invalid_tags_varints_and_groups_are_found() {
        let cases: [&[u8]; 8] = [
            b"\xff\xff\xff",
            b"\x00\x00",
            b"\x0e\x00",
            b"\x0f\x00",
            b"\xf8\xff\xff\xff\x1f\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x0c",
            b"\x0b\x14",
        ];
        for case in cases {
            assert_eq!(check(&[case]), Err(Malformed), "{case:?}");
        }
        assert_eq!(check(&[&[0x0b; 101], &[0x0c; 101]]), Err(Malformed));
        assert_eq!(check(&[&[0x0b; 100], &[0x0c; 100]]), Ok(()));
    }
}
