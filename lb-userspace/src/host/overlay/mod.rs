//! Overlay legs: a veth pair between the node and each task that runs here, one per network of the
//! task's service. The task's end has the task's address in that network; the node's end has none,
//! since everything that comes in by it belongs to the packet programs.
//!
//! Wishes ([`OverlaySpec`]) come from the agent, states ([`OverlayState`]) go into the maps
//! `OVERLAY_LEGS` and `ENDPOINTS`. The kernel keeps the only copy of what exists: a restarted agent
//! and `detach` read it back.

mod ensure;
mod index;
mod names;
mod task_end;

use std::net::Ipv4Addr;

use lb_common::addr::Mac;

pub use names::{Owner, node_ifname, task_ifname};

use super::{Netlink, Result, netlink::Link};
use crate::model::{Netns, Subnet};

/// An overlay leg that a task should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlaySpec {
    /// Whose it is, in which network.
    pub owner: Owner,
    /// The task's namespace.
    pub netns: Netns,
    /// The task's address in the network.
    pub addr: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Prefix length of its subnet.
    pub prefix: u8,
    /// Gateway of its subnet: the way to the network's other subnets.
    pub gateway: Ipv4Addr,
    /// The network's other subnets.
    pub others: Vec<Subnet>,
    /// Largest IP packet that the leg carries, bytes.
    pub mtu: u16,
}

/// An overlay leg as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayState {
    /// The node end's interface index, which no other overlay leg shares modulo 65536.
    pub ifindex: u32,
    /// The node end's name.
    pub ifname: String,
    /// The task's address.
    pub addr: Ipv4Addr,
    /// The task end's Ethernet address.
    pub mac: Mac,
    /// Largest IP packet that the leg carries, bytes.
    pub mtu: u16,
}

/// An overlay leg that exists, perhaps half made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOverlayLeg {
    /// The node's end.
    pub link: Link,
    /// Whose it is; `None` where an agent was killed while it made the leg.
    pub owner: Option<Owner>,
}

/// The overlay legs of this node.
#[derive(Debug)]
pub struct OverlayLegs {
    node: Netlink,
    /// One change at a time, or two legs could share a place in `OVERLAY_LEGS`.
    changing: tokio::sync::Mutex<()>,
}

impl OverlayLegs {
    /// The legs in the namespace that `node` is connected to.
    #[must_use]
    pub fn new(node: Netlink) -> Self {
        Self { node, changing: tokio::sync::Mutex::default() }
    }

    /// Makes a task have its leg, or repairs what differs from `spec`; changes nothing otherwise. A
    /// new leg carries nothing before [`OverlayLegs::open`].
    ///
    /// # Errors
    /// Errors name the task and, where something of the user's is in the way, the fix. A namespace
    /// that is not there yet: [`super::HostError::is_missing_namespace`].
    pub async fn ensure(&self, spec: &OverlaySpec) -> Result<OverlayState> {
        let _changing = self.changing.lock().await;
        ensure::ensure(&self.node, spec).await
    }

    /// Lets packets in, once a program waits for them: without one the task would talk to the
    /// node's own network stack.
    ///
    /// # Errors
    /// When the leg is gone.
    pub async fn open(&self, leg: &OverlayState) -> Result<()> {
        self.node.set_up(&leg.ifname).await
    }

    /// Removes a leg; one that is gone already is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove(&self, owner: &Owner) -> Result<()> {
        let _changing = self.changing.lock().await;
        match self.node.link_named(&node_ifname(owner)).await? {
            Some(link) if names::other_owner(&link, owner).is_none() => {
                self.node.delete_link(&link).await
            }
            _ => Ok(()),
        }
    }

    /// All overlay legs of this node, also those that an earlier agent made.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn list(&self) -> Result<Vec<FoundOverlayLeg>> {
        let links = self.node.links().await?.into_iter().filter(names::is_leg);
        Ok(links.map(|link| FoundOverlayLeg { owner: names::owner(&link), link }).collect())
    }

    /// Removes all overlay legs of this node, also those that an earlier agent made.
    ///
    /// # Errors
    /// When the kernel refuses; legs before that one are gone by then.
    pub async fn remove_all(&self) -> Result<()> {
        let _changing = self.changing.lock().await;
        for leg in self.list().await? {
            self.node.delete_link(&leg.link).await?;
        }
        Ok(())
    }
}
