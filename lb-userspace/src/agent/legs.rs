//! Gateway legs of this node's tasks: which ones there should be (pure), and making it so.
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    host::{
        HostError,
        legs::{LegSpec, LegState, Legs},
    },
    model::DesiredState,
};

/// The legs of a node after they were seen to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LegRound {
    /// Legs that are there, by task.
    pub(super) present: BTreeMap<String, LegState>,
    /// What could not be done, for people.
    pub(super) problems: Vec<String>,
}

/// The legs that the tasks of `node` should have.
pub(super) fn wanted(desired: &DesiredState, node: &str, mtu: u16) -> Vec<LegSpec> {
    let services = desired.services.iter().filter(|service| desired.has_way_out(service));
    let tasks = services.flat_map(|service| &service.tasks);
    let spec = |task: &crate::model::Task| LegSpec {
        task: task.name.clone(),
        netns: task.netns.clone(),
        gateway: desired.cluster.gateway,
        mtu,
        wanted: None,
    };
    tasks.filter(|task| task.node == node).map(spec).collect()
}

/// Legs of `existing` tasks that nobody wants.
fn unwanted<'a>(existing: impl Iterator<Item = &'a str>, wanted: &[LegSpec]) -> Vec<&'a str> {
    let wanted: BTreeSet<&str> = wanted.iter().map(|spec| spec.task.as_str()).collect();
    existing.filter(|task| !wanted.contains(task)).collect()
}

/// Makes and repairs the legs in `specs`. A task whose namespace is not there has none; its leg
/// goes where one was left.
pub(super) async fn ensure(legs: &Legs, specs: &[LegSpec]) -> LegRound {
    let mut round = LegRound::default();
    for spec in specs {
        match legs.ensure(spec).await {
            Ok(state) => {
                round.present.insert(spec.task.clone(), state);
            }
            Err(error) => round.give_up(legs, spec, &error).await,
        }
    }
    round
}

/// Removes the legs of tasks that `specs` lacks; returns what could not be done.
pub(super) async fn prune(legs: &Legs, specs: &[LegSpec]) -> Vec<String> {
    let found = match legs.list().await {
        Ok(found) => found,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems = Vec::new();
    for task in unwanted(found.iter().filter_map(|leg| leg.task.as_deref()), specs) {
        problems.extend(legs.remove(task).await.err().map(|error| error.to_string()));
    }
    problems
}

impl LegRound {
    async fn give_up(&mut self, legs: &Legs, spec: &LegSpec, error: &HostError) {
        let removed = match error.is_missing_namespace() {
            true => legs.remove(&spec.task).await,
            false => Ok(()),
        };
        self.problems.push(format!("task {}: {error}", spec.task));
        self.problems.extend(removed.err().map(|error| error.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::sample,
        model::{Network, NetworkSubnet, Subnet},
    };

    #[test]
    fn only_tasks_of_this_node_get_legs() {
        let desired = sample::desired(&[("web.1", "n1"), ("web.2", "n2")]);
        let specs = wanted(&desired, "n1", 1450);
        let tasks: Vec<_> = specs.iter().map(|spec| (spec.task.as_str(), spec.mtu)).collect();
        assert_eq!(tasks, [("web.1", 1450)]);
    }

    #[test]
    fn a_service_of_internal_networks_only_has_a_leg_where_it_is_published() {
        let mut desired = sample::desired(&[("web.1", "n1")]);
        let subnet = Subnet { addr: [10, 20, 0, 0].into(), prefix: 24 };
        let first = NetworkSubnet { vni: 4096, subnet, gateway: subnet.gateway() };
        let network = |internal| Network {
            name: "back".into(),
            first,
            further: Vec::new(),
            internal,
            mtu: None,
            namespace: None,
        };
        desired.networks = vec![network(true)];
        desired.services[0].networks = vec!["back".into()];
        assert_eq!(wanted(&desired, "n1", 1450).len(), 1);
        desired.services[0].publish.clear();
        assert_eq!(wanted(&desired, "n1", 1450), []);
        desired.networks = vec![network(false)];
        assert_eq!(wanted(&desired, "n1", 1450).len(), 1);
    }

    #[test]
    fn a_leg_without_a_task_is_unwanted() {
        let specs = wanted(&sample::desired(&[("web.1", "n1")]), "n1", 1450);
        assert_eq!(unwanted(["web.1", "old.7"].into_iter(), &specs), ["old.7"]);
    }
}
