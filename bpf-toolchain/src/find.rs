//! Looks for a BPF-capable compiler and for `bpf-linker` in the order of preference.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::TARGET;

/// A compiler that can build BPF programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// A rustc with a prebuilt `core` for the BPF target; needs no nightly and no `-Zbuild-std`.
    Prebuilt(PathBuf),
    /// rustup's nightly with `rust-src`, which builds `core` itself.
    Nightly,
}

/// A compiler and the linker that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub compiler: Compiler,
    /// Path of `bpf-linker`.
    pub linker: PathBuf,
}

/// What is missing, and the one command that gets it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// `LB_BPF_RUSTC` names a compiler that cannot build BPF programs.
    #[error(
        "LB_BPF_RUSTC={0:?} is no rustc with a prebuilt core for {TARGET}; unset it or name another one"
    )]
    Chosen(PathBuf),
    /// No compiler was found.
    #[error(
        "no Rust compiler here can build BPF programs: /usr/bin/rustc has no core for {TARGET} and rustup's nightly \
         has no rust-src; run `cargo xtask setup`"
    )]
    Compiler,
    /// No linker was found.
    #[error("bpf-linker is neither in PATH nor in cargo's bin directory; run `cargo xtask setup`")]
    Linker,
}

/// Finds a complete toolchain.
///
/// # Errors
/// [`Missing`] says what to get first.
pub fn find() -> Result<Toolchain, Missing> {
    Ok(Toolchain { compiler: find_compiler()?, linker: find_linker().ok_or(Missing::Linker)? })
}

/// Finds a compiler: `LB_BPF_RUSTC`, else `/usr/bin/rustc`, else rustup's nightly.
///
/// # Errors
/// [`Missing::Chosen`] or [`Missing::Compiler`].
pub fn find_compiler() -> Result<Compiler, Missing> {
    if let Some(chosen) = env::var_os("LB_BPF_RUSTC").map(PathBuf::from) {
        return if has_bpf_core(&chosen) {
            Ok(Compiler::Prebuilt(chosen))
        } else {
            Err(Missing::Chosen(chosen))
        };
    }
    let debian = PathBuf::from("/usr/bin/rustc");
    if has_bpf_core(&debian) {
        return Ok(Compiler::Prebuilt(debian));
    }
    if nightly_has_source() { Ok(Compiler::Nightly) } else { Err(Missing::Compiler) }
}

/// Finds `bpf-linker` in `PATH`, else where `cargo install` puts it.
#[must_use]
pub fn find_linker() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    env::split_paths(&path)
        .chain(cargo_home.or(home).map(|dir| dir.join("bin")))
        .map(|dir| dir.join("bpf-linker"))
        .find(|file| file.is_file())
}

/// Whether this rustc has a prebuilt `core` for the BPF target.
#[must_use]
pub fn has_bpf_core(rustc: &Path) -> bool {
    let mut command = Command::new(rustc);
    sysroot(&mut command).is_some_and(|dir| dir.join("lib/rustlib").join(TARGET).is_dir())
}

fn nightly_has_source() -> bool {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "rustc"]);
    sysroot(&mut command).is_some_and(|dir| dir.join("lib/rustlib/src/rust/library/core").is_dir())
}

fn sysroot(rustc: &mut Command) -> Option<PathBuf> {
    let output = rustc
        .args(["--print", "sysroot"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.compiler, self.linker.display())
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prebuilt(rustc) => write!(f, "{} (prebuilt core for {TARGET})", rustc.display()),
            Self::Nightly => write!(f, "rustup's nightly with rust-src (-Zbuild-std=core)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_does_not_exist_has_no_core() {
        assert!(!has_bpf_core(Path::new("/nonexistent/rustc")));
    }

    #[test]
    fn what_is_missing_names_the_command_that_gets_it() {
        for missing in [Missing::Compiler, Missing::Linker] {
            assert!(missing.to_string().contains("cargo xtask setup"), "{missing}");
        }
    }
}
