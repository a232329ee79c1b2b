//! `cargo xtask setup`: finds or installs what building and testing need. One way: [`found`] looks
//! at the machine, [`plan`] turns that into steps (pure), this file runs them or, where it may
//! not, prints them.

mod found;
mod plan;
mod tools;

use anyhow::{Result, bail, ensure};

use self::{
    found::Found,
    plan::{Step, steps},
};
use crate::command;

/// What a verb is about to do, hence what must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Compile: a BPF compiler and `bpf-linker`.
    Build,
    /// Load programs and run scenarios: the same, and network tools and bpffs.
    Run,
    /// Run the bench: the same, and what swarmlb is compared with.
    Measure,
}

/// The verb: says what it chose and why, and installs what is missing.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn run() -> Result<()> {
    ensure(Need::Run)?;
    println!("{}", Found::look(Need::Run)?);
    println!("Ready: cargo xtask build | demo | test");
    Ok(())
}

/// Installs what is missing for `need`; silent if nothing is.
///
/// # Errors
/// When something is missing and cannot be installed from here; its commands have been printed.
pub(crate) fn ensure(need: Need) -> Result<()> {
    let found = Found::look(need)?;
    let steps = steps(&found);
    if steps.is_empty() {
        return Ok(());
    }
    if steps.iter().any(|step| !found.can_run(step)) {
        return refuse(&steps);
    }
    for step in &steps {
        println!("{}", step.reason);
        command::run(&mut step.command())?;
    }
    verify(need)
}

/// Fails with a way out unless this process is root.
///
/// # Errors
/// Without root.
pub(crate) fn require_root(verb: &str) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "`cargo xtask {verb}` loads BPF programs and makes network namespaces, so it needs root; run\n  \
         sudo --preserve-env=HOME,PATH cargo xtask {verb}"
    );
    Ok(())
}

fn refuse(steps: &[Step]) -> Result<()> {
    println!("What is missing cannot all be installed from here. The commands, to be run as root:");
    println!("(package names are Debian's; another system may call them otherwise)");
    for step in steps {
        println!("\n# {}\n{}", step.reason, command::show(&step.command()));
    }
    bail!("run the commands above, then try again");
}

fn verify(need: Need) -> Result<()> {
    let left = steps(&Found::look(need)?);
    if left.is_empty() { Ok(()) } else { refuse(&left) }
}
