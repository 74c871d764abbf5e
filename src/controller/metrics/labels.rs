//! Labels and their values.

use std::fmt::{Debug, Error};
use std::hash::Hash;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

/// Labels with a known set of values.
pub(super) trait Labelled: EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static {
    fn all() -> Vec<Self>;
}

/// Values of a label.
pub(super) trait LabelValue: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    const ALL: &'static [Self];

    fn as_str(&self) -> &'static str;
}

macro_rules! label_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl LabelValue for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn as_str(&self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

label_values! {
    /// Errors of a reconciliation.
    ErrorReason {
        InvalidRoutemap = "invalid_routemap",
        TypeNotAllowed = "type_not_allowed",
        TemplateFailed = "template_failed",
        /// A template rendered an object that must not be applied.
        InvalidObject = "invalid_object",
        /// Another template or routemap renders the same object.
        Contested = "contested",
        /// Another field manager owns the routes.
        OwnedByOthers = "owned_by_others",
        /// A retry may help.
        ApplyFailed = "apply_failed",
        ApplyRejected = "apply_rejected",
        /// A type that the routemap names cannot be read.
        Undecided = "undecided",
    }
}

label_values! {
    /// Reasons for Events that were not created.
    DropReason {
        /// Too many of one object.
        Limit = "limit",
        /// Too many wait.
        Queue = "queue",
        /// The API server did not create it.
        Failed = "failed",
    }
}

label_values! {
    /// Errors of watches.
    WatchReason {
        Forbidden = "forbidden",
        Unauthorized = "unauthorized",
        /// The type does not exist.
        NotFound = "not_found",
        Unreachable = "unreachable",
        /// Any other error response.
        Refused = "refused",
        /// The API server no longer has the changes since the last event (410 Gone), so everything is listed again.
        Expired = "expired",
        /// The connection of an open watch broke.
        Disconnected = "disconnected",
    }
}

label_values! {
    /// Results of a reconciliation.
    ResultLabel {
        Applied = "applied",
        Unchanged = "unchanged",
        Error = "error",
    }
}

/// Label `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reason<T>(pub(super) T);

impl<T: LabelValue> Labelled for Reason<T> {
    fn all() -> Vec<Self> {
        T::ALL.iter().cloned().map(Self).collect()
    }
}

impl<T: LabelValue> EncodeLabelSet for Reason<T> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        ("reason", self.0.as_str()).encode(encoder.encode_label())
    }
}

impl Labelled for ResultLabel {
    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }
}

impl EncodeLabelSet for ResultLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        ("result", self.as_str()).encode(encoder.encode_label())
    }
}

/// Labels `resource` and `reason` of watches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WatchLabels {
    pub(super) resource: String,
    pub(super) reason: WatchReason,
}

impl WatchLabels {
    /// Returns the labels of all series of a resource.
    pub(super) fn all(resource: &str) -> impl Iterator<Item = Self> {
        WatchReason::ALL.iter().map(move |reason| Self { resource: resource.to_owned(), reason: *reason })
    }
}

impl EncodeLabelSet for WatchLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        ("resource", self.resource.as_str()).encode(encoder.encode_label())?;
        ("reason", self.reason.as_str()).encode(encoder.encode_label())
    }
}
