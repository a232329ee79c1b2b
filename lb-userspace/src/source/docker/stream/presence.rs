//! Who has an agent: pure, with the time passed in. The managers' agents keep it; it becomes
//! `has_agent` and `address` of the published facts.
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::Present;
use crate::source::docker::{AGENT_LEASE, Hello, facts::SwarmFacts};

/// How long a node that had an agent before this one started counts as having one still: its agent
/// needs a moment to find us.
const GRACE: Duration = Duration::from_secs(10);

/// When each node's agent was last heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    nodes: BTreeMap<String, Lease>,
}

#[derive(Clone, Debug)]
struct Lease {
    hello: Hello,
    /// When it ends, unless the agent is heard again.
    ends: Instant,
}

impl Presence {
    /// The agent of `node` said who it is.
    pub(super) fn said_hello(&mut self, node: &str, hello: Hello, now: Instant) {
        self.nodes.insert(node.to_owned(), Lease { hello, ends: now + AGENT_LEASE });
    }

    /// The agent of `node` is heard. Says nothing about one that has not said hello.
    pub(super) fn is_alive(&mut self, node: &str, now: Instant) {
        if let Some(lease) = self.nodes.get_mut(node) {
            lease.ends = now + AGENT_LEASE;
        }
    }

    /// The agent of `node` leaves it for good.
    pub(super) fn said_goodbye(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    /// Takes over what was known elsewhere or before; what was heard here counts more.
    pub(super) fn remember(&mut self, before: &Present, now: Instant) {
        for (node, hello) in before {
            let lease = || Lease { hello: hello.clone(), ends: now + GRACE };
            self.nodes.entry(node.clone()).or_insert_with(lease);
        }
    }

    /// The nodes that have an agent, after forgetting those that were silent for too long.
    pub(super) fn present(&mut self, now: Instant) -> Present {
        self.nodes.retain(|_, lease| lease.ends > now);
        self.nodes.iter().map(|(node, lease)| (node.clone(), lease.hello.clone())).collect()
    }
}

/// The facts with their nodes' agents: whether there is one that forwards, and the data-path address that it tells.
/// `own` is this node, by its id, whose agent we are.
#[must_use]
pub fn with_agents(
    mut facts: SwarmFacts,
    present: &Present,
    own: Option<(&str, &Hello)>,
) -> SwarmFacts {
    for (id, node) in &mut facts.nodes {
        let own = own.filter(|(own, _)| own == id).map(|(_, hello)| hello);
        let hello = own.or_else(|| present.get(id));
        node.has_agent = hello.is_some_and(|hello| hello.forwards);
        node.address = hello.map(|hello| hello.address).or(node.address);
    }
    facts
}

/// What facts from elsewhere say of agents.
pub(super) fn present_in(facts: &SwarmFacts) -> Present {
    let agents = facts.nodes.iter().filter(|(_, node)| node.has_agent);
    let hello = |address| Hello { address, ingress_addr: None, forwards: true };
    agents.filter_map(|(id, node)| Some((id.clone(), hello(node.address?)))).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::source::docker::facts::NodeFacts;

    fn hello(last: u8) -> Hello {
        Hello { address: Ipv4Addr::new(198, 18, 0, last), ingress_addr: None, forwards: true }
    }

    fn present(nodes: &[(&str, u8)]) -> Present {
        nodes.iter().map(|(node, last)| ((*node).to_owned(), hello(*last))).collect()
    }

    #[test]
    fn a_silent_agent_counts_until_its_lease_ends() {
        let (mut presence, start) = (Presence::default(), Instant::now());
        presence.said_hello("a", hello(1), start);
        presence.said_hello("b", hello(2), start);
        presence.is_alive("b", start + AGENT_LEASE / 2);
        presence.is_alive("c", start);
        let just_before = start + AGENT_LEASE - Duration::from_millis(1);
        assert_eq!(presence.present(just_before), present(&[("a", 1), ("b", 2)]));
        assert_eq!(presence.present(start + AGENT_LEASE), present(&[("b", 2)]));
        assert_eq!(presence.present(start + AGENT_LEASE * 3 / 2), Present::new());
        // An agent whose lease has ended is not revived by a sign of life, only by what it is.
        presence.is_alive("a", start + AGENT_LEASE * 2);
        assert_eq!(presence.present(start + AGENT_LEASE * 2), Present::new());
    }

    #[test]
    fn a_goodbye_counts_at_once_and_a_hello_revives() {
        let (mut presence, now) = (Presence::default(), Instant::now());
        presence.said_hello("a", hello(1), now);
        presence.said_goodbye("a");
        assert_eq!(presence.present(now), Present::new());
        presence.said_hello("a", hello(3), now);
        assert_eq!(presence.present(now), present(&[("a", 3)]));
    }

    #[test]
    fn those_from_before_have_time_to_come_back() {
        let (mut presence, now) = (Presence::default(), Instant::now());
        presence.said_hello("a", hello(1), now);
        presence.remember(&present(&[("a", 9), ("b", 2), ("c", 3)]), now);
        assert_eq!(presence.present(now), present(&[("a", 1), ("b", 2), ("c", 3)]));
        presence.said_hello("b", hello(2), now + GRACE / 2);
        assert_eq!(presence.present(now + GRACE), present(&[("a", 1), ("b", 2)]));
    }

    #[test]
    fn facts_get_the_agents_and_their_addresses() {
        let node = |last: u8, has_agent| NodeFacts {
            address: Some(Ipv4Addr::new(10, 0, 0, last)),
            has_agent,
            ..NodeFacts::default()
        };
        let nodes = [("a", node(1, false)), ("b", node(2, true)), ("own", node(3, false))];
        let nodes = nodes.map(|(id, node)| (id.to_owned(), node)).into();
        let facts = SwarmFacts { nodes, ..SwarmFacts::default() };
        let own = hello(7);
        let facts = with_agents(facts, &present(&[("a", 5)]), Some(("own", &own)));
        let told = |id: &str| (facts.nodes[id].has_agent, facts.nodes[id].address);
        assert_eq!(told("a"), (true, Some(hello(5).address)));
        assert_eq!(told("b"), (false, Some(Ipv4Addr::new(10, 0, 0, 2))));
        assert_eq!(told("own"), (true, Some(own.address)));
        assert_eq!(present_in(&facts), present(&[("a", 5), ("own", 7)]));
        let starting = Hello { forwards: false, ..hello(7) };
        let facts = with_agents(facts, &present(&[]), Some(("own", &starting)));
        let own = &facts.nodes["own"];
        assert_eq!((own.has_agent, own.address), (false, Some(starting.address)));
    }
}
