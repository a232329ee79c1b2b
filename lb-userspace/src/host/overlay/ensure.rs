//! One overlay leg made or repaired: the pair first, the node's end before the task's, and the alias
//! last at the node's end, as the mark that the pair is whole.

use std::os::fd::AsFd as _;

use super::{OverlaySpec, OverlayState, index, names, node_ifname, task_end, task_ifname};
use crate::host::{
    HostError, Netlink, Result,
    netlink::{Link, VethEnd, VethPair},
    netns::Namespace,
    sysctl,
    task_end::TaskEnd,
};

/// Both sides of a leg while it is worked on.
struct Work<'a> {
    node: &'a Netlink,
    task: TaskEnd,
    spec: &'a OverlaySpec,
    netns_id: i32,
    /// The node end's name.
    name: String,
}

/// Makes the leg be as `spec` says; a new one is left down at the node's end.
pub(super) async fn ensure(node: &Netlink, spec: &OverlaySpec) -> Result<OverlayState> {
    let namespace = Namespace::of_task(&spec.netns, &spec.owner.task)?;
    let netns_id = node.ensure_netns_id(&namespace).await?;
    let task = TaskEnd::connect(namespace, task_ifname(&spec.owner.network))?;
    let work = Work { node, task, spec, netns_id, name: node_ifname(&spec.owner) };
    let host = work.pair().await?;
    work.node_end(&host).await?;
    task_end::ensure(&work.task, spec).await?;
    Ok(work.state(host))
}

impl Work<'_> {
    /// The node's end of the pair that exists, where it leads to the task and is whole, or of a new
    /// one.
    async fn pair(&self) -> Result<Link> {
        if let Some(own) = self.node.link_named(&self.name).await? {
            self.refuse_other_owner(&own)?;
            let there = self.task.link().await?;
            let leads = there.is_some_and(|there| own.is_paired_with(&there, self.netns_id));
            if leads && own.alias.is_some() {
                return Ok(own);
            }
            self.node.delete_link(&own).await?;
        }
        self.refuse_foreign_task_end().await?;
        let made = self.add_pair(None).await?;
        match index::instead_of(&made, &self.node.links().await?) {
            None => Ok(made),
            Some(ifindex) => {
                self.node.delete_link(&made).await?;
                self.add_pair(Some(ifindex)).await
            }
        }
    }

    fn refuse_other_owner(&self, link: &Link) -> Result<()> {
        let task = self.spec.owner.task.clone();
        names::other_owner(link, &self.spec.owner).map_or(Ok(()), |owner| {
            Err(HostError::NameTaken { task, interface: link.name.clone(), owner })
        })
    }

    async fn refuse_foreign_task_end(&self) -> Result<()> {
        let (task, interface) = (self.spec.owner.task.clone(), self.task.interface.clone());
        match self.task.link().await? {
            Some(_) => Err(HostError::ForeignInterface { task, interface }),
            None => Ok(()),
        }
    }

    async fn add_pair(&self, ifindex: Option<u32>) -> Result<Link> {
        let pair = VethPair {
            here: VethEnd { name: &self.name, mac: names::node_mac(&self.spec.owner) },
            there: VethEnd { name: &self.task.interface, mac: self.spec.mac },
            namespace: self.task.namespace.as_fd(),
            mtu: self.spec.mtu,
            ifindex,
        };
        self.node.add_veth(&pair).await?;
        let action = format!("find interface {}", self.name);
        let missing = || HostError::netlink(action)(rtnetlink::Error::RequestFailed);
        self.node.link_named(&self.name).await?.ok_or_else(missing)
    }

    /// The node's end: silent, and whole by its alias.
    async fn node_end(&self, link: &Link) -> Result<()> {
        if !link.up {
            sysctl::disable_ipv6(&link.name)?;
        }
        let mac = names::node_mac(&self.spec.owner);
        self.node.shape_link(link, mac, self.spec.mtu).await?;
        self.node.set_alias(link, &names::alias_of(&self.spec.owner)).await
    }

    fn state(&self, host: Link) -> OverlayState {
        let OverlaySpec { addr, mac, mtu, .. } = *self.spec;
        OverlayState { ifindex: host.ifindex, ifname: host.name, addr, mac, mtu }
    }
}
