//! Builds the measuring programs from `lb-bench-ebpf`, by the same toolchain as the data plane's.
//! `LB_BENCH_OBJECT=FILE` embeds a prebuilt object.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The binary that holds them.
const BIN: &str = "lb-bench-bpf";

fn main() -> ExitCode {
    match object() {
        Ok(object) => {
            println!("cargo:rustc-env=LB_BENCH_OBJECT={}", object.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: cannot build the measuring programs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn object() -> Result<PathBuf, Box<dyn Error>> {
    for name in ["LB_BENCH_OBJECT", "LB_BPF_RUSTC", "PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    if let Some(prebuilt) = env::var_os("LB_BENCH_OBJECT").map(PathBuf::from) {
        println!("cargo:rerun-if-changed={}", prebuilt.display());
        return Ok(prebuilt
            .canonicalize()
            .map_err(|error| format!("LB_BENCH_OBJECT={prebuilt:?}: {error}"))?);
    }
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    for part in ["lb-bench-ebpf/src", "lb-bench-ebpf/Cargo.toml", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", workspace.join(part).display());
    }
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let programs = workspace.join("lb-bench-ebpf");
    Ok(bpf_toolchain::build(&bpf_toolchain::find()?, (&programs, BIN), &out_dir, &[])?)
}
