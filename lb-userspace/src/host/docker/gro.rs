//! GRO at the task end of a container's gateway leg: frames that XDP redirects into a veth are lost
//! without it. What was off before is on record and turned off again when the leg leaves, or by
//! `detach`.

use lb_common::addr::Mac;
use nix::{
    errno::Errno,
    net::if_::if_indextoname,
    sys::socket::{AddressFamily, SockaddrLike as _},
};

use super::super::{
    HostError, Journal, Result,
    journal::TaskInterface,
    netns::Namespace,
    offload::{has_gro, set_gro},
};
use crate::model::Netns;

/// Turns GRO on at the interface of that index inside the namespace, if that has this Ethernet address;
/// returns whether there is one.
///
/// # Errors
/// When the namespace cannot be entered, the journal not written, or the kernel refuses.
pub(super) fn enable(
    namespace: &Namespace,
    ifindex: u32,
    mac: Mac,
    journal: &mut Journal,
) -> Result<bool> {
    let (netns, inode) = (namespace.path().to_owned(), namespace.inode());
    namespace.run(|| {
        let Some(name) = name(ifindex).filter(|name| has_mac(name, mac)) else { return Ok(false) };
        let action = || HostError::io(format!("turn GRO on at {name} in {}", netns.display()));
        if !has_gro(&name).map_err(action())? {
            journal.record_gro(TaskInterface { netns: netns.clone(), inode, ifindex })?;
            set_gro(&name, true).map_err(action())?;
        }
        Ok(true)
    })?
}

/// Turns GRO off again; an interface or a namespace that is gone needs nothing.
pub(in crate::host) fn restore(interface: &TaskInterface) -> Result<()> {
    let namespace = match Namespace::open(&Netns::Path(interface.netns.clone())) {
        Err(error) if error.is_missing_namespace() => return Ok(()),
        namespace => namespace?,
    };
    if namespace.inode() != interface.inode {
        return Ok(());
    }
    let restored = namespace.run(|| match name(interface.ifindex) {
        Some(name) => set_gro(&name, false),
        None => Ok(()),
    })?;
    match restored {
        Err(Errno::ENODEV) => Ok(()),
        restored => restored
            .map_err(HostError::io(format!("turn GRO off in {}", interface.netns.display()))),
    }
}

/// Name of the interface of that index in the calling thread's namespace.
fn name(ifindex: u32) -> Option<String> {
    if_indextoname(ifindex).ok()?.into_string().ok()
}

/// Whether the interface of that name has this Ethernet address.
fn has_mac(name: &str, mac: Mac) -> bool {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return false };
    let links = all.filter(|found| found.interface_name == name).filter_map(|found| found.address);
    let packet =
        |addr: &nix::sys::socket::SockaddrStorage| addr.family() == Some(AddressFamily::Packet);
    links.filter(packet).any(|addr| addr.as_link_addr().and_then(|link| link.addr()) == Some(mac))
}
