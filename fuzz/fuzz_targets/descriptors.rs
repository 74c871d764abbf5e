//! Decodes arbitrary bytes as a descriptor set, as from a file or a server, and encodes each message with its fields unset.
#![no_main]

use iter8::tasks::grpc::descriptor_pool::of_set;
use libfuzzer_sys::fuzz_target;
use prost::Message;
use prost_reflect::DynamicMessage;

fuzz_target!(|bytes: &[u8]| {
    let Ok(pool) = of_set(bytes) else { return };
    for message in pool.all_messages() {
        let empty = DynamicMessage::new(message.clone());
        let _ = serde_json::to_string(&empty);
        empty.encode_to_vec();
        for field in message.fields() {
            let name = field.json_name().to_owned();
            let values = ["1", "\"a\"", "[]", "[1]", "{}", "{\"1\": 1}", "null"];
            for value in values {
                let text = format!("{{{}: {value}}}", serde_json::Value::from(name.as_str()));
                let mut reader = serde_json::Deserializer::from_str(&text);
                if let Ok(message) = DynamicMessage::deserialize(message.clone(), &mut reader) {
                    message.encode_to_vec();
                }
            }
        }
    }
});
