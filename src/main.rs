//! The `iter8` program: everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    iter8::cli::main()
}
