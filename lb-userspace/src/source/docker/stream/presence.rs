//! Who has an agent: pure, with the time passed in. The managers' agents keep it; it becomes
//! `has_agent`, `is_silent` and `address` of the published facts.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{Agent, Present};
use crate::source::docker::{AGENT_LEASE, Hello, facts::SwarmFacts};

/// How long a node that had an agent before this one started counts as having one still: its agent
/// needs to find us, and a worker's looks for new managers only every 15 s.
const GRACE: Duration = Duration::from_secs(30);

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
        if let Some(lease) = self.nodes.get_mut(node).filter(|lease| lease.ends > now) {
            lease.ends = now + AGENT_LEASE;
        }
    }

    /// The agent of `node` leaves it for good.
    pub(super) fn said_goodbye(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    /// Takes over what was known elsewhere or before; what was heard here counts more.
    pub(super) fn remember(&mut self, before: &Present, now: Instant) {
        for (node, Agent { hello, is_silent }) in before {
            let ends = if *is_silent { now } else { now + GRACE };
            let lease = || Lease { hello: hello.clone(), ends };
            self.nodes.entry(node.clone()).or_insert_with(lease);
        }
    }

    /// The nodes that have an agent, and those whose agent was silent for too long.
    pub(super) fn present(&self, now: Instant) -> Present {
        let agent =
            |Lease { hello, ends }: &Lease| Agent { hello: hello.clone(), is_silent: *ends <= now };
        self.nodes.iter().map(|(node, lease)| (node.clone(), agent(lease))).collect()
    }
}

/// The facts with their nodes' agents: whether there is one that forwards or did, and the data-path
/// address that it tells.
/// `own` is this node, by its id, whose agent we are.
#[must_use]
pub fn with_agents(
    mut facts: SwarmFacts,
    present: &Present,
    own: Option<(&str, &Hello)>,
) -> SwarmFacts {
    for (id, node) in &mut facts.nodes {
        let own = own.filter(|(own, _)| own == id).map(|(_, hello)| (hello, false));
        let other = || present.get(id).map(|agent| (&agent.hello, agent.is_silent));
        let (hello, is_silent) = own.or_else(other).unzip();
        let forwards = hello.is_some_and(|hello| hello.forwards);
        node.is_silent = forwards && is_silent.unwrap_or_default();
        node.has_agent = forwards && !node.is_silent;
        node.address = hello.map(|hello| hello.address).or(node.address);
    }
    facts
}

/// The facts as nodes' agents put them right: tasks of theirs that have ended are none, and those about
/// to end drain. A node speaks for its own tasks alone.
#[must_use]
pub fn with_ends(
    mut facts: SwarmFacts,
    present: &Present,
    own: Option<(&str, &Hello)>,
) -> SwarmFacts {
    let others = present.iter().map(|(node, agent)| (node.as_str(), &agent.hello));
    let mut ended = BTreeSet::new();
    for (node, hello) in others.chain(own) {
        let runs_there = |task: &&String| facts.tasks.get(*task).is_some_and(|t| t.node == node);
        ended.extend(hello.ended.iter().filter(runs_there).cloned());
        for task in hello.stopping.iter() {
            let task = facts.tasks.get_mut(task).filter(|task| task.node == node);
            task.into_iter().for_each(|task| task.is_draining = true);
        }
    }
    facts.end(ended);
    facts
}

/// What facts from elsewhere say of agents.
pub(super) fn present_in(facts: &SwarmFacts) -> Present {
    let agents = facts.nodes.iter().filter(|(_, node)| node.has_agent || node.is_silent);
    let agent = |address, is_silent| Agent {
        hello: Hello { forwards: true, ..Hello::at(address) },
        is_silent,
    };
    agents
        .filter_map(|(id, node)| Some((id.clone(), agent(node.address?, node.is_silent))))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::source::docker::facts::{NodeFacts, TaskFacts};

    fn hello(last: u8) -> Hello {
        Hello { forwards: true, ..Hello::at(Ipv4Addr::new(198, 18, 0, last)) }
    }

    fn agents(nodes: &[(&str, u8)], is_silent: bool) -> Present {
        let agent = |last: &u8| Agent { hello: hello(*last), is_silent };
        nodes.iter().map(|(node, last)| ((*node).to_owned(), agent(last))).collect()
    }

    fn present(nodes: &[(&str, u8)]) -> Present {
        agents(nodes, false)
    }

    fn silent(nodes: &[(&str, u8)]) -> Present {
        agents(nodes, true)
    }

    fn both(mut some: Present, others: Present) -> Present {
        some.extend(others);
        some
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
        let a_silent = both(silent(&[("a", 1)]), present(&[("b", 2)]));
        assert_eq!(presence.present(start + AGENT_LEASE), a_silent);
        let all_silent = silent(&[("a", 1), ("b", 2)]);
        assert_eq!(presence.present(start + AGENT_LEASE * 3 / 2), all_silent);
        // An agent whose lease has ended is not revived by a sign of life, only by what it is.
        presence.is_alive("a", start + AGENT_LEASE * 2);
        assert_eq!(presence.present(start + AGENT_LEASE * 2), all_silent);
        presence.said_hello("a", hello(3), start + AGENT_LEASE * 2);
        presence.said_goodbye("b");
        assert_eq!(presence.present(start + AGENT_LEASE * 2), present(&[("a", 3)]));
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
        let c_silent = both(present(&[("a", 1), ("b", 2)]), silent(&[("c", 3)]));
        assert_eq!(presence.present(now + GRACE), c_silent);
        let mut later = Presence::default();
        later.remember(&c_silent, now);
        assert_eq!(later.present(now), c_silent, "who was silent before is so at once");
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
        let before = with_agents(facts.clone(), &silent(&[("b", 2)]), None);
        assert!(before.nodes["b"].is_silent && !before.nodes["b"].has_agent);
        assert_eq!(present_in(&before), silent(&[("b", 2)]));
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

    #[test]
    fn a_nodes_word_counts_for_its_own_tasks_alone() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let task = |node: &str| TaskFacts { node: node.into(), ..TaskFacts::default() };
        let tasks = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("own1", "own"), ("own2", "own")];
        let tasks = tasks.map(|(id, node)| (id.to_owned(), task(node))).into();
        let facts = SwarmFacts { tasks, ..SwarmFacts::default() };
        let said = Hello { ended: ids(&["a1", "b1"]), stopping: ids(&["a2", "own1"]), ..hello(1) };
        let own = Hello { ended: ids(&["own2", "unheard of"]), ..hello(7) };
        let there = [("a".to_owned(), Agent { hello: said, is_silent: false })].into();
        let told = with_ends(facts, &there, Some(("own", &own)));
        assert_eq!(told.ended, ids(&["a1", "own2"]));
        assert_eq!(told.tasks.keys().cloned().collect::<BTreeSet<_>>(), ids(&["a2", "b1", "own1"]));
        let draining = told.tasks.iter().filter(|(_, task)| task.is_draining);
        assert_eq!(draining.map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a2"]);
    }
}
