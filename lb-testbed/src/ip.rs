//! Runs iproute2 and ethtool: many commands in one `ip -batch` take milliseconds.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    netns::Ns,
    spawn::{Lifetime, spawn},
};

/// Runs `lines` as one batch, in `ns` or else where this process is.
///
/// # Errors
/// `ip` is missing or refuses a line; the message shows both.
pub(crate) fn batch(ns: Option<&Ns>, lines: &str) -> Result<()> {
    let output = feed(ip(ns).args(["-batch", "-"]), lines)?;
    ensure!(output.status.success(), "ip -batch failed: {}\n{lines}", stderr(&output));
    Ok(())
}

/// Runs `lines` as one batch of `bridge` in `ns`: forwarding entries.
///
/// # Errors
/// `bridge` is missing or refuses a line; the message shows both.
pub(crate) fn bridge_batch(ns: &Ns, lines: &str) -> Result<()> {
    let output = feed(Command::new("bridge").args(["-n", ns.name(), "-batch", "-"]), lines)?;
    ensure!(output.status.success(), "bridge -batch failed: {}\n{lines}", stderr(&output));
    Ok(())
}

/// Runs `lines` as one batch in which a failing line does not stop the rest: for removals.
pub(crate) fn batch_force(lines: &str) -> Result<()> {
    feed(ip(None).args(["-force", "-batch", "-"]), lines).map(drop)
}

/// Sets offloads of a device, such as `tx off gro on`.
///
/// # Errors
/// `ethtool` is missing or refuses.
pub(crate) fn offloads(ns: &Ns, device: &str, settings: &[&str]) -> Result<()> {
    let mut command = Command::new("ethtool");
    command.arg("-K").arg(device).args(settings).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = spawn(command, ns, Lifetime::WithParent)?.wait_with_output()?;
    ensure!(output.status.success(), "ethtool -K {device}: {}", stderr(&output));
    Ok(())
}

fn ip(ns: Option<&Ns>) -> Command {
    let mut command = Command::new("ip");
    if let Some(ns) = ns {
        command.args(["-n", ns.name()]);
    }
    command
}

fn feed(command: &mut Command, input: &str) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `ip` or `bridge` (package iproute2)")?;
    child.stdin.take().context("no stdin")?.write_all(input.as_bytes())?;
    Ok(child.wait_with_output()?)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
