//! One picture of the Swarm from all that is known, purely: what the engine tells on a manager, what
//! a manager's agent says, what the gossip knows, and what ended on this node.

use std::sync::Arc;

use super::{
    Origin,
    documents::Place,
    engine::{GossipSeen, LocalSeen, Seen, USUAL_VXLAN_PORT},
    facts::{LocalFacts, NodeFacts, SwarmFacts},
    merge::merge,
};

/// What is known from elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The last facts that came from a manager, this node or another one, in this life or before.
    pub(super) last: Option<Arc<SwarmFacts>>,
    /// The manager whose agent keeps them true, as `ADDRESS:PORT`.
    pub(super) manager: Option<String>,
    /// No manager has been heard for so long that the gossip is to be believed.
    pub(super) is_alone: bool,
    /// The Swarm's id, from the node's certificate.
    pub(super) cluster_id: String,
}

/// A picture of the Swarm from one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// The Swarm.
    pub(super) swarm: SwarmFacts,
    /// The node.
    pub(super) local: LocalFacts,
    /// Where it comes from.
    pub(super) origin: Origin,
}

/// Whether a manager tells, this node or by its agent.
pub(super) fn has_manager(seen: &Seen, manager: Option<&str>) -> bool {
    seen.swarm.is_some() || manager.is_some()
}

/// The picture; `None` before the engine has told anything of the node, and its certificate in which
/// Swarm it is.
pub(super) fn assemble(seen: &Seen, known: &Known) -> Option<Picture> {
    let (place, local) = (seen.place.as_ref()?, seen.local.as_ref()?);
    if known.cluster_id.is_empty() {
        return None;
    }
    let gossip = seen.gossip.as_deref().filter(|_| known.is_alone);
    let own = (place.node.as_str(), own_node(place, local));
    let mut swarm = swarm(seen, known, gossip, own);
    swarm.cluster_id.clone_from(&known.cluster_id);
    let local = local_facts(seen, local, known);
    put_right(&mut swarm, &local);
    let origin = Origin {
        is_manager: place.is_manager,
        engine_answers: seen.answers,
        manager: known.manager.clone().filter(|_| seen.swarm.is_none()),
        is_gossip: gossip.is_some(),
        trouble: seen.trouble.clone(),
        problems: Vec::new(),
    };
    Some(Picture { swarm, local, origin })
}

/// What is known of the Swarm: at first hand, else at second hand, else put right by the gossip.
fn swarm(
    seen: &Seen,
    known: &Known,
    gossip: Option<&GossipSeen>,
    (node, own): (&str, NodeFacts),
) -> SwarmFacts {
    let last = seen.swarm.as_ref().or(known.last.as_ref());
    let mut swarm = last.map(|last| SwarmFacts::clone(last)).unwrap_or_default();
    let is_down = swarm.nodes.get(node).is_some_and(|node| node.is_down);
    // Before the gossip, which knows nodes by their addresses only.
    swarm.nodes.insert(node.into(), NodeFacts { is_down, ..own });
    let Some(gossip) = gossip else { return swarm };
    let mut merged = merge(&swarm, &gossip.networks, &gossip.gossip);
    if merged.vxlan_port == 0 {
        merged.vxlan_port = gossip.vxlan_port.unwrap_or(USUAL_VXLAN_PORT);
    }
    merged
}

/// This node, which knows itself best.
fn own_node(place: &Place, local: &LocalSeen) -> NodeFacts {
    NodeFacts {
        hostname: place.hostname.clone(),
        address: local.facts.address,
        is_down: false,
        has_agent: true,
        is_silent: false,
    }
}

/// A task whose container has ended is none, whatever the managers or the gossip know yet, and one of
/// this node that is about to end drains. One of this node whose container has not been seen is another
/// matter: managers know that it runs before its own node's list of containers is next read.
fn put_right(swarm: &mut SwarmFacts, local: &LocalFacts) {
    let SwarmFacts { tasks, ended, .. } = swarm;
    tasks.retain(|id, _| !ended.contains(id) && !local.ended.contains(id));
    for id in &local.stopping {
        if let Some(task) = tasks.get_mut(id) {
            task.is_draining = true;
        }
    }
}

/// What the node knows of itself; the engine may list a container whose process is gone.
fn local_facts(seen: &Seen, local: &LocalSeen, known: &Known) -> LocalFacts {
    let (ended, stopping) = (seen.ends.ended(), seen.ends.stopping());
    let mut facts = local.facts.clone();
    if let Some(running) = &mut facts.running {
        running.retain(|task| !ended.contains(task));
    }
    LocalFacts { cluster_id: known.cluster_id.clone(), ended, stopping, ..facts }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Instant};

    use super::*;
    use crate::source::docker::{
        documents::{document, network_gossip, networks, nodes, place},
        facts::TaskFacts,
        merge::Gossip,
    };

    const HERE: &str = "vvxe8nch9eiyr57xekingdjo3";
    const THERE: &str = "0ca6eslhb3gbw98gjlrfiov97";
    const INGRESS: &str = "ide65rkle9dpnajnn6162dfij";

    fn worker() -> Seen {
        let facts = LocalFacts {
            node: HERE.into(),
            address: Some([198, 18, 103, 2].into()),
            running: Some(BTreeSet::from(["here".to_owned()])),
            ..LocalFacts::default()
        };
        let networks = networks(&document::<Vec<_>>("networks_worker.json"));
        Seen {
            place: Some(Arc::new(place(&document("info_worker.json")).expect("a place"))),
            local: Some(Arc::new(LocalSeen { facts, networks, ..LocalSeen::default() })),
            answers: true,
            ..Seen::default()
        }
    }

    fn swarm_with(tasks: &[(&str, &str)]) -> Arc<SwarmFacts> {
        let task = |node: &str| TaskFacts { node: node.into(), ..TaskFacts::default() };
        let tasks = tasks.iter().map(|(id, node)| ((*id).to_owned(), task(node))).collect();
        let nodes = nodes(&document::<Vec<_>>("nodes.json"));
        Arc::new(SwarmFacts { nodes, tasks, vxlan_port: 5789, ..SwarmFacts::default() })
    }

    fn known(last: Option<Arc<SwarmFacts>>, manager: Option<&str>) -> Known {
        Known {
            last,
            is_alone: manager.is_none(),
            manager: manager.map(Into::into),
            cluster_id: "cluster".into(),
        }
    }

    fn heard(tasks: &[(&str, &str)]) -> Known {
        known(Some(swarm_with(tasks)), Some("198.18.103.1:7950"))
    }

    fn picture(seen: &Seen, known: &Known) -> Picture {
        assemble(seen, known).expect("a picture")
    }

    #[test]
    fn a_worker_believes_the_manager_that_it_hears() {
        let picture = picture(&worker(), &heard(&[("there", THERE), ("here", HERE)]));
        assert_eq!(picture.swarm.tasks.len(), 2);
        assert_eq!(picture.swarm.cluster_id, "cluster");
        assert_eq!(picture.origin.manager.as_deref(), Some("198.18.103.1:7950"));
        assert!(!picture.origin.is_gossip && !picture.origin.is_manager);
    }

    #[test]
    fn a_task_of_this_node_that_managers_know_first_is_one() {
        let picture = picture(&worker(), &heard(&[("there", THERE), ("new", HERE)]));
        assert_eq!(picture.swarm.tasks.keys().collect::<Vec<_>>(), ["new", "there"]);
    }

    #[test]
    fn a_task_that_ended_is_none_whoever_names_it_and_one_that_stops_drains() {
        let mut seen = worker();
        let mut swarm = SwarmFacts::clone(&swarm_with(&[("here", HERE), ("ended", THERE)]));
        swarm.ended.insert("ended".into());
        let known = known(Some(Arc::new(swarm)), Some("198.18.103.1:7950"));
        seen.ends.stop("here", Instant::now());
        let stopping = picture(&seen, &known);
        assert_eq!(stopping.swarm.tasks.keys().collect::<Vec<_>>(), ["here"]);
        assert!(stopping.swarm.tasks["here"].is_draining);
        // Its process is gone, while the engine, which is away, cannot say so.
        seen.ends.end("here", Instant::now());
        let ended = picture(&seen, &known);
        assert_eq!((ended.swarm.tasks.len(), ended.local.running), (0, Some(BTreeSet::new())));
        assert_eq!(ended.local.ended, BTreeSet::from(["here".to_owned()]));
    }

    #[test]
    fn this_node_has_an_agent_whatever_others_know() {
        let picture = picture(&worker(), &heard(&[]));
        assert!(picture.swarm.nodes[HERE].has_agent && !picture.swarm.nodes[THERE].has_agent);
        assert_eq!(picture.swarm.nodes[HERE].hostname, "n2");
    }

    #[test]
    fn a_manager_believes_its_own_engine() {
        let mut seen = worker();
        seen.swarm = Some(swarm_with(&[("there", THERE)]));
        let picture = picture(&seen, &heard(&[("there", THERE), ("old", THERE)]));
        assert_eq!(picture.swarm.tasks.keys().collect::<Vec<_>>(), ["there"]);
        assert_eq!((picture.origin.manager, picture.origin.is_gossip), (None, false));
    }

    #[test]
    fn without_a_manager_the_gossip_counts_and_the_port_stays_as_heard() {
        let mut seen = worker();
        let local = seen.local.clone().expect("the node");
        let told = network_gossip(&document("ingress_verbose.json"));
        let gossip = GossipSeen {
            networks: local.networks.clone(),
            gossip: Gossip::from([(INGRESS.to_owned(), told)]),
            vxlan_port: Some(4790),
        };
        seen.gossip = Some(Arc::new(gossip));
        let from_last = picture(&seen, &known(Some(swarm_with(&[])), None));
        assert!(from_last.origin.is_gossip && !from_last.swarm.tasks.is_empty());
        assert_eq!(from_last.swarm.vxlan_port, 5789);
        let from_nothing = picture(&seen, &known(None, None));
        assert_eq!(from_nothing.swarm.vxlan_port, 4790);
        assert_eq!(from_nothing.swarm.nodes[HERE].address, Some([198, 18, 103, 2].into()));
        assert_eq!(from_nothing.swarm.nodes.len(), 3, "this one and two by their addresses");
    }

    #[test]
    fn a_moment_without_manager_changes_nothing() {
        let mut seen = worker();
        seen.gossip = Some(Arc::default());
        let last = Some(swarm_with(&[("there", THERE)]));
        let known = Known { is_alone: false, ..known(last, None) };
        let picture = picture(&seen, &known);
        assert_eq!(picture.swarm.tasks.keys().collect::<Vec<_>>(), ["there"]);
        assert!(!picture.origin.is_gossip && !has_manager(&seen, None));
    }

    #[test]
    fn there_is_no_picture_of_an_unknown_swarm() {
        assert_eq!(assemble(&worker(), &Known::default()), None);
        assert_eq!(assemble(&Seen::default(), &heard(&[])), None);
    }
}
