//! The task's end of a gateway leg: its address, its default route, and no ARP.

use std::net::Ipv4Addr;

use lb_common::addr::mac_of;

use super::LegSpec;
use crate::host::{HostError, Result, offload, task_end::TaskEnd};

/// Gives the task its address, its default route and a working loopback.
pub(super) async fn ensure(end: &TaskEnd, spec: &LegSpec, addr: Ipv4Addr) -> Result<()> {
    let gateway = spec.gateway.gateway();
    let link = end.present(&spec.task).await?;
    let netlink = &end.netlink;
    netlink.set_up("lo").await?;
    netlink.settle_link(&link, mac_of(addr.octets()), spec.mtu).await?;
    offload::enable_gro(&end.namespace, &end.interface)?;
    netlink.ensure_address(&link, addr, 32).await?;
    netlink.ensure_neighbour(&link, gateway, mac_of(gateway.octets())).await?;
    netlink.ensure_link_route(&link, gateway, addr).await?;
    netlink.ensure_default_route(&link, gateway, addr).await
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
