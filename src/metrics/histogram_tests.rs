//! Tests of the histograms: properties over random values, and hostile encodings.

use std::io::Write;

use proptest::prelude::*;

use super::*;

fn recorded(values: &[u64]) -> Histogram {
    let mut histogram = new();
    for value in values {
        histogram.saturating_record(*value);
    }
    histogram
}

fn packed(plain: &[u8]) -> EncodedHistogram {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    let body = encoder.finish().unwrap();
    let mut bytes = (COOKIES.0 | WORD_SIZE).to_be_bytes().to_vec();
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    EncodedHistogram { unit: UNIT.into(), count: 1, data: STANDARD.encode(bytes) }
}

fn plain(len: u32, digits: u32, low: u64, high: u64, cells: &[u8]) -> Vec<u8> {
    let mut bytes = (COOKIES.1 | WORD_SIZE).to_be_bytes().to_vec();
    bytes.extend(len.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(digits.to_be_bytes());
    bytes.extend(low.to_be_bytes());
    bytes.extend(high.to_be_bytes());
    bytes.extend(1.0_f64.to_be_bytes());
    bytes.extend(cells);
    bytes
}

#[test]
fn percentiles_have_the_shortest_spelling() {
    for (p, name) in [(50.0, "p50"), (99.9, "p99.9"), (99.95, "p99.95"), (100.0, "p100"), (0.5, "p0.5")] {
        assert_eq!(percentile_name(p), name);
    }
}

#[test]
fn an_empty_histogram_reads_as_zero_and_survives_encoding() {
    let empty = new();
    assert_eq!((min_ms(&empty), max_ms(&empty), mean_ms(&empty), percentile_ms(&empty, 99.0)), (0.0, 0.0, 0.0, 0.0));
    assert_eq!(stddev_ms(&empty), 0.0);
    assert!(buckets(&empty, 10).is_empty());
    assert_eq!(decode(&encode(&empty).unwrap()).unwrap(), empty);
}

#[test]
fn values_are_kept_to_three_significant_digits() {
    let histogram = recorded(&[10_000, 20_000, 30_000, 1_000_000]);
    assert!((percentile_ms(&histogram, 50.0) - 20.0).abs() < 0.02);
    assert!((max_ms(&histogram) - 1000.0).abs() < 1.0);
    assert!((mean_ms(&histogram) - 265.0).abs() < 0.265);
}

#[test]
fn a_header_that_promises_more_than_there_is_is_rejected_before_memory_is_allocated() {
    let gigabytes = packed(&plain(u32::MAX, 3, 1, 3_600_000_000, &[2]));
    assert_eq!(decode(&gigabytes), Err(HistogramError::Damaged("its length differs from the one in its header")));
    let bomb = packed(&vec![0; 50_000_000]);
    assert!(bomb.data.len() < MAX_BASE64);
    assert_eq!(decode(&bomb), Err(HistogramError::TooLarge(MAX_INFLATED)));
    let long = EncodedHistogram { unit: UNIT.into(), count: 1, data: "A".repeat(MAX_BASE64 + 4) };
    assert_eq!(decode(&long), Err(HistogramError::TooLarge(MAX_BASE64)));
}

#[test]
fn hostile_headers_and_cells_are_rejected() {
    let skip_most = [0xff; 9];
    let many =
        [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let cases: [(Vec<u8>, &str); 8] = [
        (plain(9, 3, 1, 3_600_000_000, &skip_most), "more values or cells"),
        (plain(18, 3, 1, 3_600_000_000, &many), "more values or cells"),
        (plain(1, 3, 1, 3_600_000_000, &[0x80]), "within a cell"),
        (plain(1, 5, 1, 3_600_000_000, &[2]), "significant digits"),
        (plain(1, 3, 1, u64::MAX, &[2]), "range"),
        (plain(1, 3, 0, 100, &[2]), "range"),
        (vec![1, 2, 3], "within its header"),
        (vec![0; 60], "inner part"),
    ];
    for (bytes, expected) in cases {
        let error = decode(&packed(&bytes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} should mention {expected}");
    }
    let base = encode(&recorded(&[5])).unwrap();
    let error = decode(&EncodedHistogram { unit: "msec".into(), ..base.clone() }).unwrap_err();
    assert_eq!(error.to_string(), "the histogram is in `msec`, expected `usec`");
    let error = decode(&EncodedHistogram { count: 7, ..base.clone() }).unwrap_err();
    assert_eq!(error.to_string(), "the histogram has 1 values, but states 7");
    assert_eq!(decode(&EncodedHistogram { data: "%".into(), ..base }), Err(HistogramError::Base64));
}

#[test]
fn fewer_digits_keep_every_value_and_take_less_room() {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    // Spread over three orders of magnitude, as a service with a long tail is.
    let values: Vec<u64> = (0..20_000).map(|_| (10_f64.powf(3.0 + 3.0 * next())) as u64).collect();
    let fine = recorded(&values);
    let coarse = coarser(&fine, 1);
    assert_eq!(coarse.len(), fine.len());
    assert!(encode(&coarse).unwrap().data.len() < 1_000 && encode(&fine).unwrap().data.len() > 4_000);
    assert!((percentile_ms(&coarse, 50.0) / percentile_ms(&fine, 50.0) - 1.0).abs() < 0.1);
    assert_eq!(decode(&encode(&coarse).unwrap()).unwrap(), coarse);
}

fn latencies() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![0_u64..2_000, 0_u64..4_000_000_000], 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn percentiles_rise_within_minimum_and_maximum(values in latencies(), mut ps in prop::collection::vec(0.0_f64..=100.0, 1..9)) {
        let histogram = recorded(&values);
        ps.sort_by(f64::total_cmp);
        let read: Vec<f64> = ps.iter().map(|p| percentile_ms(&histogram, *p)).collect();
        prop_assert!(read.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(read.iter().all(|ms| (min_ms(&histogram)..=max_ms(&histogram)).contains(ms)));
        let mean = mean_ms(&histogram);
        prop_assert!(mean >= min_ms(&histogram) * 0.999 && mean <= max_ms(&histogram) * 1.001);
    }

    #[test]
    fn merging_is_recording_everything_in_one(left in latencies(), right in latencies()) {
        let (mut ab, mut ba) = (recorded(&left), recorded(&right));
        merge(&mut ab, &recorded(&right));
        merge(&mut ba, &recorded(&left));
        let union = recorded(&[left, right].concat());
        prop_assert_eq!(&ab, &union);
        prop_assert_eq!(&ba, &union);
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same(values in latencies()) {
        let histogram = recorded(&values);
        let decoded = decode(&encode(&histogram).unwrap()).unwrap();
        prop_assert_eq!(&decoded, &histogram);
        prop_assert_eq!(decoded.len(), values.len() as u64);
    }

    #[test]
    fn buckets_are_few_ordered_and_complete(values in latencies(), max in 1_usize..40) {
        let histogram = recorded(&values);
        let merged = buckets(&histogram, max);
        prop_assert!(merged.len() <= max);
        prop_assert_eq!(merged.iter().map(|b| b.count).sum::<u64>(), values.len() as u64);
        prop_assert!(merged.iter().all(|b| b.lower < b.upper && b.count > 0));
        prop_assert!(merged.windows(2).all(|pair| pair[0].upper <= pair[1].lower));
    }

    #[test]
    fn damaged_encodings_never_panic(values in latencies(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = encode(&recorded(&values)).unwrap();
        let bytes = STANDARD.decode(&good.data).unwrap();
        let mut inner = inflate(&bytes).unwrap();
        let place = at.index(inner.len());
        inner[place] = byte;
        let _ = decode(&packed(&inner));
        let mut outer = bytes;
        let place = at.index(outer.len());
        outer[place] = byte;
        let _ = decode(&EncodedHistogram { data: STANDARD.encode(outer), ..good });
    }
}
