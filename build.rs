//! Compiles `proto/` into the descriptors that the program carries, so that calls to these services need no `proto`, `protoset` or
//! reflection (`protox` does it without an installed `protoc`), and passes the origin of the build to the program.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    builtin_descriptors()?;
    origin();
    Ok(())
}

/// Writes the descriptors of `proto/` to `builtin.bin`.
fn builtin_descriptors() -> Result<(), Box<dyn Error>> {
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

/// Sets `ITER8_COMMIT`, `ITER8_COMMIT_TIME` (seconds since 1970) and `ITER8_IMAGE` for the compiler. The environment takes precedence
/// over git. Only optimized builds ask git; others would be recompiled after every commit.
fn origin() {
    for variable in ["ITER8_COMMIT", "SOURCE_DATE_EPOCH", "ITER8_IMAGE"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let is_optimized = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_optimized {
        // The commit is marked as modified if these files differ from it.
        for path in ["src", "crates", "charts", "Cargo.lock"] {
            println!("cargo::rerun-if-changed={path}");
        }
        for file in ["HEAD", "logs/HEAD"] {
            let path = git(&["rev-parse", "--git-path", file]).filter(|path| fs::exists(path).unwrap_or(false));
            path.iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
        }
    }
    let from_git = |arguments| is_optimized.then(|| git(arguments)).flatten();
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let commit = variable("ITER8_COMMIT")
        .or_else(|| from_git(&["describe", "--always", "--dirty=-modified", "--abbrev=40", "--exclude=*"]));
    let time = variable("SOURCE_DATE_EPOCH").or_else(|| from_git(&["log", "-1", "--format=%ct"]));
    println!("cargo::rustc-env=ITER8_COMMIT={}", commit.unwrap_or_default());
    println!("cargo::rustc-env=ITER8_COMMIT_TIME={}", time.unwrap_or_default());
    println!("cargo::rustc-env=ITER8_IMAGE={}", variable("ITER8_IMAGE").unwrap_or_else(|| "iter8".to_owned()));
}

/// Output of a git command; nothing without git or outside a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
