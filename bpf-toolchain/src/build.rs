//! Builds the BPF object with a found toolchain, in an environment of its own: cargo hands its
//! build scripts flags, wrappers and a toolchain that are meant for the host.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use crate::{Compiler, Toolchain};

/// The target triple: BPF, little endian.
pub const TARGET: &str = "bpfel-unknown-none";
/// The binary that holds the BPF programs of the data plane.
pub const BIN_NAME: &str = "swarmlb-bpf";

/// Settings for cargo that stay; other `CARGO_*` variables describe the host build.
const KEPT_PREFIXES: [&str; 4] = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRIES_"];

/// Why the object could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// cargo did not start.
    #[error("cannot run {command:?}")]
    Start {
        /// The command.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// The object cannot be put where it belongs.
    #[error("cannot copy {object:?} into {out_dir:?}")]
    Copy {
        /// What was built.
        object: PathBuf,
        /// Where it belongs.
        out_dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// cargo ran and failed; its own messages went to stderr.
    #[error("{command} failed ({status}); compiler: {toolchain}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Which toolchain was used.
        toolchain: Toolchain,
    },
}

/// Builds the object `bin` of the crate in `crate_dir`, puts it into `out_dir`, the build script's own,
/// and returns its path.
///
/// # Errors
/// [`BuildError`] when cargo cannot be started or fails, or the object cannot be copied.
pub fn build(
    toolchain: &Toolchain,
    (crate_dir, bin): (&Path, &str),
    out_dir: &Path,
    features: &[&str],
) -> Result<PathBuf, BuildError> {
    let target_dir = target_dir(out_dir, features);
    let mut command = command(toolchain, (crate_dir, bin), &target_dir, features);
    let shown = format!("{command:?}");
    match command.status() {
        Err(source) => Err(BuildError::Start { command: shown, source }),
        Ok(status) if !status.success() => {
            Err(BuildError::Failed { command: shown, status, toolchain: toolchain.clone() })
        }
        Ok(_) => {
            let (object, place) =
                (target_dir.join(TARGET).join("release").join(bin), out_dir.join(bin));
            match fs::copy(&object, &place) {
                Ok(_) => Ok(place),
                Err(source) => Err(BuildError::Copy { object, out_dir: out_dir.into(), source }),
            }
        }
    }
}

/// Where cargo builds: one directory for all objects of a profile, `TARGET/PROFILE/bpf-target`, as they
/// are made of the same crates, but for each choice of features one of its own. `out_dir` is
/// `TARGET/PROFILE/build/PACKAGE/out`.
fn target_dir(out_dir: &Path, features: &[&str]) -> PathBuf {
    let name = [&["bpf-target"], features].concat().join("-");
    out_dir.ancestors().nth(3).unwrap_or(out_dir).join(name)
}

fn command(
    toolchain: &Toolchain,
    (crate_dir, bin): (&Path, &str),
    target_dir: &Path,
    features: &[&str],
) -> Command {
    let mut command = cargo(&toolchain.compiler);
    command
        .args(["build", "--release", "--target", TARGET, "--bin", bin, "--target-dir"])
        .arg(target_dir);
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    if toolchain.compiler == Compiler::Nightly {
        command.arg("-Zbuild-std=core");
    }
    command.current_dir(crate_dir).env("CARGO_ENCODED_RUSTFLAGS", rustflags(&toolchain.linker));
    command
}

/// The cargo that drives the compiler, without the variables of the host build.
fn cargo(compiler: &Compiler) -> Command {
    let mut command = match compiler {
        Compiler::Prebuilt(rustc) => {
            let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            clean(&mut command);
            // `asm_experimental_arch` in aya-ebpf is unstable, and this compiler is no nightly.
            command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", rustc);
            command
        }
        Compiler::Nightly => {
            let mut command = Command::new("rustup");
            clean(&mut command);
            command.args(["run", "nightly", "cargo"]);
            command
        }
    };
    // Debug information becomes BTF; without it `bpftool map dump` shows bytes and no names.
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "2");
    command
}

fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if is_for_the_host(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
}

fn is_for_the_host(name: &str) -> bool {
    let kept = KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let host = ["CARGO_", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"];
    !kept && host.iter().any(|prefix| name.starts_with(prefix))
}

fn rustflags(linker: &Path) -> OsString {
    let mut flags = OsString::from("-Clinker=");
    flags.push(linker);
    // v3 has 32-bit and atomic instructions; kernels before 5.12 lack it, and tcx needs 6.6 anyway.
    flags.push("\x1f-Clink-arg=--btf\x1f-Cdebuginfo=2\x1f-Ctarget-cpu=v3");
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_share_what_they_are_made_of_unless_features_differ() {
        let dir = |package: &str, features: &[&str]| {
            let out_dir = format!("/w/target/debug/build/{package}/out");
            target_dir(Path::new(&out_dir), features)
        };
        assert_eq!(dir("lb-bench-1f", &[]), Path::new("/w/target/debug/bpf-target"));
        assert_eq!(dir("lb-bench-1f", &[]), dir("lb-userspace-2e", &[]));
        assert_ne!(dir("lb-userspace-2e", &["trace"]), dir("lb-userspace-3d", &[]));
    }

    #[test]
    fn host_settings_are_dropped_and_network_settings_kept() {
        for name in [
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTUP_TOOLCHAIN",
            "CARGO_CFG_UNIX",
            "RUSTFLAGS",
        ] {
            assert!(is_for_the_host(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_HTTP_PROXY", "PATH", "RUSTUP_HOME"] {
            assert!(!is_for_the_host(name), "{name}");
        }
    }
}
