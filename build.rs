//! Compiles `proto/` into the descriptors that the program carries, so that calls to these services need no `proto`, `protoset` or
//! reflection. `protox` does it without an installed `protoc`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut files = Vec::new();
    for entry in fs::read_dir("proto")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    // Directory order differs between machines; sorting makes builds reproducible.
    files.sort();
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(&files)?;
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("builtin.bin");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    Ok(())
}
