//! Pools of descriptors from outside: descriptor sets and reflection.
//!
//! The reflection library panics on descriptors that no compiler writes, and servers under test send descriptors. The invariant: it only
//! sees files that are rebuilt here, from the parts that encoding a message needs, checked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::descriptor_proto::ExtensionRange;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto, FieldDescriptorProto, FieldOptions,
    FileDescriptorProto, MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

use super::editions::to_proto2;

/// Maximum number of imports of all files of a set.
const MAX_IMPORTS: usize = 100_000;

/// `google.protobuf.FileDescriptorSet`, with its files encoded.
#[derive(Clone, PartialEq, Message)]
struct EncodedSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

/// Reads an encoded `FileDescriptorSet`.
///
/// # Errors
///
/// Bytes that are no descriptor set, an unknown syntax or edition, descriptors that no compiler writes.
pub fn of_set(bytes: &[u8]) -> Result<DescriptorPool, String> {
    let set = EncodedSet::decode(bytes).map_err(|error| error.to_string())?;
    if set.file.is_empty() {
        return Err("it has no files".to_owned());
    }
    of_files(&set.file)
}

/// Reads encoded `FileDescriptorProto`s, in any order. The well-known types are always those of the library.
pub(super) fn of_files(encoded: &[Vec<u8>]) -> Result<DescriptorPool, String> {
    let mut pool = DescriptorPool::global();
    let known: BTreeSet<String> = pool.files().map(|file| file.name().to_owned()).collect();
    let mut files = Vec::new();
    for encoded in encoded {
        let mut file = FileDescriptorProto::decode(&encoded[..]).map_err(|error| error.to_string())?;
        if known.contains(file.name()) {
            continue;
        }
        to_proto2(&mut file, encoded)?;
        files.push(rebuilt(&file).map_err(|error| format!("`{}`: {error}", file.name()))?);
    }
    flatten_imports(&mut files)?;
    pool.add_file_descriptor_protos(files).map_err(|error| error.to_string())?;
    Ok(pool)
}

/// Makes what files import publicly an import of those that import them. The library follows public imports without end if they have a
/// cycle, and along every path if they have none.
fn flatten_imports(files: &mut [FileDescriptorProto]) -> Result<(), String> {
    let public = |file: &FileDescriptorProto| {
        let name = |at: &i32| file.dependency.get(usize::try_from(*at).ok()?).cloned();
        (file.name().to_owned(), file.public_dependency.iter().filter_map(name).collect::<BTreeSet<_>>())
    };
    let public: BTreeMap<String, BTreeSet<String>> = files.iter().map(public).collect();
    let mut total = 0;
    for file in files {
        let mut seen = BTreeSet::from([file.name().to_owned()]);
        let mut imports = Vec::new();
        let mut queue: VecDeque<&String> = file.dependency.iter().collect();
        while let Some(import) = queue.pop_front() {
            if seen.insert(import.clone()) {
                imports.push(import.clone());
                queue.extend(public.get(import).into_iter().flatten());
            }
        }
        total += imports.len();
        if total > MAX_IMPORTS {
            return Err(format!("its files have more than {MAX_IMPORTS} imports, public ones included"));
        }
        file.dependency = imports;
        file.public_dependency.clear();
    }
    Ok(())
}

fn rebuilt(file: &FileDescriptorProto) -> Result<FileDescriptorProto, String> {
    let dependencies = 0..i32::try_from(file.dependency.len()).unwrap_or(i32::MAX);
    if !file.package().is_empty() {
        file.package().split('.').try_for_each(check_name)?;
    }
    Ok(FileDescriptorProto {
        name: file.name.clone(),
        package: file.package.clone().filter(|package| !package.is_empty()),
        dependency: file.dependency.clone(),
        public_dependency: file.public_dependency.iter().copied().filter(|at| dependencies.contains(at)).collect(),
        message_type: all(&file.message_type, message)?,
        enum_type: all(&file.enum_type, enumeration)?,
        service: all(&file.service, service)?,
        extension: extensions(&file.extension)?,
        syntax: file.syntax.clone().filter(|syntax| !syntax.is_empty()),
        ..FileDescriptorProto::default()
    })
}

fn all<T>(items: &[T], rebuild: fn(&T) -> Result<T, String>) -> Result<Vec<T>, String> {
    items.iter().map(rebuild).collect()
}

fn message(message: &DescriptorProto) -> Result<DescriptorProto, String> {
    check_name(message.name())?;
    let is_map_entry = message.options.as_ref().is_some_and(MessageOptions::map_entry);
    if is_map_entry {
        check_map_entry(message)?;
    }
    let range = |range: &ExtensionRange| ExtensionRange { start: range.start, end: range.end, options: None };
    let oneof = |oneof: &OneofDescriptorProto| {
        check_name(oneof.name())?;
        Ok(OneofDescriptorProto { name: oneof.name.clone(), options: None })
    };
    Ok(DescriptorProto {
        name: message.name.clone(),
        field: all(&message.field, field)?,
        extension: extensions(&message.extension)?,
        nested_type: all(&message.nested_type, self::message)?,
        enum_type: all(&message.enum_type, enumeration)?,
        extension_range: message.extension_range.iter().map(range).collect(),
        oneof_decl: message.oneof_decl.iter().map(oneof).collect::<Result<_, String>>()?,
        options: is_map_entry.then(|| MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..DescriptorProto::default()
    })
}

/// Map entries have a key and a value, nothing else.
fn check_map_entry(message: &DescriptorProto) -> Result<(), String> {
    let is_key = |field: &FieldDescriptorProto| {
        !matches!(field.r#type(), Type::Double | Type::Float | Type::Bytes | Type::Message | Type::Group | Type::Enum)
    };
    let is_plain = |field: &FieldDescriptorProto| {
        field.label() == Label::Optional && field.r#type.is_some() && field.r#type() != Type::Group
    };
    match &message.field[..] {
        [a, b] if is_plain(a) && is_plain(b) => match (a.number(), b.number()) {
            (1, 2) if is_key(a) => return Ok(()),
            (2, 1) if is_key(b) => return Ok(()),
            _ => {}
        },
        _ => {}
    }
    Err(format!("the map entry `{}` has no valid key and value", message.name()))
}

/// Rebuilds extensions. Those of the well-known types are options, which have no effect on messages.
fn extensions(extensions: &[FieldDescriptorProto]) -> Result<Vec<FieldDescriptorProto>, String> {
    extensions.iter().filter(|field| !field.extendee().starts_with(".google.protobuf.")).map(field).collect()
}

fn field(field: &FieldDescriptorProto) -> Result<FieldDescriptorProto, String> {
    check_name(field.name())?;
    let packed = field.options.as_ref().and_then(|options| options.packed);
    Ok(FieldDescriptorProto {
        options: packed.map(|packed| FieldOptions { packed: Some(packed), ..FieldOptions::default() }),
        // Defaults are for readers.
        default_value: None,
        ..field.clone()
    })
}

fn enumeration(enumeration: &EnumDescriptorProto) -> Result<EnumDescriptorProto, String> {
    check_name(enumeration.name())?;
    let allow_alias = enumeration.options.as_ref().and_then(|options| options.allow_alias);
    let value = |value: &EnumValueDescriptorProto| {
        check_name(value.name())?;
        Ok(EnumValueDescriptorProto { name: value.name.clone(), number: value.number, options: None })
    };
    Ok(EnumDescriptorProto {
        name: enumeration.name.clone(),
        value: enumeration.value.iter().map(value).collect::<Result<_, String>>()?,
        options: allow_alias.map(|allow| EnumOptions { allow_alias: Some(allow), ..EnumOptions::default() }),
        ..EnumDescriptorProto::default()
    })
}

fn service(service: &ServiceDescriptorProto) -> Result<ServiceDescriptorProto, String> {
    check_name(service.name())?;
    let method = |method: &MethodDescriptorProto| {
        check_name(method.name())?;
        Ok(MethodDescriptorProto { options: None, ..method.clone() })
    };
    Ok(ServiceDescriptorProto {
        name: service.name.clone(),
        method: service.method.iter().map(method).collect::<Result<_, String>>()?,
        options: None,
    })
}

fn check_name(name: &str) -> Result<(), String> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("`{}` is not a name", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use prost_reflect::DynamicMessage;
    use serde::de::DeserializeSeed;

    use super::*;

    const EDITIONS: &[u8] = include_bytes!("../../../testdata/grpc/editions.pb");

    #[test]
    fn public_imports_are_followed_once_even_in_a_cycle() {
        let file = |name: &str, imports: &[&str], message: Option<&str>| {
            let field = message.map(|message| FieldDescriptorProto {
                name: Some("f".to_owned()),
                number: Some(1),
                label: Some(Label::Optional.into()),
                r#type: Some(Type::Message.into()),
                type_name: Some(format!(".{message}")),
                ..FieldDescriptorProto::default()
            });
            FileDescriptorProto {
                name: Some(format!("{name}.proto")),
                dependency: imports.iter().map(|import| format!("{import}.proto")).collect(),
                public_dependency: (0..imports.len()).map(|at| i32::try_from(at).unwrap()).collect(),
                message_type: vec![DescriptorProto {
                    name: Some(name.to_owned()),
                    field: field.into_iter().collect(),
                    ..DescriptorProto::default()
                }],
                ..FileDescriptorProto::default()
            }
            .encode_to_vec()
        };
        for files in [
            vec![file("a", &["a"], None)],
            vec![file("a", &["b"], Some("b")), file("b", &["b"], None)],
            vec![file("a", &["b"], Some("b")), file("b", &["a"], Some("a"))],
            vec![file("a", &["b"], Some("c")), file("b", &["c"], None), file("c", &[], None)],
        ] {
            let pool = of_files(&files).unwrap();
            assert_eq!(pool.all_messages().filter(|message| message.full_name().len() == 1).count(), files.len());
        }
        // Two paths from each layer to the next: 2^60 paths.
        let layer = |at: usize| {
            let below = [format!("l{}", at + 1), format!("r{}", at + 1)];
            let below: Vec<&str> = if at < 60 { below.iter().map(String::as_str).collect() } else { Vec::new() };
            [file(&format!("l{at}"), &below, None), file(&format!("r{at}"), &below, None)]
        };
        assert!(of_files(&(0..=60).flat_map(layer).collect::<Vec<_>>()).is_ok());
    }

    fn encoded(pool: &DescriptorPool, message: &str, json: &str) -> Vec<u8> {
        let message = pool.get_message_by_name(message).unwrap();
        let message: DynamicMessage = message.deserialize(&mut serde_json::Deserializer::from_str(json)).unwrap();
        message.encode_to_vec()
    }

    fn file(name: &str) -> FileDescriptorProto {
        FileDescriptorProto { name: Some(name.to_owned()), ..FileDescriptorProto::default() }
    }

    fn named(name: &str) -> DescriptorProto {
        DescriptorProto { name: Some(name.to_owned()), ..DescriptorProto::default() }
    }

    fn typed(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
        FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            r#type: Some(kind.into()),
            label: Some(Label::Optional.into()),
            ..FieldDescriptorProto::default()
        }
    }

    fn error(file: &FileDescriptorProto) -> String {
        of_files(&[file.encode_to_vec()]).unwrap_err()
    }

    #[test]
    fn files_with_an_edition_encode_as_protoc_does() {
        let pool = of_set(EDITIONS).unwrap();
        let json = r#"{"quantity": 0, "customer": "c", "discount": 5, "sizes": [1, 2], "expanded": [3, 4], "item": {"name": "i"},
            "items": {"k": {"name": "j"}}, "due": "1970-01-01T00:00:01Z", "voucher": {"name": "v"}, "color": "COLOR_RED"}"#;
        let expected = [
            &[0x08, 0, 0x12, 1, b'c', 0x18, 5][..],
            &[0x22, 2, 1, 2],
            &[0x28, 3, 0x28, 4],
            &[0x33, 0x0a, 1, b'i', 0x34],
            &[0x3a, 8, 0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'j'],
            &[0x42, 2, 8, 1],
            &[0x4a, 3, 0x0a, 1, b'v'],
            &[0x58, 1],
        ];
        assert_eq!(encoded(&pool, "editions.Order", json), expected.concat());
        let customer = pool.get_message_by_name("editions.Order").unwrap().get_field_by_name("customer").unwrap();
        assert_eq!(customer.cardinality(), prost_reflect::Cardinality::Required);
    }

    #[test]
    fn unknown_syntaxes_and_editions_are_rejected() {
        let bytes = b"\x0a\x06\x0a\x01xb\x01x";
        assert_eq!(of_set(bytes).unwrap_err(), "`x` has the syntax `x`; expected proto2, proto3 or an edition");
        let editions = FileDescriptorProto { syntax: Some("editions".to_owned()), ..file("x") };
        assert_eq!(error(&editions), "`x` has an unknown edition; expected 2023 or 2024");
        let future = [editions.encode_to_vec(), vec![14 << 3, 0xff, 0x7f]].concat();
        assert_eq!(of_files(&[future]).unwrap_err(), "`x` has an unknown edition; expected 2023 or 2024");
        assert_eq!(of_set(&[]).unwrap_err(), "it has no files");
    }

    #[test]
    fn descriptors_that_no_compiler_writes_are_rejected() {
        let entry = |fields: Vec<FieldDescriptorProto>| FileDescriptorProto {
            message_type: vec![DescriptorProto {
                field: fields,
                options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
                ..named("M")
            }],
            ..file("x")
        };
        let (key, value) = (typed("key", 1, Type::String), typed("value", 2, Type::Bool));
        of_files(&[entry(vec![value.clone(), key.clone()]).encode_to_vec()]).unwrap();
        let repeated = FieldDescriptorProto { label: Some(Label::Repeated.into()), ..value.clone() };
        for fields in [
            vec![],
            vec![key.clone()],
            vec![key.clone(), typed("value", 3, Type::Bool)],
            vec![typed("key", 1, Type::Float), value.clone()],
            vec![key.clone(), repeated],
            vec![FieldDescriptorProto { r#type: None, ..key }, value],
        ] {
            assert_eq!(error(&entry(fields)), "`x`: the map entry `M` has no valid key and value");
        }
        for name in ["", "1", "a.b", "a-b", "é", "\u{1b}"] {
            let file = FileDescriptorProto { message_type: vec![named(name)], ..file("x") };
            assert!(error(&file).ends_with("is not a name"), "{name}");
        }
        let index = FieldDescriptorProto { oneof_index: Some(7), ..typed("f", 1, Type::Bool) };
        let oneof = DescriptorProto { field: vec![index], ..named("M") };
        error(&FileDescriptorProto { message_type: vec![oneof], ..file("x") });
        let public = FileDescriptorProto { public_dependency: vec![3, -1], ..file("x") };
        of_files(&[public.encode_to_vec()]).unwrap();
        let timestamp = DescriptorProto { field: vec![typed("f", 1, Type::Bool)], ..named("Timestamp") };
        let package = Some("google.protobuf".to_owned());
        error(&FileDescriptorProto { package, message_type: vec![timestamp], ..file("x") });
    }

    #[test]
    fn well_known_types_are_those_of_the_library() {
        let empty = FileDescriptorProto {
            package: Some("google.protobuf".to_owned()),
            ..file("google/protobuf/timestamp.proto")
        };
        let pool = of_files(&[empty.encode_to_vec()]).unwrap();
        assert_eq!(encoded(&pool, "google.protobuf.Timestamp", "\"1970-01-01T00:00:01Z\""), [8, 1]);
    }
}
