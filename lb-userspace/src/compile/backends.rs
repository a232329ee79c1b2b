//! Who a service's tasks are at a node: where each runs, whether it takes new flows, and which life
//! of its number this is; and beside Docker, its address in the ingress network, and whether new flows
//! go there by it.

use std::collections::BTreeMap;

use lb_common::{
    addr::V4,
    backend::{BACKEND_CUT_OFF, BACKEND_INGRESS, NODE_SELF, STATE_ACTIVE, STATE_DRAINING},
    row::BackendNumber,
};

use super::{BackendContents, Here, PreviousService, targets::Target};
use crate::model::{Reach, Task};

/// The backends of `target` by number. A task of an unknown node, which no source lets through, is
/// left out, and so is one that published ports do not reach from here.
pub(super) fn backends(
    target: &Target<'_>,
    here: Here<'_>,
    previous: Option<&PreviousService>,
) -> BTreeMap<BackendNumber, BackendContents> {
    let entry = |task: &&Task| {
        let peer =
            if task.node == here.node { NODE_SELF } else { *here.peers.get(task.node.as_str())? };
        let generation = generation(previous, task);
        let (leg, (addr, flags)) = match target.network {
            None => (leg(task, here), way(task, here)?),
            Some(network) => (None, (task.addresses.get(network)?.octets(), 0)),
        };
        let backend = backend(task, peer, generation);
        Some((task.number, BackendContents { leg, addr, flags, ..backend }))
    };
    target.tasks.iter().filter_map(entry).collect()
}

/// Whether another task had the number before, or it was free in between.
pub(super) fn changed_hands(
    previous: Option<&PreviousService>,
    number: BackendNumber,
    task: &str,
) -> bool {
    let holder = previous.and_then(|previous| previous.backends.get(&number));
    holder.is_some_and(|(holder, _)| holder != task)
}

/// The number's life: goes on where the holder is the same, else the next one. A number that left
/// comes with an empty name, which no task has.
fn generation(previous: Option<&PreviousService>, task: &Task) -> u8 {
    match previous.and_then(|previous| previous.backends.get(&task.number)) {
        Some((holder, generation)) if *holder == task.name => *generation,
        Some((_, generation)) => generation.checked_add(1).unwrap_or(1),
        None => 1,
    }
}

/// A published port's way to it: its address in the ingress network, and `BACKEND_*` bits. `None`: none
/// leads there.
fn way(task: &Task, here: Here<'_>) -> Option<(V4, u16)> {
    let Some(reach) = here.reach.get(task.node.as_str()) else { return Some(([0; 4], 0)) };
    let addr = ingress_addr(task, here);
    match (reach, addr) {
        (Reach::Ingress, addr) => Some((addr?, BACKEND_INGRESS | BACKEND_CUT_OFF)),
        (Reach::Silent, Some(addr)) => Some((addr, BACKEND_INGRESS)),
        (Reach::Silent | Reach::Mesh, addr) => Some((addr.unwrap_or_default(), 0)),
    }
}

/// Its address in the ingress network, where this node has one, too.
fn ingress_addr(task: &Task, here: Here<'_>) -> Option<V4> {
    let seat = here.docker?.ingress.as_ref()?;
    task.addresses.get(&seat.network).map(|addr| addr.octets())
}

fn leg(task: &Task, here: Here<'_>) -> Option<V4> {
    here.legs.gateway.get(&task.name).copied().filter(|_| task.node == here.node)
}

fn backend(task: &Task, peer: u16, generation: u8) -> BackendContents {
    BackendContents {
        task: task.name.clone(),
        node: task.node.clone(),
        peer,
        leg: None,
        addr: [0; 4],
        flags: 0,
        state: if task.weight == 0 { STATE_DRAINING } else { STATE_ACTIVE },
        weight: task.weight,
        generation,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        compile::{LocalLegs, fixtures, targets::targets},
        model::DesiredState,
    };

    fn generation_after(holder: Option<(&str, u8)>) -> u8 {
        let held = holder.map(|(name, generation)| (7, (name.to_owned(), generation)));
        let previous =
            PreviousService { backends: held.into_iter().collect(), ..Default::default() };
        generation(Some(&previous), &fixtures::task("web.1", "n1", 7, 1))
    }

    #[test]
    fn a_number_starts_a_new_life_when_its_holder_changes() {
        assert_eq!(generation_after(None), 1);
        assert_eq!(generation_after(Some(("web.1", 4))), 4);
        assert_eq!(generation_after(Some(("web.9", 4))), 5);
        assert_eq!(generation_after(Some(("", 4))), 5);
        assert_eq!(generation_after(Some(("web.9", u8::MAX))), 1);
    }

    #[test]
    fn only_local_tasks_have_legs_and_weight_0_drains() {
        let web = fixtures::service("web", &[("a", "n1", 1), ("b", "n2", 0)]);
        let desired = fixtures::cluster(vec![web]);
        let gateway = ["a", "b"].map(|task| (task.to_owned(), [172, 18, 0, 2])).into();
        let (legs, held) = (LocalLegs { gateway, ..Default::default() }, BTreeSet::new());
        let peers = BTreeMap::from([("n2", 3)]);
        let reach = BTreeMap::from([("n2", Reach::Mesh)]);
        let here = Here {
            node: "n1",
            legs: &legs,
            held: &held,
            peers: &peers,
            reach: &reach,
            docker: None,
        };
        let all = backends(&targets(&desired, "n1")[0], here, None);
        assert_eq!(
            (all[&1].peer, all[&1].leg, all[&1].state),
            (NODE_SELF, Some([172, 18, 0, 2]), STATE_ACTIVE)
        );
        assert_eq!((all[&2].peer, all[&2].leg, all[&2].state), (3, None, STATE_DRAINING));
    }

    #[test]
    fn a_task_of_a_node_without_agent_is_reached_by_the_ingress_network() {
        let mut web = fixtures::service("web", &[("a", "n2", 1), ("b", "n2", 1), ("c", "n1", 1)]);
        web.tasks[0].addresses = [("ingress".to_owned(), [10, 0, 0, 7].into())].into();
        let mut desired = fixtures::beside_docker(fixtures::cluster(vec![web]));
        let (peers, legs) = (BTreeMap::from([("n2", 3)]), LocalLegs::default());
        let held = BTreeSet::new();
        let addrs = |desired: &DesiredState, reach| -> Vec<_> {
            let reach = BTreeMap::from([("n2", reach)]);
            let docker = desired.docker();
            let here =
                Here { node: "n1", legs: &legs, held: &held, peers: &peers, reach: &reach, docker };
            let all = backends(&targets(desired, "n1")[0], here, None);
            let told = |(number, backend): (u16, BackendContents)| {
                (number, backend.peer, backend.addr, backend.flags)
            };
            all.into_iter().map(told).collect()
        };
        let (a, here) = ([10, 0, 0, 7], (3, NODE_SELF, [0; 4], 0));
        let (by_mesh, beyond) = ((2, 3, [0; 4], 0), BACKEND_INGRESS | BACKEND_CUT_OFF);
        assert_eq!(addrs(&desired, Reach::Ingress), [(1, 3, a, beyond), here]);
        let silent = [(1, 3, a, BACKEND_INGRESS), by_mesh, here];
        assert_eq!(addrs(&desired, Reach::Silent), silent);
        assert_eq!(addrs(&desired, Reach::Mesh), [(1, 3, a, 0), by_mesh, here]);
        fixtures::docker(&mut desired).ingress = None;
        assert_eq!(addrs(&desired, Reach::Ingress), [here], "not reached from here");
        let by_mesh = [(1, 3, [0; 4], 0), by_mesh, here];
        assert_eq!(addrs(&desired, Reach::Silent), by_mesh, "only by the mesh");
    }
}
