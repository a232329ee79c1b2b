//! Which legs exist, read back from the kernel: interfaces by name and alias, addresses by the
//! routes that lead to them.

use std::net::Ipv4Addr;

use super::super::{
    Netlink, Result,
    netlink::{Link, Route},
};

/// Names of our interfaces start with this; nftables rules know it too.
pub(in crate::host) const PREFIX: &str = "slb";
/// The alias of our interfaces, also of overlay legs, starts with this and goes on with the task's
/// name.
pub(in crate::host) const ALIAS: &str = "swarmlb:";
/// Hex digits after the prefix.
const DIGITS: usize = 10;

/// A leg that exists, perhaps half made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLeg {
    /// The node's end.
    pub link: Link,
    /// The task's name; `None` where an agent was killed while it made the leg.
    pub task: Option<String>,
    /// The task's address; `None` as above.
    pub addr: Option<Ipv4Addr>,
}

/// All legs in the namespace.
pub(super) async fn legs(node: &Netlink) -> Result<Vec<FoundLeg>> {
    let routes = node.routes().await?;
    let links = node.links().await?.into_iter().filter(is_leg);
    Ok(links.map(|link| found(link, &routes)).collect())
}

fn found(link: Link, routes: &[Route]) -> FoundLeg {
    FoundLeg { task: owner(&link).map(Into::into), addr: address(&link, routes), link }
}

/// The task's address on a leg: where the leg's own route leads.
pub(super) fn address(link: &Link, routes: &[Route]) -> Option<Ipv4Addr> {
    let leads = |route: &&Route| route.ifindex == Some(link.ifindex) && route.prefix == 32;
    routes.iter().find(leads).map(|route| route.destination)
}

/// The task whose leg this interface is, as its alias says.
pub(super) fn owner(link: &Link) -> Option<&str> {
    link.alias.as_deref()?.strip_prefix(ALIAS)
}

/// The alias that names a task.
pub(super) fn alias_of(task: &str) -> String {
    format!("{ALIAS}{task}")
}

/// Whose an interface with our name is, when it is not this task's leg.
pub(super) fn other_owner(link: &Link, task: &str) -> Option<String> {
    match (owner(link), &link.alias) {
        (Some(owner), _) if owner == task => None,
        (None, None) if link.kind == "veth" => None,
        (Some(owner), _) => Some(format!("the gateway leg of task {owner}")),
        (None, _) => Some("another program".into()),
    }
}

fn is_leg(link: &Link) -> bool {
    let alias_is_ours = link.alias.as_deref().is_none_or(|alias| alias.starts_with(ALIAS));
    link.kind == "veth" && is_leg_name(&link.name) && alias_is_ours
}

/// Whether an interface name has the form of ours.
pub(super) fn is_leg_name(name: &str) -> bool {
    has_form(name, PREFIX)
}

/// Whether an interface name is one that [`hashed`] gives with that prefix.
pub(in crate::host) fn has_form(name: &str, prefix: &str) -> bool {
    let is_hex =
        |digits: &str| digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    name.strip_prefix(prefix).is_some_and(is_hex)
}

/// An interface name for an owner of any length: the prefix and hex digits of the owner's hash, since
/// an interface name has room for 15 bytes only.
pub(in crate::host) fn hashed(prefix: &str, owner: &str) -> String {
    format!("{prefix}{:0DIGITS$x}", lb_common::hash::name_hash(0, owner.as_bytes()) >> 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, kind: &str, alias: Option<&str>) -> Link {
        Link {
            name: name.into(),
            kind: kind.into(),
            alias: alias.map(Into::into),
            ..Link::default()
        }
    }

    #[test]
    fn only_our_veths_are_legs() {
        assert!(is_leg(&link("slb0123456789", "veth", Some("swarmlb:web.1"))));
        assert!(is_leg(&link("slb0123456789", "veth", None)));
        assert!(!is_leg(&link("slb0123456789", "veth", Some("mine"))));
        assert!(!is_leg(&link("slb0123456789", "bridge", None)));
        assert!(!is_leg(&link("slb-bridge", "veth", None)));
    }

    #[test]
    fn an_interface_in_the_way_is_named_after_its_owner() {
        let taken = link("slb0123456789", "veth", Some("swarmlb:web.1"));
        assert_eq!(other_owner(&taken, "web.1"), None);
        assert_eq!(other_owner(&taken, "db.1").as_deref(), Some("the gateway leg of task web.1"));
        let foreign = link("slb0123456789", "bridge", None);
        assert_eq!(other_owner(&foreign, "web.1").as_deref(), Some("another program"));
    }
}
