//! What overlay legs are called: the node's end by a hash and an alias, the task's end after its
//! network. Pure.

use lb_common::{addr::Mac, hash::name_hash};

use crate::host::{
    legs::{ALIAS, has_form, hashed},
    netlink::Link,
};

/// Names of overlay legs' node ends start with this; nothing that matches gateway legs matches it.
const PREFIX: &str = "slo";
/// Names of their task ends start with this.
const TASK_PREFIX: &str = "ov-";
/// Longest name of an interface, bytes (IFNAMSIZ less the final zero).
const MAX_NAME: usize = 15;
/// Hex digits that a cut name ends with.
const CUT_DIGITS: usize = 5;

/// The task and the network of an overlay leg.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The task's name.
    pub task: String,
    /// The network's name.
    pub network: String,
}

/// Name of the node's end: `slo` and ten hex digits of the hash of `TASK@NETWORK`.
#[must_use]
pub fn node_ifname(owner: &Owner) -> String {
    hashed(PREFIX, &text(owner))
}

/// Ethernet address of the node's end. Nobody in the network sends to it, so that the node's own
/// stack takes no frame for its own even where a program is missing.
pub(super) fn node_mac(owner: &Owner) -> Mac {
    let [a, b, c, d, ..] = hash(owner).to_be_bytes();
    [0x02, 0x53, a, b, c, d]
}

/// Name of the end in the task's namespace: `ov-NETWORK`. A network's name of more than 12 bytes is
/// cut to 7 and completed by five hex digits of its hash. It does not depend on the service's other
/// networks, so that none of them is renamed when one comes or goes.
#[must_use]
pub fn task_ifname(network: &str) -> String {
    let whole = format!("{TASK_PREFIX}{network}");
    if whole.len() <= MAX_NAME {
        return whole;
    }
    let kept: String = whole.chars().take(MAX_NAME - CUT_DIGITS).collect();
    format!("{kept}{:05x}", name_hash(0, network.as_bytes()) >> 44)
}

/// The alias of the node's end, from which [`owner`] reads.
pub(super) fn alias_of(owner: &Owner) -> String {
    format!("{ALIAS}{}", text(owner))
}

/// Whose leg this interface is, as its alias says.
pub(super) fn owner(link: &Link) -> Option<Owner> {
    let (task, network) = link.alias.as_deref()?.strip_prefix(ALIAS)?.rsplit_once('@')?;
    Some(Owner { task: task.into(), network: network.into() })
}

/// Whose an interface with our name is, when it is not this leg.
pub(super) fn other_owner(link: &Link, wanted: &Owner) -> Option<String> {
    match (owner(link), &link.alias) {
        (Some(found), _) if found == *wanted => None,
        (None, None) if link.kind == "veth" => None,
        (Some(found), _) => Some(format!("the overlay leg {}", text(&found))),
        (None, _) => Some("another program".into()),
    }
}

/// Whether an interface is an overlay leg's node end, finished or not.
pub(super) fn is_leg(link: &Link) -> bool {
    let alias_is_ours = link.alias.is_none() || owner(link).is_some();
    link.kind == "veth" && has_form(&link.name, PREFIX) && alias_is_ours
}

fn text(owner: &Owner) -> String {
    format!("{}@{}", owner.task, owner.network)
}

fn hash(owner: &Owner) -> u64 {
    name_hash(0, text(owner).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(task: &str, network: &str) -> Owner {
        Owner { task: task.into(), network: network.into() }
    }

    fn link(name: &str, kind: &str, alias: Option<&str>) -> Link {
        Link {
            name: name.into(),
            kind: kind.into(),
            alias: alias.map(Into::into),
            ..Link::default()
        }
    }

    #[test]
    fn node_ends_differ_by_task_and_network_and_are_no_gateway_legs() {
        let name = node_ifname(&owned("web.1", "front"));
        assert_eq!(name.len(), 13);
        assert!(!name.starts_with(crate::host::legs::PREFIX));
        assert_ne!(name, node_ifname(&owned("web.1", "back")));
        assert_ne!(name, node_ifname(&owned("web.2", "front")));
        assert_ne!(node_mac(&owned("web.1", "front"))[1], 0x42, "may be a task's");
    }

    #[test]
    fn task_ends_are_named_after_the_network_as_far_as_there_is_room() {
        assert_eq!(task_ifname("front"), "ov-front");
        assert_eq!(task_ifname("twelve-bytes"), "ov-twelve-bytes");
        let cut = task_ifname("a-network-with-a-long-name");
        assert!(cut.len() == MAX_NAME && cut.starts_with("ov-a-netwo"), "{cut}");
        assert_ne!(cut, task_ifname("a-network-with-another-name"));
    }

    #[test]
    fn the_alias_tells_the_owner() {
        let owner_of = |alias: Option<&str>| owner(&link("slo0123456789", "veth", alias));
        let web = owned("web.1", "front");
        assert_eq!(owner_of(Some(&alias_of(&web))), Some(web));
        assert_eq!(owner_of(Some("swarmlb:web.1")), None);
        assert_eq!(owner_of(None), None);
    }

    #[test]
    fn only_our_veths_are_legs() {
        assert!(is_leg(&link("slo0123456789", "veth", Some("swarmlb:web.1@front"))));
        assert!(is_leg(&link("slo0123456789", "veth", None)));
        assert!(!is_leg(&link("slb0123456789", "veth", Some("swarmlb:web.1"))));
        assert!(!is_leg(&link("slo0123456789", "bridge", None)));
        assert!(!is_leg(&link("slo0123456789", "veth", Some("mine"))));
        assert!(!is_leg(&link("slow", "veth", None)));
    }

    #[test]
    fn an_interface_in_the_way_is_named_after_its_owner() {
        let (web, db) = (owned("web.1", "front"), owned("db.1", "front"));
        let taken = link("slo0123456789", "veth", Some("swarmlb:web.1@front"));
        assert_eq!(other_owner(&taken, &web), None);
        assert_eq!(other_owner(&taken, &db).as_deref(), Some("the overlay leg web.1@front"));
        let foreign = link("slo0123456789", "bridge", None);
        assert_eq!(other_owner(&foreign, &web).as_deref(), Some("another program"));
    }
}
