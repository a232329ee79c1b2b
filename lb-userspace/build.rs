//! Builds the BPF object from `lb-ebpf` and tells `dataplane::object` where it lies, so that the
//! binary carries the object it was tested with. `LB_BPF_OBJECT=FILE` embeds a prebuilt one.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    match object() {
        Ok(object) => {
            println!("cargo:rustc-env=SWARMLB_BPF_OBJECT={}", object.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: cannot build the BPF object: {error}");
            ExitCode::FAILURE
        }
    }
}

fn object() -> Result<PathBuf, Box<dyn Error>> {
    for name in ["LB_BPF_OBJECT", "LB_BPF_RUSTC", "PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    if let Some(prebuilt) = env::var_os("LB_BPF_OBJECT").map(PathBuf::from) {
        println!("cargo:rerun-if-changed={}", prebuilt.display());
        return Ok(prebuilt
            .canonicalize()
            .map_err(|error| format!("LB_BPF_OBJECT={prebuilt:?}: {error}"))?);
    }
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    watch(&workspace);
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let toolchain = bpf_toolchain::find()?;
    let features: &[&str] =
        if env::var_os("CARGO_FEATURE_TRACE").is_some() { &["trace"] } else { &[] };
    let programs = workspace.join("lb-ebpf");
    let object = (programs.as_path(), bpf_toolchain::BIN_NAME);
    Ok(bpf_toolchain::build(&toolchain, object, &out_dir, features)?)
}

/// What the object is made of.
fn watch(workspace: &Path) {
    for part in
        ["lb-ebpf/src", "lb-ebpf/Cargo.toml", "lb-common/src", "lb-common/Cargo.toml", "Cargo.toml"]
    {
        println!("cargo:rerun-if-changed={}", workspace.join(part).display());
    }
}
