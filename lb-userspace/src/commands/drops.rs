//! `drops`.
use lb_userspace::observe::{DropList, Pins};

use super::print::show;
use crate::cli::DropsArgs;

/// `drops`.
pub(crate) fn run(args: &DropsArgs) -> anyhow::Result<()> {
    let counts = Pins::open(&args.look.place.pin_root)?.drops()?;
    show(&DropList::new(&counts, args.all), args.look.output)
}
