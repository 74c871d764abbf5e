//! HDR histograms: encoding, percentiles, buckets.
