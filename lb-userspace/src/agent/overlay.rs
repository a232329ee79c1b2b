//! Overlay legs of this node's tasks: which ones there should be and what the packet path is told
//! about them (pure), and making it so.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use lb_common::endpoint::{EndpointKey, OverlayLeg};

use crate::{
    compile::MapContents,
    host::{
        HostError,
        overlay::{OverlayLegs, OverlaySpec, OverlayState, Owner},
    },
    model::{DesiredState, Network, Task},
};

/// The overlay legs of a node after they were seen to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OverlayRound {
    /// Legs that are there.
    pub(super) present: BTreeMap<Owner, OverlayState>,
    /// What could not be done, for people.
    pub(super) problems: Vec<String>,
}

/// The legs that the tasks of `node` should have, in networks whose packets may have `tunnel_mtu`
/// bytes at most.
pub(super) fn wanted(desired: &DesiredState, node: &str, tunnel_mtu: u16) -> Vec<OverlaySpec> {
    let networks: BTreeMap<&str, &Network> =
        desired.networks.iter().map(|network| (network.name.as_str(), network)).collect();
    let mut specs = Vec::new();
    for service in &desired.services {
        let joined = || service.networks.iter().filter_map(|name| networks.get(name.as_str()));
        for task in service.tasks.iter().filter(|task| task.node == node) {
            specs.extend(joined().filter_map(|network| spec(task, network, tunnel_mtu)));
        }
    }
    specs
}

/// The leg of a task in a network; none where it has no address there.
fn spec(task: &Task, network: &Network, tunnel_mtu: u16) -> Option<OverlaySpec> {
    let addr = *task.addresses.get(&network.name)?;
    let own = network.subnet_of(addr)?;
    let others = network.subnets().map(|part| part.subnet);
    Some(OverlaySpec {
        owner: Owner { task: task.name.clone(), network: network.name.clone() },
        netns: task.netns.clone(),
        addr,
        mac: task.mac(&network.name)?,
        prefix: own.subnet.prefix,
        gateway: own.gateway,
        others: others.filter(|subnet| *subnet != own.subnet).collect(),
        mtu: network.mtu.map_or(tunnel_mtu, |mtu| mtu.min(tunnel_mtu)),
    })
}

/// Elements of `OVERLAY_LEGS` for the legs that are there and that `contents` knows.
pub(super) fn elements(
    present: &BTreeMap<Owner, OverlayState>,
    contents: &MapContents,
) -> Vec<OverlayLeg> {
    present.iter().filter_map(|(owner, leg)| element(owner, leg, contents)).collect()
}

fn element(owner: &Owner, leg: &OverlayState, contents: &MapContents) -> Option<OverlayLeg> {
    let vni = vni_of(&owner.network, leg.addr, contents)?;
    let addr = leg.addr.octets();
    let held = contents.endpoints.get(&EndpointKey { vni, addr })?;
    (held.name == owner.task).then_some(OverlayLeg {
        ifindex: leg.ifindex,
        vni,
        addr,
        mac: leg.mac,
        mtu: leg.mtu,
        service: held.endpoint.service,
        reserved: 0,
    })
}

fn vni_of(network: &str, addr: Ipv4Addr, contents: &MapContents) -> Option<u32> {
    let mut parts = contents.networks.iter();
    parts.find(|(_, part)| part.name == network && part.subnet.contains(addr)).map(|(vni, _)| *vni)
}

/// Makes and repairs the legs in `specs`. A task whose namespace is not there has none; its legs go
/// where some were left.
pub(super) async fn ensure(legs: &OverlayLegs, specs: &[OverlaySpec]) -> OverlayRound {
    let mut round = OverlayRound::default();
    for spec in specs {
        match legs.ensure(spec).await {
            Ok(state) => {
                round.present.insert(spec.owner.clone(), state);
            }
            Err(error) => round.give_up(legs, spec, &error).await,
        }
    }
    round
}

/// Lets packets into the legs, whose programs wait for them by now. Returns what could not be done.
pub(super) async fn open(
    legs: &OverlayLegs,
    present: &BTreeMap<Owner, OverlayState>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (owner, leg) in present {
        problems.extend(legs.open(leg).await.err().map(|error| told(owner, &error)));
    }
    problems
}

/// Removes the legs that `specs` lacks; returns what could not be done.
pub(super) async fn prune(legs: &OverlayLegs, specs: &[OverlaySpec]) -> Vec<String> {
    let found = match legs.list().await {
        Ok(found) => found,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems = Vec::new();
    for owner in unwanted(found.into_iter().filter_map(|leg| leg.owner), specs) {
        problems.extend(legs.remove(&owner).await.err().map(|error| told(&owner, &error)));
    }
    problems
}

/// Owners among `existing` that `wanted` lacks.
fn unwanted(existing: impl Iterator<Item = Owner>, wanted: &[OverlaySpec]) -> Vec<Owner> {
    let wanted: BTreeSet<&Owner> = wanted.iter().map(|spec| &spec.owner).collect();
    existing.filter(|owner| !wanted.contains(owner)).collect()
}

/// What went wrong with whose leg; many errors name the task themselves.
fn told(owner: &Owner, error: &HostError) -> String {
    let (Owner { task, network }, error) = (owner, error.to_string());
    let what = error.strip_prefix(&format!("task {task}: ")).unwrap_or(&error);
    format!("task {task} in network {network}: {what}")
}

impl OverlayRound {
    async fn give_up(&mut self, legs: &OverlayLegs, spec: &OverlaySpec, error: &HostError) {
        let owner = &spec.owner;
        self.problems.push(told(owner, error));
        if error.is_missing_namespace() {
            let removed = legs.remove(owner).await;
            self.problems.extend(removed.err().map(|error| told(owner, &error)));
        } else if let Some(leg) = left(legs, spec).await {
            self.present.insert(owner.clone(), leg);
        }
    }
}

/// A leg that is there, although something about it could not be put right: it goes on. Without it
/// the task's flows would be refused, and without its program it would lead into the node.
async fn left(legs: &OverlayLegs, spec: &OverlaySpec) -> Option<OverlayState> {
    let found = legs.list().await.ok()?;
    let leg = found.into_iter().find(|leg| leg.owner.as_ref() == Some(&spec.owner))?;
    let OverlaySpec { addr, mac, mtu, .. } = *spec;
    Some(OverlayState { ifindex: leg.link.ifindex, ifname: leg.link.name, addr, mac, mtu })
}

#[cfg(test)]
mod tests {
    use lb_common::endpoint::Endpoint;

    use super::*;
    use crate::{
        agent::sample,
        compile::{EndpointContents, NetworkContents},
        model::{NetworkSubnet, Subnet},
    };

    fn part(vni: u32, second: u8) -> NetworkSubnet {
        let subnet = Subnet { addr: [10, second, 0, 0].into(), prefix: 24 };
        NetworkSubnet { vni, subnet, gateway: subnet.gateway() }
    }

    /// Tasks `web.1` at n1, `web.2` at n2, in `front`, which has two subnets, at 10.2x.0.5.
    fn joined() -> DesiredState {
        let mut desired = sample::desired(&[("web.1", "n1"), ("web.2", "n2")]);
        desired.networks = vec![Network {
            name: "front".into(),
            first: part(4096, 20),
            further: vec![part(4097, 21)],
            internal: false,
            mtu: None,
            namespace: None,
        }];
        let service = &mut desired.services[0];
        service.networks = vec!["front".into()];
        for (task, second) in service.tasks.iter_mut().zip(20..) {
            task.addresses.insert("front".into(), [10, second, 0, 5].into());
        }
        desired
    }

    #[test]
    fn a_local_task_gets_a_leg_in_each_of_its_networks() {
        let specs = wanted(&joined(), "n2", 1450);
        assert_eq!(specs.len(), 1);
        let spec = &specs[0];
        assert_eq!((spec.owner.task.as_str(), spec.owner.network.as_str()), ("web.2", "front"));
        assert_eq!((spec.addr.octets(), spec.prefix), ([10, 21, 0, 5], 24));
        assert_eq!((spec.gateway.octets(), spec.mac), ([10, 21, 0, 1], [2, 0x42, 10, 21, 0, 5]));
        assert_eq!(spec.others, [part(4096, 20).subnet]);
    }

    #[test]
    fn the_tunnel_caps_a_networks_mtu() {
        let mut desired = joined();
        for (mtu, leg) in [(None, 1450), (Some(1300), 1300), (Some(9000), 1450)] {
            desired.networks[0].mtu = mtu;
            assert_eq!(wanted(&desired, "n1", 1450)[0].mtu, leg);
        }
    }

    #[test]
    fn a_task_without_an_address_has_no_leg() {
        let mut desired = joined();
        desired.services[0].tasks[0].addresses.clear();
        assert_eq!(wanted(&desired, "n1", 1450), []);
    }

    #[test]
    fn an_element_says_what_the_endpoint_says_while_the_address_is_the_tasks() {
        let owner = Owner { task: "web.2".into(), network: "front".into() };
        let leg = OverlayState {
            ifindex: 7,
            ifname: "slo".into(),
            addr: [10, 21, 0, 5].into(),
            mac: [2; 6],
            mtu: 1450,
        };
        let present = BTreeMap::from([(owner, leg)]);
        let network = |part: NetworkSubnet| NetworkContents {
            name: "front".into(),
            subnet: part.subnet,
            gateway: part.gateway.octets(),
            internal: false,
        };
        let networks = [part(4096, 20), part(4097, 21)].map(|p| (p.vni, network(p))).into();
        let mut contents = MapContents { networks, ..Default::default() };
        assert_eq!(elements(&present, &contents), []);
        let endpoint = Endpoint { service: 3, ..Default::default() };
        let key = EndpointKey { vni: 4097, addr: [10, 21, 0, 5] };
        let mut held = EndpointContents { name: "web.2".into(), endpoint };
        contents.endpoints.insert(key, held.clone());
        let element = elements(&present, &contents)[0];
        assert_eq!((element.ifindex, element.vni, element.service), (7, 4097, 3));
        held.name = "web.9".into();
        contents.endpoints.insert(key, held);
        assert_eq!(elements(&present, &contents), []);
    }

    #[test]
    fn a_problem_names_its_task_once() {
        let owner = Owner { task: "web.1".into(), network: "front".into() };
        let taken = HostError::ForeignInterface { task: "web.1".into(), interface: "x".into() };
        let text = told(&owner, &taken);
        assert!(text.starts_with("task web.1 in network front: its namespace"), "{text}");
    }

    #[test]
    fn a_leg_without_a_task_or_network_is_unwanted() {
        let specs = wanted(&joined(), "n1", 1450);
        let owner =
            |task: &str, network: &str| Owner { task: task.into(), network: network.into() };
        let existing = [owner("web.1", "front"), owner("web.1", "back"), owner("old.7", "front")];
        let gone = [owner("web.1", "back"), owner("old.7", "front")];
        assert_eq!(unwanted(existing.into_iter(), &specs), gone);
    }
}
