//! `node ls`.
use lb_userspace::observe::{NodeList, Pins};
use nix::net::if_::if_indextoname;

use super::print::show;
use crate::cli::Look;

/// `node ls`.
pub(crate) fn ls(look: &Look) -> anyhow::Result<()> {
    let pins = Pins::open(&look.place.pin_root)?;
    let snapshot = pins.snapshot()?;
    show(&NodeList::new(&snapshot, &pins.peers(&snapshot)?, interface_name), look.output)
}

/// The interface's name in this network namespace, its index where it has none here.
fn interface_name(ifindex: u32) -> String {
    let name = if_indextoname(ifindex).ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| format!("#{ifindex}"))
}
