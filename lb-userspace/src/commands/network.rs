//! `network ls`, `network inspect NAME`.
use lb_userspace::observe::{NetworkDetail, NetworkList, Pins};

use super::print::show;
use crate::cli::{Look, NetworkArgs};

/// `network ls`.
pub(crate) fn ls(look: &Look) -> anyhow::Result<()> {
    let snapshot = Pins::open(&look.place.pin_root)?.snapshot()?;
    show(&NetworkList::new(&snapshot), look.output)
}

/// `network inspect NAME`.
pub(crate) fn inspect(args: &NetworkArgs) -> anyhow::Result<()> {
    let snapshot = Pins::open(&args.look.place.pin_root)?.snapshot()?;
    show(&NetworkDetail::new(&snapshot, &args.name)?, args.look.output)
}
