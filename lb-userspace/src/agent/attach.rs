//! Which program belongs on which interface, and putting it there once: a link keeps its program
//! until this agent has replaced it with its own.
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    dataplane::{AttachError, Dataplane, HiddenEnd, Hook, TcProgram},
    host::netns::Namespace,
};

/// What an interface of the node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A NIC: clients and the tunnel come in.
    Nic,
    /// A NIC beside Docker, which takes overlay frames itself.
    DockerNic,
    /// The node's end of a task's gateway leg.
    Leg,
    /// The node's end of a task's overlay leg.
    OverlayLeg,
    /// A bridge of containers without gateway legs.
    Bridge,
}

/// Interfaces by name with their roles.
pub(super) type Interfaces = BTreeMap<String, Role>;

/// The interfaces that carry programs of this very process.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    interfaces: Interfaces,
    /// By name of the hidden namespace.
    hidden: BTreeMap<String, BTreeSet<HiddenEnd>>,
    cgroup: bool,
}

impl Attachments {
    /// Attaches what `wanted` names and this process has not attached yet, or whose link is gone.
    /// Returns the links that were attached.
    pub(super) fn attach(
        &mut self,
        dataplane: &mut Dataplane,
        wanted: &Interfaces,
    ) -> Result<Vec<String>, AttachError> {
        dataplane.prune_links()?;
        self.forget_unlinked(&dataplane.linked_interfaces()?);
        let mut links = Vec::new();
        for (interface, role) in missing(&self.interfaces, wanted) {
            links.extend(attach(dataplane, &interface, role)?);
            self.interfaces.insert(interface, role);
        }
        Ok(links)
    }

    /// Attaches the programs of virtual IPs in a hidden namespace wherever this process has not done so.
    /// Returns the links that were attached and what could not be done.
    pub(super) fn attach_vips(
        &mut self,
        dataplane: &mut Dataplane,
        name: &str,
        namespace: &Namespace,
    ) -> Result<(Vec<String>, Vec<AttachError>), AttachError> {
        let done = self.hidden.entry(name.into()).or_default();
        let ends = dataplane.attach_vips(name, namespace, done)?;
        *done = ends.attached;
        Ok((ends.links, ends.problems))
    }

    /// Forgets links in a hidden namespace that are gone, and removes those of interfaces that are.
    pub(super) fn check_vips(
        &mut self,
        dataplane: &mut Dataplane,
        name: &str,
        namespace: &Namespace,
    ) -> Result<(), AttachError> {
        let done = self.hidden.entry(name.into()).or_default();
        *done = dataplane.check_vips(name, namespace, done)?;
        Ok(())
    }

    /// Removes the links in all hidden namespaces but these.
    pub(super) fn retain_vips(
        &mut self,
        dataplane: &mut Dataplane,
        kept: &BTreeSet<String>,
    ) -> Result<Vec<String>, AttachError> {
        self.hidden.retain(|name, _| kept.contains(name));
        dataplane.retain_vips(kept)
    }

    /// Attaches the programs that serve the node's own processes.
    pub(super) fn attach_cgroup(&mut self, dataplane: &mut Dataplane) -> Result<(), AttachError> {
        if !self.cgroup {
            dataplane.attach_cgroup()?;
            self.cgroup = true;
        }
        Ok(())
    }

    /// Detaches from interfaces that `wanted` lacks, also from those of an earlier agent.
    pub(super) fn prune(
        &mut self,
        dataplane: &mut Dataplane,
        wanted: &Interfaces,
    ) -> Result<(), AttachError> {
        for (_, interface) in dataplane.linked_interfaces()? {
            if !wanted.contains_key(&interface) {
                dataplane.detach_interface(&interface)?;
                self.interfaces.remove(&interface);
            }
        }
        Ok(())
    }

    fn forget_unlinked(&mut self, links: &[(Hook, String)]) {
        let on = |interface: &String| -> Vec<Hook> {
            links.iter().filter(|(_, linked)| linked == interface).map(|(hook, _)| *hook).collect()
        };
        let count = |hooks: &[Hook], hook: Hook| hooks.iter().filter(|h| **h == hook).count();
        self.interfaces.retain(|interface, role| {
            let (linked, needed) = (on(interface), role.hooks());
            needed.iter().all(|&hook| count(&linked, hook) >= count(needed, hook))
        });
    }
}

impl Role {
    /// The hook of each link.
    const fn hooks(self) -> &'static [Hook] {
        match self {
            Self::Nic => &[Hook::Tcx, Hook::Tcx, Hook::Xdp],
            Self::DockerNic => &[Hook::Tcx, Hook::TcxEgress, Hook::Xdp],
            Self::Leg => &[Hook::Tcx, Hook::Tcx],
            Self::OverlayLeg | Self::Bridge => &[Hook::Tcx],
        }
    }
}

fn attach(
    dataplane: &mut Dataplane,
    interface: &str,
    role: Role,
) -> Result<Vec<String>, AttachError> {
    Ok(match role {
        Role::Leg => vec![
            dataplane.attach_tcx(TcProgram::Leg, interface)?.link,
            dataplane.attach_tcx(TcProgram::Client, interface)?.link,
        ],
        Role::OverlayLeg => vec![dataplane.attach_tcx(TcProgram::Overlay, interface)?.link],
        Role::Bridge => vec![dataplane.attach_tcx(TcProgram::Client, interface)?.link],
        Role::Nic => {
            // An agent beside Docker has left it.
            dataplane.detach_tcx(TcProgram::Own, interface)?;
            vec![
                dataplane.attach_tcx(TcProgram::Node, interface)?.link,
                dataplane.attach_tcx(TcProgram::Arrive, interface)?.link,
                dataplane.attach_xdp(interface)?.link,
            ]
        }
        Role::DockerNic => {
            // An agent that went by a cluster file has left it; here it would take Docker's frames.
            dataplane.detach_tcx(TcProgram::Arrive, interface)?;
            vec![
                dataplane.attach_tcx(TcProgram::Node, interface)?.link,
                dataplane.attach_tcx(TcProgram::Own, interface)?.link,
                dataplane.attach_xdp(interface)?.link,
            ]
        }
    })
}

/// Entries of `wanted` that `present` lacks or has otherwise.
fn missing(present: &Interfaces, wanted: &Interfaces) -> Interfaces {
    let lacks = |(name, role): &(&String, &Role)| present.get(*name) != Some(*role);
    wanted.iter().filter(lacks).map(|(name, role)| (name.clone(), *role)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(names: &[(&str, Role)]) -> Interfaces {
        names.iter().map(|(name, role)| ((*name).to_string(), *role)).collect()
    }

    #[test]
    fn only_what_is_missing_is_attached() {
        let here = interfaces(&[("eth0", Role::Nic)]);
        let wanted = interfaces(&[("eth0", Role::Nic), ("slb1", Role::Leg)]);
        assert_eq!(missing(&here, &wanted), interfaces(&[("slb1", Role::Leg)]));
        assert!(missing(&wanted, &here).is_empty());
    }

    #[test]
    fn an_interface_that_lost_a_link_is_attached_anew() {
        let eth0 = interfaces(&[("eth0", Role::Nic)]);
        let mut attachments = Attachments { interfaces: eth0, ..Attachments::default() };
        let link = |hook| (hook, "eth0".to_string());
        attachments.forget_unlinked(&[link(Hook::Xdp), link(Hook::Tcx), link(Hook::Tcx)]);
        assert_eq!(attachments.interfaces.len(), 1);
        attachments.forget_unlinked(&[link(Hook::Xdp), link(Hook::Tcx)]);
        assert!(attachments.interfaces.is_empty());
    }
}
