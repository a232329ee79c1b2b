//! The Swarm's nodes by names that no two share, and how each is reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::{NotReady, View, Warning};
use crate::{
    fit::{MAX_NAME, fit},
    model::{Node, Reach},
    source::docker::facts::NodeFacts,
};

/// Letters of an id beside a hostname that several nodes have: tried in this order, until no two names
/// are alike.
const LETTERS: [usize; 2] = [5, 12];

/// The nodes that have an address.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    /// By name.
    pub(super) list: Vec<Node>,
    /// Names by id.
    pub(super) names: BTreeMap<String, String>,
    /// This node's name.
    pub(super) here: String,
}

#[derive(Clone, Debug)]
struct Candidate<'a> {
    id: &'a str,
    facts: NodeFacts,
}

impl Nodes {
    /// The nodes; those that nobody knows an address of are left out with a warning.
    ///
    /// # Errors
    /// [`NotReady::NoAddress`] where this node is one of them.
    pub(super) fn new(view: View<'_>, warnings: &mut Vec<Warning>) -> Result<Self, NotReady> {
        let reachable = reachable(candidates(view), warnings);
        let here = view.local.node.as_str();
        if !reachable.iter().any(|(node, _)| node.id == here) {
            return Err(NotReady::NoAddress);
        }
        let names = unique(reachable.iter().map(|(node, _)| (node.id, &*node.facts.hostname)));
        let node = |(node, address): &(Candidate<'_>, Ipv4Addr)| {
            let is_here = node.id == here;
            Node {
                name: names[node.id].clone(),
                address: *address,
                interfaces: if is_here { view.options.interfaces.clone() } else { Vec::new() },
                reach: if is_here { Reach::Mesh } else { reach(&node.facts) },
            }
        };
        let mut list: Vec<_> = reachable.iter().map(node).collect();
        list.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { list, here: names[here].clone(), names })
    }
}

/// How another node's tasks are reached.
const fn reach(facts: &NodeFacts) -> Reach {
    match (facts.has_agent, facts.is_silent) {
        (true, _) => Reach::Mesh,
        (false, true) => Reach::Silent,
        (false, false) => Reach::Ingress,
    }
}

/// All nodes of the Swarm, this one among them even where nobody has told of it, and in its own words.
/// Where two have one address, the first has it: this node, then those that are up, then those with an
/// agent. (A machine that left and joined again stays in the Swarm's list twice.)
fn candidates(View { swarm, local, .. }: View<'_>) -> Vec<Candidate<'_>> {
    let mut nodes: BTreeMap<&str, NodeFacts> =
        swarm.nodes.iter().map(|(id, facts)| (id.as_str(), facts.clone())).collect();
    let own = nodes.entry(local.node.as_str()).or_default();
    own.address = local.address.or(own.address);
    let mut candidates: Vec<_> =
        nodes.into_iter().map(|(id, facts)| Candidate { id, facts }).collect();
    candidates.sort_by_key(|node| {
        (node.id != local.node, node.facts.is_down, !node.facts.has_agent, node.id)
    });
    candidates
}

fn reachable<'a>(
    candidates: Vec<Candidate<'a>>,
    warnings: &mut Vec<Warning>,
) -> Vec<(Candidate<'a>, Ipv4Addr)> {
    let mut taken = BTreeSet::new();
    let mut reachable = Vec::new();
    for node in candidates {
        let lost = match node.facts.address {
            Some(address) if taken.insert(address) => {
                reachable.push((node, address));
                continue;
            }
            Some(address) => format!("its address {address} is also that of another node"),
            None => "nobody knows its data-path address yet".to_owned(),
        };
        if !node.facts.is_down {
            let subject = format!("node {:?}", node.facts.hostname);
            let text = format!("{lost}, so its tasks get nothing from other nodes");
            warnings.push(Warning { subject, text });
        }
    }
    reachable
}

/// A name for each {id, hostname}: the hostname, with the id's first letters where several have it.
/// Without a hostname, or where even that leaves two alike, the id.
fn unique<'a>(nodes: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let nodes: Vec<_> = nodes.collect();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, hostname) in &nodes {
        *uses.entry(hostname).or_default() += 1;
    }
    let named = |letters: usize| {
        let name = |&(id, hostname): &(&str, &str)| match uses[hostname] {
            _ if hostname.is_empty() => fit(id, MAX_NAME),
            1 => fit(hostname, MAX_NAME),
            _ => {
                let mark = first_letters(id, letters);
                fit(&format!("{}-{mark}", fit(hostname, MAX_NAME - 1 - letters)), MAX_NAME)
            }
        };
        nodes.iter().map(|node| (node.0.to_owned(), name(node))).collect::<BTreeMap<_, _>>()
    };
    let is_unique = |names: &BTreeMap<String, String>| {
        names.values().collect::<BTreeSet<_>>().len() == names.len()
    };
    let by_id = || nodes.iter().map(|(id, _)| ((*id).to_owned(), fit(id, MAX_NAME))).collect();
    LETTERS.into_iter().map(named).find(is_unique).unwrap_or_else(by_id)
}

/// The first letters of an id.
pub(super) fn first_letters(id: &str, letters: usize) -> String {
    id.chars().take(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(nodes: &[(&str, &str)]) -> Vec<String> {
        unique(nodes.iter().copied()).into_values().collect()
    }

    #[test]
    fn hostnames_that_nodes_share_get_letters_of_their_ids() {
        assert_eq!(names(&[("k8ftys8", "n1"), ("x2pq77a", "n2")]), ["n1", "n2"]);
        assert_eq!(
            names(&[("k8ftys8", "n"), ("x2pq77a", "n"), ("z", "m")]),
            ["n-k8fty", "n-x2pq7", "m"]
        );
        assert_eq!(names(&[("abcde1", "n"), ("abcde2", "n")]), ["n-abcde1", "n-abcde2"]);
        assert_eq!(names(&[("abcde", "n"), ("k", "n"), ("x", "n-k")]), ["abcde", "k", "x"]);
        assert_eq!(names(&[("abc", "")]), ["abc"]);
    }

    #[test]
    fn long_hostnames_fit() {
        let host = "h".repeat(80);
        assert!(names(&[("abcdefgh", &host), ("b", &host)]).iter().all(|name| name.len() <= 63));
    }
}
