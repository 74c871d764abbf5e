//! Descriptors of services, compiled from `.proto` files or read from descriptor sets.

use std::collections::BTreeMap;

use prost_reflect::DescriptorPool;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::descriptor_pool;
use crate::ports::Files;
use crate::tasks::fetch;

/// Maximum size of a descriptor file, compiled or not.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Maximum number and total size of the files that one `.proto` file imports.
const MAX_FILES: usize = 1_000;
const MAX_TOTAL: usize = 64 << 20;

/// Maximum bracket nesting in a `.proto` file, because the compiler is recursive.
const MAX_DEPTH: usize = 100;

/// Compiles a `.proto` file and its imports. Imports are searched in `import_paths`, in order, then in the file's directory, then
/// in the working directory, as in ghz.
pub(super) fn compile(path: &str, import_paths: &[String], files: &dyn Files) -> Result<DescriptorPool, String> {
    let root = root_name(path, import_paths);
    let parent = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let directories: Vec<&str> = import_paths.iter().map(String::as_str).chain([parent, ""]).collect();
    let source = text(path, fetch::read(files, path, MAX_BYTES)?)?;
    let find = |name: &str| {
        for directory in &directories {
            let candidate = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
            match files.read(&candidate, MAX_BYTES) {
                Ok(bytes) => return text(&candidate, bytes).map(Some),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read `{candidate}`: {}", fetch::reason(&error))),
            }
        }
        Ok(None)
    };
    compile_with(&root, source, find)
}

/// Compiles a single `.proto` file, which may import well-known types only.
pub(super) fn compile_text(name: &str, bytes: Vec<u8>) -> Result<DescriptorPool, String> {
    compile_with(name, text(name, bytes)?, |_| Ok(None))
}

/// Reads a compiled descriptor set (`protoc --include_imports --descriptor_set_out`).
pub(super) fn decode(bytes: &[u8]) -> Result<DescriptorPool, String> {
    if bytes.is_empty() {
        return Err("must not be empty; expected a compiled descriptor set".to_owned());
    }
    descriptor_pool::of_set(bytes).map_err(|error| {
        format!(
            "not a valid descriptor set: {error}; create it with `protoc --include_imports --descriptor_set_out=FILE`"
        )
    })
}

/// Reads a download: a `.proto` file if its path says so or its content is UTF-8 but no descriptor set.
pub(super) fn of_download(path: &str, bytes: Vec<u8>) -> Result<DescriptorPool, String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_source = name.to_ascii_lowercase().ends_with(".proto");
    if !is_source {
        match decode(&bytes) {
            Ok(pool) => return Ok(pool),
            Err(error) if std::str::from_utf8(&bytes).is_err() => return Err(error),
            Err(_) => {}
        }
    }
    compile_text(if is_source { name } else { "downloaded.proto" }, bytes)
}

/// Returns the name by which other files would import the file at `path`.
fn root_name(path: &str, import_paths: &[String]) -> String {
    let within = |directory: &String| path.strip_prefix(&format!("{}/", directory.trim_end_matches('/')));
    let by_path = import_paths.iter().find_map(within);
    by_path.unwrap_or_else(|| path.rsplit('/').next().unwrap_or(path)).to_owned()
}

/// Reads `root` and its imports, each once, and compiles them.
fn compile_with(
    root: &str,
    source: String,
    find: impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<DescriptorPool, String> {
    let mut known: BTreeMap<String, File> = BTreeMap::new();
    let mut waiting = vec![(root.to_owned(), source)];
    let mut total = 0;
    while let Some((name, source)) = waiting.pop() {
        total += source.len();
        if known.len() >= MAX_FILES || total > MAX_TOTAL {
            return Err(format!("`{root}` imports more than {MAX_FILES} files or {MAX_TOTAL} bytes"));
        }
        let file = parse(&name, &source)?;
        for import in &file.file_descriptor_proto().dependency {
            let is_new =
                !known.contains_key(import) && *import != name && waiting.iter().all(|(name, _)| name != import);
            if is_new && let Some(source) = find(import)? {
                waiting.push((import.clone(), source));
            }
        }
        known.insert(name, file);
    }
    let mut resolver = ChainFileResolver::new();
    resolver.add(Known(known));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file(root).map_err(|error| render(&error))?;
    Ok(compiler.descriptor_pool())
}

fn parse(name: &str, source: &str) -> Result<File, String> {
    let mut depth = 0_usize;
    for byte in source.bytes() {
        match byte {
            b'{' | b'[' | b'(' | b'<' => depth += 1,
            b'}' | b']' | b')' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("brackets in `{name}` are nested deeper than {MAX_DEPTH} levels"));
        }
    }
    if starts_with_edition(source) {
        return Err(format!(
            "`{name}` has an edition, which needs a compiled descriptor set: \
             `protoc --include_imports --descriptor_set_out=FILE {name}`, then `protoset: FILE`"
        ));
    }
    File::from_source(name, source).map_err(|error| render(&error))
}

/// Returns true if the first statement of a `.proto` file is `edition = …`, which the compiler cannot read.
fn starts_with_edition(source: &str) -> bool {
    let mut rest = source.trim_start();
    loop {
        let end = match rest.get(..2) {
            Some("//") => "\n",
            Some("/*") => "*/",
            _ => break,
        };
        rest = rest.split_once(end).map_or("", |(_, rest)| rest).trim_start();
    }
    rest.strip_prefix("edition").is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// Renders a compiler error in one line, with file and position.
fn render(error: &protox::Error) -> String {
    if error.is_file_not_found() {
        return format!("{error}; add its directory to `import-paths`");
    }
    // Only the compiler's `Debug` output has the position: `name:line:column: message`.
    let text = format!("{error:?}");
    text.lines().next().unwrap_or_default().to_owned()
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| format!("`{name}` is not valid UTF-8; expected a `.proto` file"))
}

/// Files that have been read.
struct Known(BTreeMap<String, File>);

impl FileResolver for Known {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        self.0.get(name).cloned().ok_or_else(|| protox::Error::file_not_found(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    struct Disk(BTreeMap<&'static str, &'static str>);

    impl Files for Disk {
        fn read(&self, path: &str, _: u64) -> std::io::Result<Vec<u8>> {
            self.0.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| ErrorKind::NotFound.into())
        }

        fn env(&self, _: &str) -> Option<String> {
            None
        }
    }

    const HEAD: &str = "syntax = \"proto3\"; package a; ";

    fn disk() -> Disk {
        Disk(BTreeMap::from([
            (
                "api/svc.proto",
                "syntax = \"proto3\"; package a; import \"types/t.proto\"; import \"google/protobuf/timestamp.proto\";
               service S { rpc M(T) returns (T); }",
            ),
            (
                "shared/types/t.proto",
                "syntax = \"proto3\"; package a; import \"types/u.proto\"; message T { U u = 1; }",
            ),
            ("shared/types/u.proto", "syntax = \"proto3\"; package a; message U { int32 n = 1; }"),
            (
                "api/from_here.proto",
                "syntax = \"proto3\"; package a; import \"shared/types/u.proto\"; message V { U u = 1; }",
            ),
            ("bad.proto", "syntax = \"proto3\"; message {"),
            ("cycle.proto", "syntax = \"proto3\"; import \"cycle2.proto\";"),
            ("cycle2.proto", "syntax = \"proto3\"; import \"cycle.proto\";"),
        ]))
    }

    #[test]
    fn imports_resolve_in_import_paths_beside_the_file_and_to_well_known_types() {
        let pool = compile("api/svc.proto", &["nowhere".to_owned(), "shared".to_owned()], &disk()).unwrap();
        assert!(pool.get_service_by_name("a.S").is_some());
        assert!(pool.get_message_by_name("a.U").is_some());
        assert!(pool.get_message_by_name("google.protobuf.Timestamp").is_some());
        let beside = compile("shared/types/t.proto", &["shared".to_owned()], &disk()).unwrap();
        assert!(beside.get_file_by_name("types/t.proto").is_some());
        let from_here = compile("api/from_here.proto", &[], &disk()).unwrap();
        assert!(from_here.get_file_by_name("shared/types/u.proto").is_some());
    }

    #[test]
    fn compile_errors_have_file_and_position() {
        let error = |path: &str| compile(path, &[], &disk()).unwrap_err();
        assert_eq!(error("none.proto"), "cannot read `none.proto`: no such file");
        assert!(error("bad.proto").contains("bad.proto:1:"), "{}", error("bad.proto"));
        let missing = error("api/svc.proto");
        assert!(missing.contains("types/t.proto") && missing.contains("import-paths"), "{missing}");
        assert!(error("cycle.proto").contains("cycle"), "{}", error("cycle.proto"));
    }

    #[test]
    fn sources_with_an_edition_need_to_be_compiled() {
        let source = include_bytes!("../../../testdata/grpc/editions.proto").to_vec();
        let error = compile_text("editions.proto", source).unwrap_err();
        assert!(error.starts_with("`editions.proto` has an edition, which needs a compiled descriptor set"), "{error}");
        assert!(starts_with_edition("/* a\n */ // b\n edition=\"2023\";"));
        assert!(!starts_with_edition("// edition = 1\nsyntax = \"proto3\";") && !starts_with_edition("/* edition ="));
    }

    #[test]
    fn deep_nesting_is_rejected_without_a_stack_overflow() {
        let deep = format!("{HEAD}option (x) = {} {};", "{a: ".repeat(100_000), "}".repeat(100_000));
        assert!(compile_text("deep.proto", deep.into_bytes()).unwrap_err().contains("nested deeper"));
    }

    #[test]
    fn downloads_are_recognized_by_path_or_content() {
        let source = format!("{HEAD}message T {{}}").into_bytes();
        let compiled = compile_text("t.proto", source.clone()).unwrap().encode_to_vec();
        for (path, bytes) in [("/x/t.proto", &source), ("/x/raw", &source), ("/x/t.pb", &compiled), ("/x", &compiled)] {
            let pool = of_download(path, bytes.clone()).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(pool.get_message_by_name("a.T").is_some(), "{path}");
        }
        assert!(of_download("/x.proto", b"<html>not found</html>".to_vec()).is_err());
        assert!(of_download("/x", b"<html>not found</html>".to_vec()).is_err());
        assert!(of_download("/x", vec![0xff, 0xfe]).unwrap_err().contains("descriptor set"));
        assert!(decode(&[]).is_err());
    }
}
