//! Loads the object with bpftool and asks the kernel what each program has cost. That libbpf can
//! load the object at all is part of what is checked: operators use its tools.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramInfo;
use serde_json::Value;

use super::record::{Cost, Record};
use crate::command;

/// What the build script of `lb-userspace` calls the object's path.
const OBJECT_VARIABLE: &str = "SWARMLB_BPF_OBJECT";
const INSTRUCTION_BYTES: u32 = 8;

/// Loads every program of the object that `cargo build_args` has built, reads its costs, and unloads
/// it again.
///
/// # Errors
/// When there is no object, or the verifier refuses a program: its last words are in the error.
pub(super) fn measure(build_args: &[&str]) -> Result<Record> {
    let object = object_path(build_args)?;
    let pins = Pins::new()?;
    let mut load = command::command("bpftool", ["prog", "loadall"]);
    let output = command::output(load.arg(&object).arg(&pins.0))?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "the object does not load; the end of the log:\n{}",
        end(&log)
    );
    let mut costs = pins.programs()?.iter().map(|pin| cost(pin)).collect::<Result<Vec<_>>>()?;
    costs.sort_by(|a, b| a.program.cmp(&b.program));
    Ok(Record { circumstances: circumstances()?, costs })
}

/// Asks cargo where the build script put the object, by the build that is already done: other
/// arguments would choose other features and compile everything again.
fn object_path(build_args: &[&str]) -> Result<PathBuf> {
    let mut cargo = command::cargo(build_args);
    cargo.args(["--quiet", "--message-format=json-render-diagnostics"]);
    let shown = command::show(&cargo);
    let output = cargo.output().with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(
        output.status.success(),
        "`{shown}` failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8(output.stdout).context("cargo's messages are no text")?;
    let object = messages.lines().find_map(object_in_message);
    object.with_context(|| format!("no build script has set {OBJECT_VARIABLE}"))
}

fn object_in_message(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let variables = message.get("env")?.as_array()?;
    let pair = variables.iter().find(|pair| pair.get(0) == Some(&OBJECT_VARIABLE.into()))?;
    Some(PathBuf::from(pair.get(1)?.as_str()?))
}

fn cost(pin: &Path) -> Result<Cost> {
    let program = pin.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let info = ProgramInfo::from_pin(pin)
        .with_context(|| format!("the kernel tells nothing of the program at {}", pin.display()))?;
    let processed = info.verified_instruction_count().context("Linux 5.16 or newer is needed")?;
    let kept_bytes = info.size_translated().context("the kernel hides programs' sizes")?;
    Ok(Cost {
        program,
        processed_instructions: processed.into(),
        kept_instructions: u64::from(kept_bytes / INSTRUCTION_BYTES),
    })
}

/// Compiler and kernel, as far as they change the numbers.
fn circumstances() -> Result<String> {
    let compiler = bpf_toolchain::find_compiler()?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel: Vec<&str> = release.trim().splitn(3, '.').take(2).collect();
    Ok(format!("{} and Linux {}", version(&compiler)?, kernel.join(".")))
}

fn version(compiler: &bpf_toolchain::Compiler) -> Result<String> {
    let mut command = match compiler {
        bpf_toolchain::Compiler::Prebuilt(rustc) => Command::new(rustc),
        bpf_toolchain::Compiler::Nightly => {
            let mut rustup = Command::new("rustup");
            rustup.args(["run", "nightly", "rustc"]);
            rustup
        }
    };
    let output = command.arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `rustc 1.96.0 (...)`: the commit is noise.
    Ok(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// The log's last lines, without the verifier's notes on what lives on the stack.
fn end(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" +live ")).collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}

/// A directory of pins that is removed when dropped.
struct Pins(PathBuf);

impl Pins {
    fn new() -> Result<Self> {
        let dir = PathBuf::from(format!("/sys/fs/bpf/swarmlb-budget-{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self(dir))
    }

    fn programs(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.0)?;
        Ok(entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_found_among_cargos_messages() {
        let line =
            r#"{"reason":"build-script-executed","env":[["SWARMLB_BPF_OBJECT","/t/swarmlb-bpf"]]}"#;
        assert_eq!(object_in_message(line), Some(PathBuf::from("/t/swarmlb-bpf")));
        assert_eq!(object_in_message(r#"{"reason":"build-script-executed","env":[]}"#), None);
        assert_eq!(object_in_message("no json"), None);
    }
}
