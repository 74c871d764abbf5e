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
        (json!([1]), "[0] is not a message"),
        (json!(7), "`7` is not a message"),
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
