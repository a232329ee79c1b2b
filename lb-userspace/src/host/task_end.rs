//! The task's side of a leg, worked on from inside its namespace; what gateway and overlay legs have
//! in common.

use std::net::Ipv4Addr;

use super::{
    HostError, Netlink, Result,
    netlink::{Address, Link},
    netns::Namespace,
};

/// An interface in a task's namespace, there or not.
#[derive(Debug)]
pub(super) struct TaskEnd {
    /// The namespace, open for work.
    pub(super) namespace: Namespace,
    /// A connection to it.
    pub(super) netlink: Netlink,
    /// The interface's name.
    pub(super) interface: String,
}

impl TaskEnd {
    /// Connects to the task's namespace.
    pub(super) fn connect(namespace: Namespace, interface: impl Into<String>) -> Result<Self> {
        let netlink = Netlink::inside(&namespace)?;
        Ok(Self { namespace, netlink, interface: interface.into() })
    }

    /// The interface, if there is one of that name.
    pub(super) async fn link(&self) -> Result<Option<Link>> {
        self.netlink.link_named(&self.interface).await
    }

    /// The interface, which must be there; `task` is for the error.
    pub(super) async fn present(&self, task: &str) -> Result<Link> {
        let missing = || {
            let action = format!("find interface {} of task {task}", self.interface);
            HostError::netlink(action)(rtnetlink::Error::RequestFailed)
        };
        self.link().await?.ok_or_else(missing)
    }

    /// The address of the interface.
    pub(super) async fn address(&self) -> Result<Option<Ipv4Addr>> {
        let Some(link) = self.link().await? else { return Ok(None) };
        let addresses = self.netlink.addresses().await?;
        let own = |found: &&Address| found.ifindex == link.ifindex;
        Ok(addresses.iter().find(own).map(|found| found.addr))
    }
}
