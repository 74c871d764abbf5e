//! Tests of data that becomes messages.

use std::sync::Arc;

use chrono::DateTime;
use serde_json::json;

use super::*;
use crate::tasks::grpc::descriptors;
use crate::templates::grpc_template::Fixed;

const PROTO: &str = r#"
syntax = "proto3";
package a;
import "google/protobuf/timestamp.proto";
message Item { int64 id = 1; string name = 2; repeated Item parts = 3; bytes raw = 4; bool is_set = 5; double weight = 6;
  Color color = 7; map<string, int32> counts = 8; google.protobuf.Timestamp at = 9; oneof kind { string a = 10; int32 b = 11; } }
message Empty {}
enum Color { NONE = 0; RED = 1; }
"#;

fn bits() -> RandomBits {
    Arc::new(|| 7)
}

fn kind(name: &str) -> MessageDescriptor {
    descriptors::compile_text("a.proto", PROTO.as_bytes().to_vec()).unwrap().get_message_by_name(name).unwrap()
}

fn values(number: u64) -> CallValues {
    CallValues::new(number, DateTime::from_timestamp(0, 0).unwrap(), &bits(), &Fixed::new())
}

/// Decodes the messages of call 5 to JSON.
fn messages(data: &Value) -> Result<Vec<Value>, String> {
    let item = kind("a.Item");
    let encoded = Data::of_value(data, &bits())?.encode(&item, &values(5))?;
    let read = |bytes: Bytes| serde_json::to_value(DynamicMessage::decode(item.clone(), bytes).unwrap()).unwrap();
    Ok(encoded.into_iter().map(read).collect())
}

#[test]
fn json_becomes_messages_as_protobuf_maps_it() {
    let message = json!({"id": "12", "name": "x", "parts": [{"id": 1}], "raw": "AQI=", "is_set": true, "weight": 1.5,
        "color": "RED", "counts": {"k": 3}, "at": "2023-01-02T03:04:05Z", "b": 4});
    let read = messages(&message).unwrap();
    assert_eq!(read.len(), 1);
    for (path, expected) in [
        ("/id", json!("12")),
        ("/parts/0/id", json!("1")),
        ("/raw", json!("AQI=")),
        ("/isSet", json!(true)),
        ("/color", json!("RED")),
        ("/counts/k", json!(3)),
        ("/at", json!("2023-01-02T03:04:05Z")),
        ("/b", json!(4)),
    ] {
        assert_eq!(read[0].pointer(path), Some(&expected), "{path}");
    }
    assert_eq!(messages(&json!([{"id": 1}, {}])).unwrap(), [json!({"id": "1"}), json!({})]);
    assert_eq!(messages(&json!(r#"{"id": 3}"#)).unwrap(), [json!({"id": "3"})]);
}

#[test]
fn actions_are_expanded_in_strings_keys_and_documents() {
    let read = messages(
        &json!({"id": "{{.RequestNumber}}", "name": "a \"{{.RequestNumber}}\"", "counts": {"k{{.RequestNumber}}": 1}}),
    );
    assert_eq!(read.unwrap(), [json!({"id": "5", "name": "a \"5\"", "counts": {"k5": 1}})]);
    let whole = json!("[{{range 2}}{\"id\": {{.}}},{{end}} {\"id\": {{.RequestNumber}}}]");
    assert_eq!(messages(&whole).unwrap(), [json!({}), json!({"id": "1"}), json!({"id": "5"})]);
    assert!(!Data::of_value(&json!({"id": 1, "parts": [{"name": "}} no"}]}), &bits()).unwrap().varies());
    assert!(Data::of_value(&json!({"parts": [{"name": "{{.UUID}}"}]}), &bits()).unwrap().varies());
}

#[test]
fn errors_name_the_field() {
    let cases = [
        (json!({"parts": [{"id": 1}, {"id": "x"}]}), "parts[1].id: "),
        (json!({"nam": "x"}), "unknown field `nam`; message `a.Item` has: id, name"),
        (json!({"parts": [{"nme": 1}]}), "did you mean `name`?"),
        (json!([{"id": 1}, {"weight": "heavy"}]), "[1].weight: "),
        (json!([1]), "found a number; expected a map, because the request is `a.Item`"),
        (json!([{}, "x"]), "[1]: found a string; expected a map"),
        (json!(7), "found a number; expected a map, because the request is `a.Item`"),
        (json!("nope"), "not valid JSON"),
        (json!("{\"id\": {{.Nope}}}"), "undefined field `.Nope`"),
        (json!({"name": "{{.Nope"}), "unclosed action"),
        (json!("{\"id\": {{.Timestamp}}}"), "the rendered template is not valid JSON"),
        (json!({"id": 1.5}), "id: "),
    ];
    for (data, expected) in cases {
        let error = messages(&data).unwrap_err();
        assert!(error.contains(expected), "{data}: {error}");
    }
}

/// JSON of the first message of call 5, decoded from its encoding, and the number of messages.
fn echoed(kind: &MessageDescriptor, data: &Value) -> Result<(Value, usize), String> {
    let encoded = Data::of_value(data, &bits())?.encode(kind, &values(5))?;
    let message = DynamicMessage::decode(kind.clone(), encoded[0].clone()).unwrap();
    Ok((serde_json::to_value(message).unwrap(), encoded.len()))
}

/// Well-known types, the data of a request, and its JSON if that is different.
fn well_known() -> Vec<(&'static str, Value, Option<Value>)> {
    vec![
        ("BoolValue", json!(true), None),
        ("Int32Value", json!(-3), None),
        ("UInt32Value", json!(3), None),
        ("Int64Value", json!(3), Some(json!("3"))),
        ("Int64Value", json!("3"), None),
        ("UInt64Value", json!("3"), None),
        ("FloatValue", json!(1.5), None),
        ("DoubleValue", json!(1.5), None),
        ("DoubleValue", json!("1.5"), Some(json!(1.5))),
        ("StringValue", json!("hello"), None),
        ("BytesValue", json!("AQI="), None),
        ("Timestamp", json!("2030-01-02T03:04:05Z"), None),
        ("Duration", json!("1.500s"), None),
        ("FieldMask", json!("a,b.c"), None),
        ("Struct", json!({"a": [1.0, null]}), None),
        ("Value", json!({"a": 1.0}), None),
        ("Value", json!("hello"), None),
        ("Empty", json!({}), None),
        ("Any", json!({"@type": "type.googleapis.com/google.protobuf.Duration", "value": "2s"}), None),
    ]
}

#[test]
fn well_known_types_are_requests_in_lists_and_in_maps() {
    for (name, data, expected) in well_known() {
        let kind = descriptors::compile_text("w.proto", format!(
            "syntax = \"proto3\"; package w; import \"google/protobuf/{}.proto\"; message Holder {{ \
             google.protobuf.{name} one = 1; repeated google.protobuf.{name} many = 2; map<string, google.protobuf.{name}> named = 3; }}",
            file(name)
        ).into_bytes()).unwrap();
        let expected = expected.unwrap_or_else(|| data.clone());
        let request = kind.get_message_by_name(&format!("google.protobuf.{name}")).unwrap();
        assert_eq!(echoed(&request, &data), Ok((expected.clone(), 1)), "{name}");
        assert_eq!(echoed(&request, &json!([data, data, data])), Ok((expected.clone(), 3)), "{name}");
        // As in a file.
        assert_eq!(echoed(&request, &json!(data.to_string())), Ok((expected.clone(), 1)), "{name}");
        let holder = kind.get_message_by_name("w.Holder").unwrap();
        let data = json!({"one": data, "many": [data, data], "named": {"k": data}});
        let expected = json!({"one": expected, "many": [expected, expected], "named": {"k": expected}});
        assert_eq!(echoed(&holder, &data), Ok((expected, 1)), "{name}");
    }
}

/// File that describes a well-known type.
fn file(name: &str) -> &'static str {
    match name {
        "Any" => "any.proto\"; import \"google/protobuf/duration",
        "Timestamp" => "timestamp",
        "Duration" => "duration",
        "FieldMask" => "field_mask",
        "Empty" => "empty",
        "Struct" | "Value" | "ListValue" => "struct",
        _ => "wrappers",
    }
}

#[test]
fn text_that_is_not_json_is_a_string_if_the_request_can_be_one() {
    let known = |name: &str| prost_reflect::DescriptorPool::global().get_message_by_name(name).unwrap();
    let (string, list) = (known("google.protobuf.StringValue"), known("google.protobuf.ListValue"));
    for (data, expected) in [
        ("12", "12"),
        ("true", "true"),
        ("{\"a\": 1}", "{\"a\": 1}"),
        ("n{{.RequestNumber}}", "n5"),
        ("{{.RequestNumber}}", "5"),
    ] {
        assert_eq!(echoed(&string, &json!(data)), Ok((json!(expected), 1)), "{data}");
    }
    assert_eq!(echoed(&list, &json!([["a", true]])), Ok((json!(["a", true]), 1)));
    for (kind, data, expected) in [
        (&string, json!(12), "found a number; expected a string, because the request is `google.protobuf.StringValue`"),
        (&string, json!(["a", 1]), "[1]: found a number; expected a string"),
        (&list, json!([1, 2]), "[0]: found a number; expected a list within the list of messages: `[[…]]`"),
        (&known("google.protobuf.Duration"), json!("soon"), "found a string; expected a string such as `1.5s`"),
        (&known("google.protobuf.Int32Value"), json!("x"), "found a string; expected an integer"),
    ] {
        let error = echoed(kind, &data).unwrap_err();
        assert!(error.starts_with(expected), "{data}: {error}");
    }
}

#[test]
fn binary_data_is_one_message_or_a_stream_of_them() {
    let encode = |data: Data| data.encode(&kind("a.Item"), &values(0)).unwrap();
    let one = Data::of_bytes(Bytes::from_static(&[8, 1]), false).unwrap();
    assert_eq!(encode(one), [Bytes::from_static(&[8, 1])]);
    let many = Data::of_bytes(Bytes::from_static(&[2, 8, 1, 0, 2, 8, 2]), true).unwrap();
    assert_eq!(encode(many), [&[8, 1][..], &[], &[8, 2]].map(Bytes::copy_from_slice));
    for cut in [&[2, 8][..], &[0xff], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        assert!(Data::of_bytes(Bytes::copy_from_slice(cut), true).is_err(), "{cut:?}");
    }
}

#[test]
fn deep_data_is_rejected() {
    let deep = (0..200).fold(json!({"name": "{{.UUID}}"}), |inner, _| json!({"parts": [inner]}));
    assert!(Data::of_value(&deep, &bits()).unwrap_err().contains("nested deeper"));
}
