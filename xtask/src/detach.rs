//! `cargo xtask detach`: builds `swarmlb` if needed and has it remove all it left in the kernel.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    build,
    command::run as run_command,
    setup::{self, Need},
};

/// What to remove.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where programs, links and maps are pinned
    #[arg(long, value_name = "DIR")]
    pin_root: Option<PathBuf>,
}

/// Detaches.
///
/// # Errors
/// Without root, or when building or detaching fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::require_root("detach")?;
    setup::ensure(Need::Run)?;
    build::run()?;
    let mut detach = build::built("swarmlb")?;
    detach.arg("detach");
    if let Some(pin_root) = &args.pin_root {
        detach.arg("--pin-root").arg(std::path::absolute(pin_root)?);
    }
    run_command(&mut detach)
}
