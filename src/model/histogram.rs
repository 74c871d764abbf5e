//! Histograms as files hold them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An HDR histogram (3 significant digits), losslessly mergeable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EncodedHistogram {
    /// Unit of the recorded values: `usec`.
    pub unit: String,
    /// Number of recorded values.
    pub count: u64,
    /// The histogram in HdrHistogram's V2 format, DEFLATE-compressed, in base64.
    pub data: String,
}
