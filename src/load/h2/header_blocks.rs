//! Finds pseudo-headers in the header blocks of one connection.
//!
//! Headers are not decoded, because that would cost the load generator time. Of each entry of the dynamic table, only the kind is kept, and
//! the sizes, which decide when entries are evicted. Memory is bounded by the table, and time by the length of a block.
//!
//! Source: RFC 7541, "HPACK".

use std::collections::VecDeque;

/// Maximum size of the dynamic table: we never send SETTINGS_HEADER_TABLE_SIZE, so its initial value applies (RFC 9113, 6.5.2).
const MAX_TABLE: usize = 4096;

/// Size of an entry beyond its name and value.
const OVERHEAD: usize = 32;

/// Lengths of the names in the static table.
const STATIC: [usize; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12, 6, 4,
    4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
];

/// Last index of a pseudo-header in the static table.
const LAST_PSEUDO: usize = 14;

/// Number of symbols by the length of their Huffman code in bits. The code is canonical, so the lengths define it. Without EOS,
/// which no string contains.
const CODES: [u32; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 3];

/// Longest integer beyond its prefix, in bits: the `h2` crate rejects longer ones, too.
const MAX_SHIFT: u32 = 21;

/// Kind of a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Field,
    Pseudo,
    /// Pseudo-header whose value starts with 1: `:status` of an interim response.
    Interim,
}

/// Entry of the dynamic table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Length of the name.
    name: usize,
    size: usize,
    kind: Kind,
}

/// Contents of a header block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) has_pseudo: bool,
    /// True for the head of an interim response.
    pub(super) is_interim: bool,
}

/// Dynamic table of the peer's encoder.
#[derive(Debug)]
pub(super) struct Table {
    /// Newest first.
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, max: MAX_TABLE }
    }
}

impl Table {
    /// Reads the next block of the connection; `None` if it is malformed.
    pub(super) fn read(&mut self, block: &[u8]) -> Option<Block> {
        let (mut has_pseudo, mut is_final, mut rest) = (false, false, block);
        while let Some(first) = rest.first().copied() {
            let kind = match first {
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    self.kind(index)?
                }
                0x40..0x80 => self.literal(&mut rest, 6, true)?,
                0x20..0x40 => {
                    self.max = Some(integer(&mut rest, 5)?).filter(|max| *max <= MAX_TABLE)?;
                    self.evict(self.max);
                    continue;
                }
                _ => self.literal(&mut rest, 4, false)?,
            };
            has_pseudo |= kind != Kind::Field;
            is_final |= kind == Kind::Pseudo;
        }
        Some(Block { has_pseudo, is_interim: has_pseudo && !is_final })
    }

    /// Reads a literal field whose index has `bits` bits.
    fn literal(&mut self, rest: &mut &[u8], bits: u32, is_indexed: bool) -> Option<Kind> {
        let index = integer(rest, bits)?;
        let (is_pseudo, name) = if index == 0 {
            let name = Text::read(rest)?;
            // Only the table needs the length.
            (name.starts_with_colon(), if is_indexed { name.length()? } else { 0 })
        } else {
            (self.kind(index)? != Kind::Field, self.name(index)?)
        };
        let value = Text::read(rest)?;
        let kind = match is_pseudo {
            false => Kind::Field,
            true if value.starts_with_one() => Kind::Interim,
            true => Kind::Pseudo,
        };
        if is_indexed {
            let size = name + value.length()? + OVERHEAD;
            self.evict(self.max.saturating_sub(size));
            // An entry that is larger than the table empties it (RFC 7541, 4.4).
            if size <= self.max {
                self.entries.push_front(Entry { name, size, kind });
                self.size += size;
            }
        }
        Some(kind)
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        match index {
            0 => None,
            1..=LAST_PSEUDO => Some(Kind::Pseudo),
            _ if index <= STATIC.len() => Some(Kind::Field),
            _ => self.entries.get(index - STATIC.len() - 1).map(|entry| entry.kind),
        }
    }

    /// Returns the length of a name.
    fn name(&self, index: usize) -> Option<usize> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some(length) => Some(*length),
            None => self.entries.get(index - STATIC.len()).map(|entry| entry.name),
        }
    }

    /// Removes the oldest entries until the others have at most `size`.
    fn evict(&mut self, size: usize) {
        while self.size > size {
            let Some(oldest) = self.entries.pop_back() else { return };
            self.size -= oldest.size;
        }
    }
}

/// A name or a value.
struct Text<'a> {
    bytes: &'a [u8],
    is_huffman: bool,
}

impl<'a> Text<'a> {
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        let is_huffman = rest.first()? & 0x80 != 0;
        let length = integer(rest, 7)?;
        let (bytes, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(Self { bytes, is_huffman })
    }

    fn starts_with_colon(&self) -> bool {
        self.bytes.first().is_some_and(|byte| if self.is_huffman { byte >> 1 == 0b101_1100 } else { *byte == b':' })
    }

    fn starts_with_one(&self) -> bool {
        self.bytes.first().is_some_and(|byte| if self.is_huffman { byte >> 3 == 0b0_0001 } else { *byte == b'1' })
    }

    /// Returns the decoded length; `None` if a code does not exist.
    fn length(&self) -> Option<usize> {
        if !self.is_huffman {
            return Some(self.bytes.len());
        }
        // Codes of one length are consecutive numbers from `first` on.
        let (mut symbols, mut code, mut first, mut bits) = (0, 0_u32, 0_u32, 0_usize);
        for byte in self.bytes {
            for bit in (0..8).rev() {
                code = code << 1 | u32::from(byte >> bit & 1);
                first <<= 1;
                bits += 1;
                let count = *CODES.get(bits)?;
                if code - first < count {
                    symbols += 1;
                    (code, first, bits) = (0, 0, 0);
                } else {
                    first += count;
                }
            }
        }
        // The rest is padding.
        Some(symbols)
    }
}

/// Reads an integer from the last `bits` bits of the first byte, and the bytes after it (RFC 7541, 5.1).
fn integer(rest: &mut &[u8], bits: u32) -> Option<usize> {
    let (first, mut after) = rest.split_first()?;
    let mask = (1 << bits) - 1;
    let mut value = usize::from(*first) & mask;
    if value == mask {
        let mut shift = 0;
        loop {
            let (byte, behind) = after.split_first()?;
            after = behind;
            if shift > MAX_SHIFT {
                return None;
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = after;
    Some(value)
}

#[cfg(test)]
#[path = "header_blocks_tests.rs"]
mod tests;
