//! One leg made or repaired: first look and refuse, then change, the node's end before the task's,
//! so that an address is on record before anything can use it.

use std::{collections::BTreeSet, net::Ipv4Addr, os::fd::AsFd as _};

use lb_common::addr::{Mac, mac_of};

use super::{
    LegSpec, LegState, TASK_INTERFACE, address, find, host_ifname,
    task_end::{self, route_taken},
};
use crate::host::{
    HostError, Netlink, Result,
    netlink::{Link, Route, VethEnd, VethPair},
    netns::Namespace,
    task_end::TaskEnd,
};

/// Both sides of a leg while it is worked on.
struct Work<'a> {
    node: &'a Netlink,
    task: TaskEnd,
    spec: &'a LegSpec,
    netns_id: i32,
}

/// Makes the leg be as `spec` says.
pub(super) async fn ensure(node: &Netlink, spec: &LegSpec) -> Result<LegState> {
    address::check(spec)?;
    let namespace = Namespace::of_task(&spec.netns, &spec.task)?;
    let netns_id = node.ensure_netns_id(&namespace).await?;
    let task = TaskEnd::connect(namespace, TASK_INTERFACE)?;
    route_taken(&task, &spec.task).await?;
    let work = Work { node, task, spec, netns_id };
    let addr = work.settle_pair().await?;
    let host = work.host_end(addr).await?;
    task_end::ensure(&work.task, spec, addr).await?;
    Ok(work.state(&host, addr))
}

impl Work<'_> {
    /// Keeps the pair that exists where it fits, else makes one; gives the task's address.
    async fn settle_pair(&self) -> Result<Ipv4Addr> {
        let name = host_ifname(&self.spec.task);
        let own = self.node.link_named(&name).await?;
        let routes = self.node.routes().await?;
        let used = self.used(&routes, own.as_ref());
        if let Some(own) = own {
            self.refuse_other_owner(&own)?;
            if let Some(addr) = self.kept(&own, &routes, &used).await? {
                return Ok(addr);
            }
            self.node.delete_link(&own).await?;
        }
        let addr = address::choose(self.spec, &used)?;
        self.add_pair(&name, addr).await.map(|()| addr)
    }

    /// Addresses of other legs: each has a route of its own.
    fn used(&self, routes: &[Route], own: Option<&Link>) -> BTreeSet<Ipv4Addr> {
        let own = own.map(|link| link.ifindex);
        let others = routes.iter().filter(|route| route.prefix == 32 && route.ifindex != own);
        let inside = others.filter(|route| self.spec.gateway.contains(route.destination));
        inside.map(|route| route.destination).collect()
    }

    /// The address of an existing pair, if that leads to the right namespace and fits.
    async fn kept(
        &self,
        own: &Link,
        routes: &[Route],
        used: &BTreeSet<Ipv4Addr>,
    ) -> Result<Option<Ipv4Addr>> {
        let there = self.task.link().await?;
        if !there.is_some_and(|there| own.is_paired_with(&there, self.netns_id)) {
            return Ok(None);
        }
        let kept = match find::address(own, routes) {
            Some(addr) => Some(addr),
            None => self.task.address().await?,
        };
        let fits = |addr: &Ipv4Addr| {
            self.spec.wanted.is_none_or(|wanted| wanted == *addr)
                && self.spec.gateway.contains(*addr)
                && !used.contains(addr)
        };
        Ok(kept.filter(fits))
    }

    fn refuse_other_owner(&self, link: &Link) -> Result<()> {
        let task = self.spec.task.clone();
        find::other_owner(link, &task).map_or(Ok(()), |owner| {
            Err(HostError::NameTaken { task, interface: link.name.clone(), owner })
        })
    }

    async fn add_pair(&self, name: &str, addr: Ipv4Addr) -> Result<()> {
        if self.task.link().await?.is_some() {
            let interface = TASK_INTERFACE.into();
            return Err(HostError::ForeignInterface { task: self.spec.task.clone(), interface });
        }
        let pair = VethPair {
            here: VethEnd { name, mac: self.host_mac() },
            there: VethEnd { name: TASK_INTERFACE, mac: mac_of(addr.octets()) },
            namespace: self.task.namespace.as_fd(),
            mtu: self.spec.mtu,
            ifindex: None,
        };
        self.node.add_veth(&pair).await
    }

    /// The node's end: address, route and neighbour towards the task.
    async fn host_end(&self, addr: Ipv4Addr) -> Result<Link> {
        let gateway = self.spec.gateway.gateway();
        let name = host_ifname(&self.spec.task);
        let missing = || {
            HostError::netlink(format!("find interface {name}"))(rtnetlink::Error::RequestFailed)
        };
        let link = self.node.link_named(&name).await?.ok_or_else(missing)?;
        self.node.set_alias(&link, &find::alias_of(&self.spec.task)).await?;
        self.node.settle_link(&link, self.host_mac(), self.spec.mtu).await?;
        self.node.ensure_address(&link, gateway, 32).await?;
        self.node.ensure_link_route(&link, addr, gateway).await?;
        self.node.ensure_neighbour(&link, addr, mac_of(addr.octets())).await?;
        Ok(link)
    }

    fn host_mac(&self) -> Mac {
        mac_of(self.spec.gateway.gateway().octets())
    }

    fn state(&self, host: &Link, addr: Ipv4Addr) -> LegState {
        LegState {
            ifindex: host.ifindex,
            ifname: host.name.clone(),
            addr,
            task_mac: mac_of(addr.octets()),
            host_mac: self.host_mac(),
            netns_id: self.netns_id,
            mtu: self.spec.mtu,
        }
    }
}
