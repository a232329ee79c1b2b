//! Which manager is believed: pure. The one that was, as long as it is heard and its engine answers;
//! else another such one; else none, and the last facts age.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use crate::source::docker::facts::SwarmFacts;

/// What the managers say.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    said: BTreeMap<Ipv4Addr, Said>,
    believed: Option<Ipv4Addr>,
    facts: Option<Arc<SwarmFacts>>,
}

#[derive(Clone, Debug)]
struct Said {
    facts: Arc<SwarmFacts>,
    engine_answers: bool,
}

impl Choice {
    /// A manager published.
    pub(super) fn told(&mut self, manager: Ipv4Addr, facts: SwarmFacts, engine_answers: bool) {
        self.said.insert(manager, Said { facts: Arc::new(facts), engine_answers });
        self.choose();
    }

    /// A manager is not heard any more.
    pub(super) fn lost(&mut self, manager: Ipv4Addr) {
        self.said.remove(&manager);
        self.choose();
    }

    /// The agent of the manager with this node id leaves it: nobody is left to say so in facts.
    pub(super) fn left(&mut self, manager: Ipv4Addr, node: &str) {
        if let Some(node) =
            self.facts.as_mut().and_then(|facts| Arc::make_mut(facts).nodes.get_mut(node))
        {
            (node.has_agent, node.is_silent) = (false, false);
        }
        self.lost(manager);
    }

    /// The manager that is believed.
    pub(super) fn believed(&self) -> Option<Ipv4Addr> {
        self.believed
    }

    /// The facts of the manager that is believed, or of the last one that was.
    pub(super) fn facts(&self) -> Option<&Arc<SwarmFacts>> {
        self.facts.as_ref()
    }

    fn choose(&mut self) {
        let answers =
            |manager: &Ipv4Addr| self.said.get(manager).is_some_and(|said| said.engine_answers);
        let other = || self.said.keys().copied().find(answers);
        self.believed = self.believed.filter(answers).or_else(other);
        let said = self.believed.and_then(|manager| self.said.get(&manager));
        if let Some(said) = said {
            self.facts = Some(said.facts.clone());
        }
        self.end();
    }

    /// That a task has ended is believed of any manager, also of one whose engine does not answer: its
    /// agent has it from the task's own node.
    fn end(&mut self) {
        let ended: BTreeSet<_> =
            self.said.values().flat_map(|said| &said.facts.ended).cloned().collect();
        if let Some(facts) = self.facts.as_mut().filter(|facts| !ended.is_subset(&facts.ended)) {
            Arc::make_mut(facts).end(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::facts::{NodeFacts, TaskFacts};

    const A: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

    fn facts(port: u16) -> SwarmFacts {
        let node = NodeFacts { has_agent: true, ..NodeFacts::default() };
        SwarmFacts { vxlan_port: port, nodes: [("a".into(), node)].into(), ..SwarmFacts::default() }
    }

    fn state(choice: &Choice) -> (Option<Ipv4Addr>, Option<u16>) {
        (choice.believed(), choice.facts().map(|facts| facts.vxlan_port))
    }

    #[test]
    fn the_first_manager_is_kept_until_it_is_lost() {
        let mut choice = Choice::default();
        assert_eq!(state(&choice), (None, None));
        choice.told(B, facts(2), true);
        choice.told(A, facts(1), true);
        assert_eq!(state(&choice), (Some(B), Some(2)));
        choice.told(B, facts(3), true);
        assert_eq!(state(&choice), (Some(B), Some(3)));
        choice.lost(B);
        assert_eq!(state(&choice), (Some(A), Some(1)));
        choice.lost(A);
        assert_eq!(state(&choice), (None, Some(1)));
    }

    #[test]
    fn one_whose_engine_does_not_answer_is_not_believed() {
        let mut choice = Choice::default();
        choice.told(A, facts(1), false);
        assert_eq!(state(&choice), (None, None));
        choice.told(A, facts(1), true);
        choice.told(B, facts(2), true);
        choice.told(A, facts(3), false);
        assert_eq!(state(&choice), (Some(B), Some(2)));
        choice.told(B, facts(4), false);
        assert_eq!(state(&choice), (None, Some(2)));
    }

    #[test]
    fn an_end_is_believed_of_every_manager() {
        let tasks = || ["t", "u"].map(|id| (id.to_owned(), TaskFacts::default())).into();
        let ended = || ["t".to_owned()].into();
        let left =
            |choice: &Choice| choice.facts().unwrap().tasks.keys().cloned().collect::<String>();
        let mut choice = Choice::default();
        choice.told(A, SwarmFacts { tasks: tasks(), ..facts(1) }, true);
        choice.told(B, SwarmFacts { tasks: tasks(), ended: ended(), ..facts(2) }, false);
        assert_eq!((state(&choice), left(&choice)), ((Some(A), Some(1)), "u".into()));
        // The only manager's engine is away, and its agent says what it hears.
        choice.told(
            A,
            SwarmFacts { tasks: tasks(), ended: ["u".into()].into(), ..facts(3) },
            false,
        );
        assert_eq!((state(&choice), left(&choice)), ((None, Some(1)), String::new()));
    }

    #[test]
    fn a_manager_without_agent_is_known_as_such() {
        let mut choice = Choice::default();
        choice.told(A, facts(1), true);
        choice.left(A, "a");
        assert_eq!(state(&choice), (None, Some(1)));
        assert!(!choice.facts().unwrap().nodes["a"].has_agent);
    }
}
