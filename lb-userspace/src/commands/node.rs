//! `node ls`.
use anyhow::Context as _;
use lb_common::addr::Mac;
use lb_userspace::observe::{NodeList, Pins};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};

use super::print::show;
use crate::cli::Look;

/// `node ls`.
pub(crate) fn ls(look: &Look) -> anyhow::Result<()> {
    let pins = Pins::open(&look.place.pin_root)?;
    let snapshot = pins.snapshot()?;
    let interfaces: Vec<_> = getifaddrs().context("cannot list interfaces")?.collect();
    let name = |ifindex, mac| interface_name(&interfaces, ifindex, mac);
    show(&NodeList::new(&snapshot, &pins.peers(&snapshot), name), look.output)
}

/// The interface's name. An index means another interface in another network namespace, where this
/// command may run: so the Ethernet address must agree, or the index is all there is to say.
fn interface_name(interfaces: &[InterfaceAddress], ifindex: u32, mac: Mac) -> String {
    let is_it = |interface: &&InterfaceAddress| {
        let link = interface.address.as_ref().and_then(|address| address.as_link_addr());
        link.is_some_and(|link| link.ifindex() == ifindex as usize && link.addr() == Some(mac))
    };
    let found = interfaces.iter().find(is_it);
    found.map_or_else(|| format!("#{ifindex}"), |interface| interface.interface_name.clone())
}
