//! Who has which address in which network: gateways, virtual IPs and tasks, each under every VNI of
//! its network, and the VNIs themselves. Beside Docker, whose own interfaces carry what is not for a
//! virtual IP, only virtual IPs and tasks, under [`ANY_VNI`].

use std::collections::BTreeMap;

use lb_common::{
    addr::{V4, mac_of},
    backend::NODE_SELF,
    endpoint::{
        ANY_VNI, ENDPOINT_GATEWAY, ENDPOINT_NETWORK, ENDPOINT_TASK, ENDPOINT_VIP, ENDPOINTS_LEN,
        Endpoint, EndpointKey,
    },
    info::NETWORKS_LEN,
};

use super::{CompileError, EndpointContents, Here, MapContents, NetworkContents};
use crate::{
    fit::vip_name,
    model::{DesiredState, Network, NetworkSubnet, Service, Task},
};

/// Address of the entry that says that a VNI is known; under the mesh's, that there are networks.
const NETWORK_ADDR: V4 = [0; 4];

/// Adds all networks with who is in them. `services` are the indices of services by name.
pub(super) fn add(
    contents: &mut MapContents,
    desired: &DesiredState,
    here: Here<'_>,
    services: &BTreeMap<String, u16>,
) -> Result<(), CompileError> {
    if here.docker.is_some() {
        add_beside_docker(contents, desired, here, services);
        return fits(contents);
    }
    if !desired.networks.is_empty() {
        let vni = desired.cluster.mesh_vni;
        contents.endpoints.insert(EndpointKey { vni, addr: NETWORK_ADDR }, known(vni));
    }
    for network in &desired.networks {
        contents.networks.extend(network.subnets().map(|part| (part.vni, subnet(network, part))));
        let members = members(network, desired, here, services);
        for part in network.subnets() {
            let key = |addr| EndpointKey { vni: part.vni, addr };
            contents.endpoints.insert(key(NETWORK_ADDR), known(part.vni));
            let entries = members.iter().map(|(&addr, member)| (key(addr), member.clone()));
            contents.endpoints.extend(entries);
        }
    }
    fits(contents)
}

fn add_beside_docker(
    contents: &mut MapContents,
    desired: &DesiredState,
    here: Here<'_>,
    services: &BTreeMap<String, u16>,
) {
    for network in &desired.networks {
        contents.networks.extend(network.subnets().map(|part| (part.vni, subnet(network, part))));
        let members = members(network, desired, here, services).into_iter();
        let balanced = members.filter(|(_, member)| member.endpoint.kind != ENDPOINT_GATEWAY);
        let key = |addr| EndpointKey { vni: ANY_VNI, addr };
        contents.endpoints.extend(balanced.map(|(addr, member)| (key(addr), member)));
    }
}

fn fits(contents: &MapContents) -> Result<(), CompileError> {
    if contents.networks.len() > NETWORKS_LEN as usize {
        return Err(CompileError::TooManyNetworks);
    }
    if contents.endpoints.len() > ENDPOINTS_LEN as usize {
        return Err(CompileError::TooManyEndpoints);
    }
    Ok(())
}

fn subnet(network: &Network, part: &NetworkSubnet) -> NetworkContents {
    NetworkContents {
        name: network.name.clone(),
        subnet: part.subnet,
        gateway: part.gateway.octets(),
        internal: network.internal,
    }
}

fn known(vni: u32) -> EndpointContents {
    let endpoint = Endpoint { kind: ENDPOINT_NETWORK, vni, ..Default::default() };
    EndpointContents { name: String::new(), endpoint }
}

/// Everybody in the network, by address. While a task that leaves still has the address of one that
/// came, the one that takes new flows has it.
fn members(
    network: &Network,
    desired: &DesiredState,
    here: Here<'_>,
    services: &BTreeMap<String, u16>,
) -> BTreeMap<V4, EndpointContents> {
    let gateways = network.subnets().map(|part| (part.gateway.octets(), gateway(part)));
    let vips = desired.services.iter().filter_map(|service| vip(service, network, services));
    let (taking, draining): (Vec<_>, Vec<_>) = desired
        .services
        .iter()
        .flat_map(|service| service.tasks.iter().map(move |task| (service, task)))
        .partition(|(_, task)| task.weight > 0);
    let tasks = taking.into_iter().chain(draining).filter_map(|(service, member)| {
        let index = services.get(&vip_name(&service.name, &network.name));
        task(member, network, here, index.copied())
    });
    let mut members = BTreeMap::new();
    for (addr, member) in gateways.chain(vips).chain(tasks) {
        members.entry(addr).or_insert(member);
    }
    members
}

fn gateway(part: &NetworkSubnet) -> EndpointContents {
    let mac = mac_of(part.gateway.octets());
    let endpoint = Endpoint { mac, kind: ENDPOINT_GATEWAY, vni: part.vni, ..Default::default() };
    EndpointContents { name: String::new(), endpoint }
}

/// The service's virtual IP in the network, if it has one.
fn vip(
    service: &Service,
    network: &Network,
    services: &BTreeMap<String, u16>,
) -> Option<(V4, EndpointContents)> {
    let addr = service.vips.get(&network.name)?;
    let index = *services.get(&vip_name(&service.name, &network.name))?;
    let endpoint = Endpoint {
        mac: mac_of(addr.octets()),
        kind: ENDPOINT_VIP,
        vni: network.subnet_of(*addr)?.vni,
        service: index,
        ..Default::default()
    };
    Some((addr.octets(), EndpointContents { name: service.name.clone(), endpoint }))
}

/// The task's endpoint in the network, if it has an address there; `service` is the virtual IP that
/// has it as a backend.
fn task(
    task: &Task,
    network: &Network,
    here: Here<'_>,
    service: Option<u16>,
) -> Option<(V4, EndpointContents)> {
    let addr = task.addresses.get(&network.name)?;
    let is_here = task.node == here.node;
    let leg = || here.legs.overlay.get(&(task.name.clone(), network.name.clone())).copied();
    let endpoint = Endpoint {
        mac: task.mac(&network.name)?,
        kind: ENDPOINT_TASK,
        reserved: 0,
        vni: network.subnet_of(*addr)?.vni,
        ifindex: is_here.then(leg).flatten().unwrap_or_default(),
        node: if is_here { NODE_SELF } else { *here.peers.get(task.node.as_str())? },
        service: service.unwrap_or_default(),
    };
    Some((addr.octets(), EndpointContents { name: task.name.clone(), endpoint }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::compile::{LocalLegs, Previous, compile, fixtures};

    const VIP: V4 = [10, 20, 0, 9];
    const A: V4 = [10, 20, 0, 2];
    const B: V4 = [10, 20, 1, 3];

    fn at_n1(services: Vec<Service>) -> MapContents {
        let leg = (("a".to_owned(), "front".to_owned()), 17);
        let legs = LocalLegs { overlay: [leg].into(), ..Default::default() };
        let desired = fixtures::cluster(services);
        compile(&desired, "n1", &legs, &BTreeSet::new(), &Previous::default()).expect("small")
    }

    fn web() -> Service {
        let mut web = fixtures::service("web", &[("a", "n1", 1), ("b", "n2", 1)]);
        fixtures::join(&mut web, "front", VIP, &[(1, A), (2, B)]);
        web
    }

    fn found(contents: &MapContents, vni: u32, addr: V4) -> (String, Endpoint) {
        let held = contents.endpoints.get(&EndpointKey { vni, addr }).expect("known");
        (held.name.clone(), held.endpoint)
    }

    #[test]
    fn everybody_is_known_under_every_vni_of_the_network() {
        let contents = at_n1(vec![web()]);
        for vni in [4096, 4097] {
            let vip = contents.services.iter().find(|(_, service)| service.name == "web@front");
            let index = *vip.expect("there").0;
            let (name, vip) = found(&contents, vni, VIP);
            assert_eq!(
                (&*name, vip.kind, vip.vni, vip.service),
                ("web", ENDPOINT_VIP, 4096, index)
            );
            let (name, a) = found(&contents, vni, A);
            assert_eq!((&*name, a.kind, a.vni, a.service), ("a", ENDPOINT_TASK, 4096, index));
            assert_eq!((a.node, a.ifindex, a.mac), (NODE_SELF, 17, mac_of(A)));
            let (name, b) = found(&contents, vni, B);
            assert_eq!((&*name, b.vni, b.node, b.ifindex), ("b", 4097, 1, 0));
            let (_, gateway) = found(&contents, vni, [10, 20, 1, 1]);
            assert_eq!((gateway.kind, gateway.vni), (ENDPOINT_GATEWAY, 4097));
            assert_eq!(found(&contents, vni, [0; 4]).1.vni, vni);
        }
        let back: Vec<_> = contents.endpoints.keys().filter(|key| key.vni == 4098).collect();
        assert_eq!(back.len(), 2, "the VNI and its gateway: {back:?}");
        let (front, further) = (&contents.networks[&4096], &contents.networks[&4097]);
        assert_eq!((&*front.name, &*further.name), ("front", "front"));
        assert!(!front.internal && contents.networks[&4098].internal);
    }

    #[test]
    fn a_virtual_ip_balances_over_addresses_in_its_network() {
        let contents = at_n1(vec![web()]);
        let named = |name| contents.services.values().find(|service| service.name == name);
        let (web, vip) = (named("web").expect("there"), named("web@front").expect("there"));
        let addrs: Vec<_> = vip.backends.values().map(|backend| backend.addr).collect();
        assert_eq!(addrs, [A, B]);
        assert!(web.backends.values().all(|backend| backend.addr == [0; 4]));
        assert_eq!((vip.rows.len(), vip.scheduler), (web.rows.len(), web.scheduler));
        assert_ne!(vip.seed, web.seed);
    }

    #[test]
    fn who_has_no_virtual_ip_names_no_service() {
        let mut dnsrr = web();
        dnsrr.vips.clear();
        let contents = at_n1(vec![dnsrr]);
        assert_eq!(found(&contents, 4096, A).1.service, 0);
        assert_eq!(contents.services.len(), 1);
        assert!(!contents.endpoints.contains_key(&EndpointKey { vni: 4096, addr: VIP }));
    }

    #[test]
    fn an_address_that_two_claim_is_the_one_that_stays() {
        let mut leaving = fixtures::service("old", &[("z", "n1", 0)]);
        fixtures::join(&mut leaving, "front", [10, 20, 0, 8], &[(1, B)]);
        for services in [vec![leaving.clone(), web()], vec![web(), leaving]] {
            assert_eq!(found(&at_n1(services), 4097, B).0, "b");
        }
    }

    #[test]
    fn a_chosen_ethernet_address_is_kept() {
        let mut web = web();
        web.tasks[1].macs.insert("front".to_owned(), [2, 0, 0, 0, 0, 7]);
        assert_eq!(found(&at_n1(vec![web]), 4096, B).1.mac, [2, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn beside_docker_virtual_ips_and_tasks_are_known_under_no_vni() {
        let desired = fixtures::beside_docker(fixtures::cluster(vec![web()]));
        let (legs, held) = (LocalLegs::default(), BTreeSet::new());
        let contents = compile(&desired, "n1", &legs, &held, &Previous::default()).expect("small");
        let keys: Vec<_> = contents.endpoints.keys().map(|key| (key.vni, key.addr)).collect();
        assert_eq!(keys, [(ANY_VNI, A), (ANY_VNI, VIP), (ANY_VNI, B)]);
        let (_, b) = found(&contents, ANY_VNI, B);
        assert_eq!((b.kind, b.vni, b.node, b.mac), (ENDPOINT_TASK, 4097, 1, mac_of(B)));
        assert_eq!(contents.networks.len(), 3, "their names are for people");
    }
}
