//! Tests of header blocks: the RFC's examples, and blocks of an encoder that uses every representation.

use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

const HEAD: Block = Block { has_pseudo: true, is_interim: false };

#[test]
fn the_table_has_the_sizes_of_the_rfcs_examples() {
    // RFC 7541, C.6: responses with Huffman codes, and a table of 256 bytes.
    let mut table = Table { max: 256, ..Table::default() };
    for (block, size) in [
        (
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b \
             97c8 e9ae 82ae 43d3",
            222,
        ),
        ("4883 640e ffc1 c0bf", 222),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf \
             cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
            215,
        ),
    ] {
        assert_eq!(table.read(&bytes(block)), Some(HEAD));
        assert_eq!(table.size, size);
    }
}

#[test]
fn pseudo_headers_are_found_in_every_representation() {
    for block in [
        &[0x8e][..],                            // static
        b"\x08\x03500",                         // static name, not indexed
        b"\x48\x03500",                         // static name, indexed
        b"\x00\x07:status\x03500",              // literal
        b"\x10\x85\xb8\x84\x8d\x36\xa3\x03500", // Huffman code, never indexed
        b"\x00\x01a\x01b\x8e",                  // after another field
        b"\x20\x3f\xe1\x1f\x8e",                // after updates of the table's size
    ] {
        assert_eq!(Table::default().read(block), Some(HEAD), "{block:x?}");
    }
    let mut table = Table::default();
    assert_eq!(table.read(b"\x48\x03500\x40\x01a\x01b"), Some(HEAD));
    assert_eq!(table.read(&[0xbe]), Some(Block::default()));
    assert_eq!(table.read(&[0xbf]), Some(HEAD));
    assert_eq!(table.read(b"\x0f\x30\x01x"), Some(HEAD), "only the name");
    assert_eq!(table.read(&[0xc0]), None, "no such entry");
    assert_eq!(table.read(&[0x20]), Some(Block::default()));
    assert_eq!(table.read(&[0xbe]), None, "evicted");
}

#[test]
fn interim_responses_differ_from_final_ones() {
    let interim = Some(Block { has_pseudo: true, is_interim: true });
    let mut table = Table::default();
    assert_eq!(table.read(b"\x48\x03103\x40\x01a\x01b"), interim);
    assert_eq!(table.read(&[0xbf]), interim);
    assert_eq!(table.read(b"\x0f\x30\x03200"), Some(HEAD), "another value of the same name");
    assert_eq!(table.read(b"\x08\x82\x08\x19"), interim, "Huffman code");
}

#[test]
fn malformed_blocks_are_rejected() {
    for block in [
        &b"\x48"[..],
        b"\x48\x03",
        b"\x48\x0350",
        b"\x80",
        b"\xff",
        b"\xff\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\x00",
        b"\x3f\xe2\x1f",                  // a table of 4097 bytes
        b"\x40\x01a\x84\xff\xff\xff\xfc", // EOS
    ] {
        assert_eq!(Table::default().read(block), None, "{block:x?}");
    }
}

/// A field as the encoder below sends it.
#[derive(Clone, Debug)]
struct Sent {
    /// Index into [`NAMES`].
    name: usize,
    value: String,
    /// Representation: indexed if possible, literal with indexing, without, or never indexed.
    representation: u8,
    /// Uses the index of a name if there is one.
    by_index: bool,
    /// New maximum of the table, sent ahead of the field.
    resize: Option<usize>,
}

/// Names with their static index, or 0.
const NAMES: [(&str, usize); 7] =
    [(":status", 8), (":path", 4), ("date", 33), ("etag", 34), ("x", 0), ("grpc-status", 0), (":other", 0)];

/// An encoder that keeps the names and values themselves.
struct Encoder {
    entries: Vec<(usize, String)>,
    max: usize,
}

impl Encoder {
    fn evict(&mut self, room: usize) {
        let size = |(name, value): &(usize, String)| NAMES[*name].0.len() + value.len() + 32;
        while self.entries.iter().map(size).sum::<usize>() > room {
            self.entries.pop();
        }
    }

    fn send(&mut self, field: &Sent, block: &mut Vec<u8>) {
        if let Some(max) = field.resize {
            self.max = max;
            self.evict(max);
            push_integer(block, 0x20, 5, max);
        }
        let (name, static_index) = NAMES[field.name];
        let entry = (field.name, field.value.clone());
        let known = self.entries.iter().position(|other| *other == entry);
        if let (0, Some(at)) = (field.representation, known) {
            return push_integer(block, 0x80, 7, at + 62);
        }
        let dynamic = self.entries.iter().position(|other| other.0 == field.name).map(|at| at + 62);
        let index = dynamic.unwrap_or(static_index);
        let index = if field.by_index { index } else { 0 };
        match field.representation {
            0 | 1 => push_integer(block, 0x40, 6, index),
            2 => push_integer(block, 0, 4, index),
            _ => push_integer(block, 0x10, 4, index),
        }
        let texts = [name, &field.value];
        for text in &texts[usize::from(index > 0)..] {
            push_integer(block, 0, 7, text.len());
            block.extend(text.as_bytes());
        }
        if field.representation <= 1 {
            let size = name.len() + field.value.len() + 32;
            self.evict(self.max.saturating_sub(size));
            if size <= self.max {
                self.entries.insert(0, entry);
            }
        }
    }
}

fn push_integer(block: &mut Vec<u8>, flags: u8, bits: u32, value: usize) {
    let mask = (1 << bits) - 1;
    if value < mask {
        return block.push(flags | value as u8);
    }
    block.push(flags | mask as u8);
    let mut rest = value - mask;
    while rest >= 128 {
        block.push((rest % 128 + 128) as u8);
        rest /= 128;
    }
    block.push(rest as u8);
}

fn sent() -> impl Strategy<Value = Sent> {
    let value =
        prop_oneof![Just("103".to_owned()), Just("200".to_owned()), Just("500".to_owned()), "[a-c]{0,2}", "x{0,300}"];
    let resize = prop_oneof![9 => Just(None), 1 => (0..=MAX_TABLE).prop_map(Some)];
    (0..NAMES.len(), value, 0..4_u8, any::<bool>(), resize).prop_map(
        |(name, value, representation, by_index, resize)| Sent { name, value, representation, by_index, resize },
    )
}

proptest! {
    #[test]
    fn blocks_of_any_encoder_are_read(blocks in prop::collection::vec(prop::collection::vec(sent(), 0..8), 1..40)) {
        let mut encoder = Encoder { entries: Vec::new(), max: MAX_TABLE };
        let mut table = Table::default();
        for fields in blocks {
            let mut block = Vec::new();
            fields.iter().for_each(|field| encoder.send(field, &mut block));
            let pseudo: Vec<_> = fields.iter().filter(|field| NAMES[field.name].0.starts_with(':')).collect();
            let expected = Block {
                has_pseudo: !pseudo.is_empty(),
                is_interim: !pseudo.is_empty() && pseudo.iter().all(|field| field.value.starts_with('1')),
            };
            prop_assert_eq!(table.read(&block), Some(expected));
            let sizes: Vec<_> = encoder.entries.iter().map(|(name, value)| NAMES[*name].0.len() + value.len() + 32).collect();
            prop_assert_eq!(table.entries.iter().map(|entry| entry.size).collect::<Vec<_>>(), sizes);
        }
    }

    #[test]
    fn any_bytes_are_read_within_bounds(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..20)) {
        let mut table = Table::default();
        for block in blocks {
            let _ = table.read(&block);
            prop_assert!(table.size <= MAX_TABLE && table.entries.len() <= MAX_TABLE / OVERHEAD);
            prop_assert_eq!(table.size, table.entries.iter().map(|entry| entry.size).sum::<usize>());
        }
    }
}
