//! IPv4 neighbours: which Ethernet address an IPv4 address on a link has.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::pin,
};

use futures::TryStreamExt as _;
use lb_common::addr::Mac;
use netlink_packet_core::NLM_F_REQUEST;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
    },
};
use nix::errno::Errno;

use super::{Link, Netlink, is_errno};
use crate::host::{HostError, Result};

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its Ethernet address, unless the kernel holds it for wrong.
    pub mac: Option<Mac>,
    /// Written down for good.
    pub permanent: bool,
    /// Confirmed lately, or set by hand: no need to ask again.
    pub fresh: bool,
}

impl Netlink {
    /// What the kernel knows of the neighbour `addr` on an interface.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn neighbour(&self, ifindex: u32, addr: Ipv4Addr) -> Result<Option<Neighbour>> {
        let action = || format!("look up neighbour {addr}");
        let question = RouteNetlinkMessage::GetNeighbour(question(ifindex, addr));
        let asked = self.request(question, NLM_F_REQUEST).map_err(HostError::netlink(action()))?;
        match pin!(asked).try_next().await {
            Ok(Some(RouteNetlinkMessage::NewNeighbour(found))) => Ok(Some(Neighbour::from(&found))),
            Ok(_) => Ok(None),
            Err(error) if is_errno(&error, Errno::ENOENT) => Ok(None),
            Err(error) => Err(HostError::netlink(action())(error)),
        }
    }

    /// Writes down for good which Ethernet address `addr` has, so that nobody asks by ARP; it may
    /// stand there already.
    ///
    /// # Errors
    /// When the link is down.
    pub async fn ensure_neighbour(&self, link: &Link, addr: Ipv4Addr, mac: Mac) -> Result<()> {
        let known = self.neighbour(link.ifindex, addr).await?;
        if known.is_some_and(|known| known.permanent && known.mac == Some(mac)) {
            return Ok(());
        }
        let request = self.handle.neighbours().add(link.ifindex, IpAddr::V4(addr));
        let added = request.link_local_address(&mac).replace().execute().await;
        added.map_err(HostError::netlink(format!("add neighbour {addr} on {}", link.name)))
    }

    /// Makes the kernel use a neighbour as a packet would: it asks by ARP what it does not know
    /// and confirms what is old. Returns at once; the answer comes as a change notification.
    ///
    /// # Errors
    /// When the link is gone.
    pub async fn refresh_neighbour(&self, ifindex: u32, addr: Ipv4Addr) -> Result<()> {
        let request = self.handle.neighbours().add(ifindex, IpAddr::V4(addr));
        let request = request.state(NeighbourState::None).flags(NeighbourFlags::Use).replace();
        request.execute().await.map_err(HostError::netlink(format!("refresh neighbour {addr}")))
    }
}

fn question(ifindex: u32, addr: Ipv4Addr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = ifindex;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(addr)));
    message
}

impl From<&NeighbourMessage> for Neighbour {
    fn from(message: &NeighbourMessage) -> Self {
        use NeighbourState::{Delay, Noarp, Permanent, Probe, Reachable, Stale};
        let state = message.header.state;
        let valid = matches!(state, Delay | Noarp | Permanent | Probe | Reachable | Stale);
        let mac = message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLocalAddress(mac) => mac.as_slice().try_into().ok(),
            _ => None,
        });
        let fresh = matches!(state, Reachable | Permanent | Noarp);
        Self { mac: mac.filter(|_| valid), permanent: state == Permanent, fresh }
    }
}
