//! The task's side of a leg, worked on from inside its namespace.

use std::net::Ipv4Addr;

use lb_common::addr::mac_of;

use super::{LegSpec, TASK_INTERFACE};
use crate::host::{HostError, Netlink, Result, netlink::Link, netns::Namespace, offload};

/// A task's namespace, open for work.
#[derive(Debug)]
pub(super) struct TaskEnd {
    pub(super) namespace: Namespace,
    netlink: Netlink,
}

impl TaskEnd {
    /// Connects to the task's namespace.
    pub(super) fn connect(namespace: Namespace) -> Result<Self> {
        let netlink = Netlink::inside(&namespace)?;
        Ok(Self { namespace, netlink })
    }

    /// The interface that has the name of a leg's task end.
    pub(super) async fn link(&self) -> Result<Option<Link>> {
        self.netlink.link_named(TASK_INTERFACE).await
    }

    /// The address of that interface.
    pub(super) async fn address(&self) -> Result<Option<Ipv4Addr>> {
        let Some(link) = self.link().await? else { return Ok(None) };
        let addresses = self.netlink.addresses().await?;
        Ok(addresses.iter().find(|found| found.ifindex == link.ifindex).map(|found| found.addr))
    }

    /// Gives the task its address, its default route and a working loopback.
    pub(super) async fn ensure(&self, spec: &LegSpec, addr: Ipv4Addr) -> Result<()> {
        let gateway = spec.gateway.gateway();
        let missing = || {
            HostError::netlink(format!("find interface {TASK_INTERFACE} of task {}", spec.task))(
                rtnetlink::Error::RequestFailed,
            )
        };
        let link = self.link().await?.ok_or_else(missing)?;
        self.netlink.set_up("lo").await?;
        self.netlink.settle_link(&link, mac_of(addr.octets()), spec.mtu).await?;
        offload::enable_gro(&self.namespace, TASK_INTERFACE)?;
        self.netlink.ensure_address(&link, addr, 32).await?;
        self.netlink.ensure_neighbour(&link, gateway, mac_of(gateway.octets())).await?;
        self.netlink.ensure_link_route(&link, gateway, addr).await?;
        self.netlink.ensure_default_route(&link, gateway, addr).await
    }
}

/// Refuses a task whose default route is another interface's: replies would leave by it.
pub(super) async fn route_taken(task: &TaskEnd, name: &str) -> Result<()> {
    let own = task.link().await?.map(|link| link.ifindex);
    let routes = task.netlink.routes().await?;
    let foreign = routes.iter().find(|route| route.is_default() && route.ifindex != own);
    let Some(ifindex) = foreign.and_then(|route| route.ifindex) else { return Ok(()) };
    let interface =
        task.netlink.link_at(ifindex).await?.map_or_else(|| ifindex.to_string(), |l| l.name);
    Err(HostError::ForeignDefaultRoute { task: name.into(), interface })
}
