//! The task's end of an overlay leg: the task's address in the network, and the ways to the network's
//! other subnets. No default route: the way out is the gateway leg's.

use super::OverlaySpec;
use crate::host::{Result, sysctl, task_end::TaskEnd};

/// Gives the task its address, its routes and a working loopback.
pub(super) async fn ensure(end: &TaskEnd, spec: &OverlaySpec) -> Result<()> {
    let link = end.present(&spec.owner.task).await?;
    let netlink = &end.netlink;
    netlink.set_up("lo").await?;
    // Before it speaks for the first time; whoever turns IPv6 on later keeps it.
    if !link.up {
        end.namespace.run(|| sysctl::disable_ipv6(&end.interface))??;
    }
    netlink.settle_link(&link, spec.mac, spec.mtu).await?;
    netlink.ensure_only_address(&link, spec.addr, spec.prefix).await?;
    netlink.ensure_routes_by(&link, spec.gateway, spec.addr, &spec.others).await
}
