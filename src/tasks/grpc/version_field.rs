//! The field of a response message that names a version (`versionFrom.grpcField`).

use prost_reflect::{Kind, MethodDescriptor};
use suggest::nearest;

use super::plan::GrpcLoad;
use crate::load::attribution::Source;
use crate::load::grpc::{FieldKind, MessageField};
use crate::values::input::InputError;

/// Maximum fields that an error lists.
const MAX_LISTED: usize = 20;

/// Types of fields that can name a version.
const TYPES: &str = "string, int32, int64, uint32, uint64 or an enum";

/// Finds the field in the response of the method; `None` if versions are not read from a field.
pub(super) fn version_field(load: &GrpcLoad, method: &MethodDescriptor) -> Result<Option<MessageField>, InputError> {
    let Some(Source::Field(text)) = load.attribution.as_ref().map(|attribution| &attribution.source) else {
        return Ok(None);
    };
    let error = |message: String| InputError::new(load.paths.of("versionFrom").key("grpcField"), message);
    let mut message = method.output();
    let mut path = Vec::new();
    let mut names = text.split('.').peekable();
    while let Some(name) = names.next() {
        let Some(field) = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name)) else {
            let known: Vec<String> = message.fields().map(|field| field.name().to_owned()).collect();
            let listed = known.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
            let hint = nearest(name, known.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
            let error = error(format!("message `{}` has no field `{name}`; fields: {listed}", message.full_name()));
            return Err(hint.into_iter().fold(error, InputError::with_hint));
        };
        path.push(field.number());
        let is_last = names.peek().is_none();
        match field.kind() {
            _ if field.is_list() || field.is_map() => {
                let hint = "use a field with one value, or `versionFrom.header`";
                return Err(error(format!("field `{name}` has several values")).with_hint(hint));
            }
            Kind::Message(inner) if !is_last && !field.is_group() => message = inner,
            _ if !is_last => return Err(error(format!("field `{name}` is not a message"))),
            kind => {
                let Some(scalar) = scalar(&kind) else {
                    let message = format!("field `{name}` has a type that cannot name a version; expected {TYPES}");
                    return Err(error(message).with_hint("use another field, or `versionFrom.header`"));
                };
                return Ok(Some(MessageField { path, kind: scalar, is_implicit: !field.supports_presence() }));
            }
        }
    }
    Ok(None)
}

fn scalar(kind: &Kind) -> Option<FieldKind> {
    match kind {
        Kind::String => Some(FieldKind::Text),
        Kind::Int32 | Kind::Int64 | Kind::Enum(_) => Some(FieldKind::Signed),
        Kind::Uint32 | Kind::Uint64 => Some(FieldKind::Unsigned),
        _ => None,
    }
}
