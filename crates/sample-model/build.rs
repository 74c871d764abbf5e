//! Compiles `proto/` without an installed `protoc`: `protox` parses it, `tonic` turns the descriptors into code.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

/// Protocols of the sample service.
const FILES: [&str; 3] = ["health.proto", "open_inference.proto", "route_guide.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../proto");
    let mut compiler = protox::Compiler::new(["../../proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;

    // Served to clients by gRPC reflection.
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("sample.bin");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;

    // Servers only: the program's clients read descriptors at run time.
    tonic_prost_build::configure().build_client(false).compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
