//! Gateway legs: a veth pair between the node and each task that runs here. The task's end carries
//! its default route, the node's end is where the packet programs sit.
//!
//! Wishes ([`LegSpec`]) come from the agent, states ([`LegState`]) go into the map `LEGS`. The
//! kernel keeps the only copy of what exists: a restarted agent and `detach` read it back.

mod address;
mod ensure;
mod find;
mod task_end;

use std::net::Ipv4Addr;

use lb_common::addr::Mac;

pub use find::FoundLeg;
pub(super) use find::{ALIAS, PREFIX, has_form, hashed};

use super::{Netlink, Result};
use crate::model::{Netns, Subnet};

/// Name of a leg's end in the task's namespace.
pub const TASK_INTERFACE: &str = "gw0";

/// A gateway leg that a task should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegSpec {
    /// The task's name.
    pub task: String,
    /// Its namespace.
    pub netns: Netns,
    /// The cluster's gateway subnet.
    pub gateway: Subnet,
    /// Largest IP packet that the leg carries, bytes: see [`super::mtu::tunnel_mtu`].
    pub mtu: u16,
    /// The address it should have; left out, an existing leg keeps its own and a new one gets one
    /// derived from the task's name.
    pub wanted: Option<Ipv4Addr>,
}

/// A gateway leg as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegState {
    /// The node end's interface index.
    pub ifindex: u32,
    /// The node end's name.
    pub ifname: String,
    /// The task's address.
    pub addr: Ipv4Addr,
    /// The task end's Ethernet address.
    pub task_mac: Mac,
    /// The node end's Ethernet address.
    pub host_mac: Mac,
    /// The node's id for the task's namespace.
    pub netns_id: i32,
    /// Largest IP packet that the leg carries, bytes.
    pub mtu: u16,
}

/// The gateway legs of this node.
#[derive(Debug)]
pub struct Legs {
    node: Netlink,
    /// One change at a time, or two tasks could be given the same address.
    changing: tokio::sync::Mutex<()>,
}

impl Legs {
    /// The legs in the namespace that `node` is connected to.
    #[must_use]
    pub fn new(node: Netlink) -> Self {
        Self { node, changing: tokio::sync::Mutex::default() }
    }

    /// Makes a task have its leg, or repairs what differs from `spec`; changes nothing otherwise.
    ///
    /// # Errors
    /// Errors name the task and, where something of the user's is in the way, the fix. A namespace
    /// that is not there yet: [`super::HostError::is_missing_namespace`].
    pub async fn ensure(&self, spec: &LegSpec) -> Result<LegState> {
        let _changing = self.changing.lock().await;
        ensure::ensure(&self.node, spec).await
    }

    /// Removes a task's leg; one that is gone already is fine.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove(&self, task: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        match self.node.link_named(&host_ifname(task)).await? {
            Some(link) if find::owner(&link).is_none_or(|owner| owner == task) => {
                self.node.delete_link(&link).await
            }
            _ => Ok(()),
        }
    }

    /// All legs of this node, also those that an earlier agent made.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub async fn list(&self) -> Result<Vec<FoundLeg>> {
        find::legs(&self.node).await
    }

    /// Removes all legs of this node, also those that an earlier agent made.
    ///
    /// # Errors
    /// When the kernel refuses; legs before that one are gone by then.
    pub async fn remove_all(&self) -> Result<()> {
        let _changing = self.changing.lock().await;
        for leg in find::legs(&self.node).await? {
            self.node.delete_link(&leg.link).await?;
        }
        Ok(())
    }
}

/// Name of the node's end of a task's leg: `slb` and ten hex digits of the name's hash.
#[must_use]
pub fn host_ifname(task: &str) -> String {
    hashed(PREFIX, task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_fit_and_differ() {
        assert_eq!(host_ifname("web.1").len(), 13);
        assert_ne!(host_ifname("web.1"), host_ifname("web.2"));
        assert!(find::is_leg_name(&host_ifname("web.1")));
    }
}
