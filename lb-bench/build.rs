//! Builds the measuring programs from `lb-bench-ebpf`, by the same toolchain as the data plane's.

use std::{env, error::Error, path::Path, process::ExitCode};

/// The binary that holds them.
const BIN: &str = "lb-bench-bpf";

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot build the measuring programs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    for part in ["lb-bench-ebpf/src", "lb-bench-ebpf/Cargo.toml", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", workspace.join(part).display());
    }
    println!("cargo:rerun-if-env-changed=LB_BPF_RUSTC");
    let target_dir = Path::new(&env::var("OUT_DIR")?).join("bpf-target");
    let programs = workspace.join("lb-bench-ebpf");
    let object = bpf_toolchain::build(&bpf_toolchain::find()?, (&programs, BIN), &target_dir, &[])?;
    println!("cargo:rustc-env=LB_BENCH_OBJECT={}", object.display());
    Ok(())
}
