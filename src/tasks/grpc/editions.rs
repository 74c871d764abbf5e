//! Files with protobuf editions, rewritten as proto2.
//!
//! The reflection library knows proto2 and proto3 only. For encoding messages, an edition differs from proto2 in four features, which proto2
//! can express (<https://protobuf.dev/editions/features>): required fields, packed lists, and delimited messages, which are groups. Only
//! *implicit presence* is lost: a zero that a request sets is sent, which receivers accept.
//!
//! `prost_types` has no editions either, so features are read from the encoded file.

use prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{DescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto};

/// Value of `syntax` in files with an edition.
const SYNTAX: &str = "editions";
/// `google.protobuf.Edition`: the supported ones.
const EDITIONS: [i32; 2] = [1000, 1001];

/// Values of `FeatureSet.FieldPresence`, `RepeatedFieldEncoding` and `MessageEncoding`.
const LEGACY_REQUIRED: i32 = 3;
const PACKED: i32 = 1;
const DELIMITED: i32 = 2;

/// Rewrites a file that has an edition. Files with `proto2` or `proto3` stay as they are.
pub(super) fn to_proto2(file: &mut FileDescriptorProto, encoded: &[u8]) -> Result<(), String> {
    match file.syntax.as_deref() {
        None | Some("" | "proto2" | "proto3") => return Ok(()),
        Some(SYNTAX) => {}
        Some(other) => {
            return Err(format!("`{}` has the syntax `{other}`; expected proto2, proto3 or an edition", file.name()));
        }
    }
    let features = FileFeatures::decode(encoded).map_err(|error| format!("`{}`: {error}", file.name()))?;
    if !EDITIONS.contains(&features.edition.unwrap_or_default()) {
        return Err(format!("`{}` has an unknown edition; expected 2023 or 2024", file.name()));
    }
    file.syntax = None;
    let inherited = Features::default().with(features.options.and_then(|options| options.features));
    for (message, features) in file.message_type.iter_mut().zip(&features.message_type) {
        rewrite_message(message, features, inherited);
    }
    for (extension, features) in file.extension.iter_mut().zip(&features.extension) {
        rewrite_field(extension, features, inherited);
    }
    Ok(())
}

/// Nesting is bounded, because decoding the file bounds it.
fn rewrite_message(message: &mut DescriptorProto, features: &MessageFeatures, inherited: Features) {
    // The fields of map entries are the same in all editions.
    if message.options.as_ref().is_some_and(|options| options.map_entry()) {
        return;
    }
    let own = inherited.with(features.options.and_then(|options| options.features));
    let maps: Vec<String> = message
        .nested_type
        .iter()
        .filter(|nested| nested.options.as_ref().is_some_and(|options| options.map_entry()))
        .map(|nested| format!(".{}.{}", message.name(), nested.name()))
        .collect();
    let oneofs: Vec<Features> =
        features.oneof_decl.iter().map(|oneof| own.with(oneof.options.and_then(|options| options.features))).collect();
    for (field, features) in message.field.iter_mut().zip(&features.field) {
        let oneof = field.oneof_index.and_then(|index| oneofs.get(usize::try_from(index).ok()?));
        let is_map = maps.iter().any(|map| field.type_name().ends_with(map));
        let inherited = *oneof.unwrap_or(&own);
        rewrite_field(field, features, Features { is_delimited: inherited.is_delimited && !is_map, ..inherited });
    }
    for (extension, features) in message.extension.iter_mut().zip(&features.extension) {
        rewrite_field(extension, features, own);
    }
    for (nested, features) in message.nested_type.iter_mut().zip(&features.nested_type) {
        rewrite_message(nested, features, own);
    }
}

fn rewrite_field(field: &mut FieldDescriptorProto, features: &FieldFeatures, inherited: Features) {
    let own = inherited.with(features.options.and_then(|options| options.features));
    if field.label() == Label::Repeated {
        let is_packable = !matches!(field.r#type(), Type::String | Type::Bytes | Type::Message | Type::Group);
        if is_packable {
            field.options.get_or_insert_with(FieldOptions::default).packed = Some(own.is_packed);
        }
    } else if own.is_required {
        field.label = Some(Label::Required.into());
    }
    if field.r#type() == Type::Message && own.is_delimited {
        field.r#type = Some(Type::Group.into());
    }
}

/// Features that change the encoding of a field.
#[derive(Clone, Copy, Debug)]
struct Features {
    is_required: bool,
    is_packed: bool,
    is_delimited: bool,
}

impl Default for Features {
    /// Defaults of editions 2023 and 2024.
    fn default() -> Self {
        Self { is_required: false, is_packed: true, is_delimited: false }
    }
}

impl Features {
    /// Overrides the inherited features with those that are set.
    fn with(self, set: Option<FeatureSet>) -> Self {
        let set = set.unwrap_or_default();
        Self {
            is_required: set.field_presence.map_or(self.is_required, |value| value == LEGACY_REQUIRED),
            is_packed: set.repeated_field_encoding.map_or(self.is_packed, |value| value == PACKED),
            is_delimited: set.message_encoding.map_or(self.is_delimited, |value| value == DELIMITED),
        }
    }
}

/// `google.protobuf.FeatureSet`.
#[derive(Clone, Copy, PartialEq, Message)]
struct FeatureSet {
    #[prost(int32, optional, tag = "1")]
    field_presence: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    repeated_field_encoding: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    message_encoding: Option<i32>,
}

/// The features in `google.protobuf.FileDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
struct FileFeatures {
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<MessageFeatures>,
    #[prost(message, repeated, tag = "7")]
    extension: Vec<FieldFeatures>,
    #[prost(message, optional, tag = "8")]
    options: Option<FileOptions>,
    #[prost(int32, optional, tag = "14")]
    edition: Option<i32>,
}

/// Those in `DescriptorProto`.
#[derive(Clone, PartialEq, Message)]
struct MessageFeatures {
    #[prost(message, repeated, tag = "2")]
    field: Vec<FieldFeatures>,
    #[prost(message, repeated, tag = "3")]
    nested_type: Vec<MessageFeatures>,
    #[prost(message, repeated, tag = "6")]
    extension: Vec<FieldFeatures>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptions>,
    #[prost(message, repeated, tag = "8")]
    oneof_decl: Vec<OneofFeatures>,
}

/// Those in `FieldDescriptorProto`.
#[derive(Clone, Copy, PartialEq, Message)]
struct FieldFeatures {
    #[prost(message, optional, tag = "8")]
    options: Option<FieldOptionsFeatures>,
}

/// Those in `OneofDescriptorProto`.
#[derive(Clone, Copy, PartialEq, Message)]
struct OneofFeatures {
    #[prost(message, optional, tag = "2")]
    options: Option<OneofOptions>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FileOptions {
    #[prost(message, optional, tag = "50")]
    features: Option<FeatureSet>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct MessageOptions {
    #[prost(message, optional, tag = "12")]
    features: Option<FeatureSet>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FieldOptionsFeatures {
    #[prost(message, optional, tag = "21")]
    features: Option<FeatureSet>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct OneofOptions {
    #[prost(message, optional, tag = "1")]
    features: Option<FeatureSet>,
}
