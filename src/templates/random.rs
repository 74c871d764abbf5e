//! Random values for templates, derived from random bits that are passed in.

use std::sync::Arc;

/// Maximum length of a random string.
const MAX_TEXT: i64 = 1 << 16;

/// Characters of random strings.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A source of 64 random bits.
pub(crate) type RandomBits = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Returns a uniformly distributed integer from 0 up to, but not including, `end`.
fn below(random: &RandomBits, end: u64) -> u64 {
    ((u128::from(random()) * u128::from(end)) >> 64) as u64
}

/// Returns a UUID of version 4 (RFC 9562, section 5.4).
pub(crate) fn uuid(random: &RandomBits) -> String {
    let (high, low) = (random(), random());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

/// Returns an integer from `low` up to, but not including, `high`; fails if the range is empty.
pub(crate) fn integer(random: &RandomBits, low: i64, high: i64) -> Result<i64, String> {
    if high <= low {
        return Err(format!("randomInt {low} {high}: expected MIN below MAX"));
    }
    Ok(low.wrapping_add_unsigned(below(random, high.abs_diff(low))))
}

/// Letters and digits; between 2 and 16 of them if the length is 0 or less. Fails beyond 65,536.
pub(crate) fn text(random: &RandomBits, length: i64) -> Result<String, String> {
    let length = match length {
        ..=0 => 2 + below(random, 15) as i64,
        length @ 1..=MAX_TEXT => length,
        length => return Err(format!("randomString {length}: expected at most {MAX_TEXT}")),
    };
    let letter = |_| char::from(LETTERS[below(random, LETTERS.len() as u64) as usize]);
    Ok((0..length).map(letter).collect())
}
