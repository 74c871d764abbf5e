//! Decodes arbitrary histograms, as they are and with a valid envelope around arbitrary cells: what is accepted survives a round trip.
#![no_main]

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use iter8::metrics::histogram;
use iter8::model::histogram::EncodedHistogram;
use libfuzzer_sys::fuzz_target;

/// Returns a histogram in HdrHistogram's compressed V2 format with these cells.
fn enveloped(digits: u8, highest: u64, cells: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    plain.extend(0x1c84_9313_u32.to_be_bytes());
    plain.extend((cells.len() as u32).to_be_bytes());
    plain.extend(0_u32.to_be_bytes());
    plain.extend(u32::from(digits).to_be_bytes());
    plain.extend(1_u64.to_be_bytes());
    plain.extend(highest.to_be_bytes());
    plain.extend(1.0_f64.to_be_bytes());
    plain.extend(cells);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let body = encoder.finish().unwrap();
    let mut packed = Vec::new();
    packed.extend(0x1c84_9314_u32.to_be_bytes());
    packed.extend((body.len() as u32).to_be_bytes());
    packed.extend(body);
    packed
}

fuzz_target!(|input: (Option<(u8, u64)>, u64, &[u8])| {
    let (envelope, count, bytes) = input;
    let data = match envelope {
        Some((digits, highest)) => STANDARD.encode(enveloped(digits, highest, bytes)),
        None => String::from_utf8_lossy(bytes).into_owned(),
    };
    let encoded = EncodedHistogram { unit: histogram::UNIT.to_owned(), count, data };
    let decoded = match histogram::decode(&encoded) {
        Ok(decoded) => decoded,
        // The right count is hard to guess.
        Err(histogram::HistogramError::Count { held, .. }) => {
            histogram::decode(&EncodedHistogram { count: held, ..encoded }).expect("the count is right")
        }
        Err(_) => return,
    };
    for percentile in [0.0, 50.0, 99.9, 100.0] {
        assert!(histogram::percentile_ms(&decoded, percentile) >= 0.0);
    }
    let buckets = histogram::buckets(&decoded, 20);
    assert!(buckets.len() <= 20);
    let encoded = histogram::encode(&decoded).expect("a decoded histogram can be encoded");
    let again = histogram::decode(&encoded).expect("an encoded histogram can be decoded");
    assert!(again == decoded, "the round trip changes the histogram");
});
