//! The node's own place in the network: its interfaces and addresses, and the next hop to a peer.

use std::net::Ipv4Addr;

use lb_common::addr::Mac;

use super::{
    HostError, Result,
    netlink::{Link, Netlink, Route},
};

/// An interface and the IPv4 addresses it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface itself.
    pub link: Link,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<(Ipv4Addr, u8)>,
}

/// How packets to a peer leave this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Interface they leave by.
    pub ifindex: u32,
    /// Its Ethernet address.
    pub src_mac: Mac,
    /// The next hop's Ethernet address.
    pub dst_mac: Mac,
    /// Largest IP packet on that way, bytes.
    pub mtu: u16,
}

/// All interfaces of the node with their addresses.
///
/// # Errors
/// When the kernel refuses the question.
pub async fn interfaces(netlink: &Netlink) -> Result<Vec<Interface>> {
    let addresses = netlink.addresses().await?;
    let of = |ifindex| {
        let carried = addresses.iter().filter(move |address| address.ifindex == ifindex);
        carried.map(|address| (address.addr, address.prefix)).collect()
    };
    let links = netlink.links().await?;
    Ok(links.into_iter().map(|link| Interface { addresses: of(link.ifindex), link }).collect())
}

/// The interface that carries an address.
///
/// # Errors
/// [`HostError::NoInterface`] when none does.
pub async fn interface_with(netlink: &Netlink, addr: Ipv4Addr) -> Result<Interface> {
    let all = interfaces(netlink).await?;
    let carries = |interface: &Interface| interface.addresses.iter().any(|(own, _)| *own == addr);
    all.into_iter().find(carries).ok_or(HostError::NoInterface { addr })
}

/// All IPv4 addresses of the node, loopback's and bridges' included, sorted, each once.
///
/// # Errors
/// When the kernel refuses the question.
pub async fn local_addresses(netlink: &Netlink) -> Result<Vec<Ipv4Addr>> {
    let mut addresses: Vec<_> =
        netlink.addresses().await?.into_iter().map(|address| address.addr).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// How packets to the peer `addr` leave this node; `None` while the next hop's Ethernet address is
/// unknown. Each call makes the kernel ask for what it does not know and confirm what is old, so
/// calling it at each change notification and every few seconds keeps the answer true; the
/// kernel's own traffic would not, since tunnel packets bypass it.
///
/// # Errors
/// [`HostError::NoRoute`] and [`HostError::OwnAddress`] name the peer.
pub async fn next_hop(netlink: &Netlink, addr: Ipv4Addr) -> Result<Option<NextHop>> {
    let no_route = || HostError::NoRoute { addr };
    let route = netlink.route_to(addr).await?.ok_or_else(no_route)?;
    if route.local {
        return Err(HostError::OwnAddress { addr });
    }
    let ifindex = route.ifindex.ok_or_else(no_route)?;
    let link = netlink.link_at(ifindex).await?.ok_or_else(no_route)?;
    let src_mac = link.mac.ok_or_else(no_route)?;
    let dst_mac = resolve(netlink, ifindex, route.gateway.unwrap_or(addr)).await?;
    let mtu = route_mtu(&route, &link);
    Ok(dst_mac.map(|dst_mac| NextHop { ifindex, src_mac, dst_mac, mtu }))
}

async fn resolve(netlink: &Netlink, ifindex: u32, neighbour: Ipv4Addr) -> Result<Option<Mac>> {
    let known = netlink.neighbour(ifindex, neighbour).await?;
    if !known.is_some_and(|known| known.fresh) {
        netlink.refresh_neighbour(ifindex, neighbour).await?;
    }
    Ok(known.and_then(|known| known.mac))
}

fn route_mtu(route: &Route, link: &Link) -> u16 {
    let mtu = route.mtu.unwrap_or(link.mtu).min(link.mtu);
    mtu.try_into().unwrap_or(u16::MAX)
}
