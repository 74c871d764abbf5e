//! Random values that requests may hold, made of random bits that are passed in.

use std::sync::Arc;

/// Longest random text.
const MAX_TEXT: i64 = 1 << 16;

/// What a random text is made of.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Gives sixty-four random bits.
pub type RandomBits = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Evenly from 0 up to, not including, `end`.
fn below(random: &RandomBits, end: u64) -> u64 {
    ((u128::from(random()) * u128::from(end)) >> 64) as u64
}

/// A UUID of version 4 (RFC 9562, 5.4).
pub fn uuid(random: &RandomBits) -> String {
    let (high, low) = (random(), random());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

/// A whole number from `low` up to, not including, `high`; an error where there is none.
pub fn integer(random: &RandomBits, low: i64, high: i64) -> Result<i64, String> {
    if high <= low {
        return Err(format!("randomInt {low} {high}: expected a lower and a higher number"));
    }
    Ok(low.wrapping_add_unsigned(below(random, high.abs_diff(low))))
}

/// Letters and digits; 2 to 16 of them for a length of 0 or less. An error beyond 65,536.
pub fn text(random: &RandomBits, length: i64) -> Result<String, String> {
    let length = match length {
        ..=0 => 2 + below(random, 15) as i64,
        length @ 1..=MAX_TEXT => length,
        length => return Err(format!("randomString {length}: expected at most {MAX_TEXT}")),
    };
    let letter = |_| char::from(LETTERS[below(random, LETTERS.len() as u64) as usize]);
    Ok((0..length).map(letter).collect())
}
