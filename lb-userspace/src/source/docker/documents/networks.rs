//! Overlay networks of the Swarm, from the engine's list: on a manager all of them, on a worker
//! those that have a task there and the ingress network.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{IpamConfig, Network};
use lb_common::wire::TUNNEL_OVERHEAD;

use super::{addr_of, subnet_of};
use crate::source::docker::facts::{NetworkFacts, SubnetFacts};

const VNIS: &str = "com.docker.network.driver.overlay.vxlanid_list";
const MTU: &str = "com.docker.network.driver.mtu";
const ENCRYPTED: &str = "encrypted";
/// What ESP adds to a packet at most (moby, drivers/overlay/encryption.go).
const ESP_OVERHEAD: u16 = 26;

/// Facts about overlay networks, by id.
pub(in crate::source::docker) fn networks(documents: &[Network]) -> BTreeMap<String, NetworkFacts> {
    let of_swarm = documents.iter().filter(|network| {
        network.driver.as_deref() == Some("overlay") && network.scope.as_deref() == Some("swarm")
    });
    of_swarm.filter_map(|network| Some((network.id.clone()?, facts(network)?))).collect()
}

/// The id of the ingress network.
pub(in crate::source::docker) fn ingress_of(
    networks: &BTreeMap<String, NetworkFacts>,
) -> Option<&str> {
    let ingress = networks.iter().find(|(_, network)| network.is_ingress);
    ingress.map(|(id, _)| id.as_str())
}

fn facts(network: &Network) -> Option<NetworkFacts> {
    let options = network.options.as_ref()?;
    // The presence counts, whatever the value: moby's overlay driver of 20.10 looks at no more.
    let is_encrypted = options.contains_key(ENCRYPTED);
    Some(NetworkFacts {
        name: network.name.clone()?,
        is_ingress: network.ingress.unwrap_or_default(),
        is_internal: network.internal.unwrap_or_default(),
        is_encrypted,
        subnets: subnets(network, options),
        mtu: mtu(options, is_encrypted),
    })
}

/// The IPv4 subnets with their VNIs: the driver allocates one for each, in the same order.
fn subnets(network: &Network, options: &HashMap<String, String>) -> Vec<SubnetFacts> {
    let vnis = options.get(VNIS).map_or("", String::as_str).split(',');
    let vnis = vnis.filter_map(|vni| vni.trim().parse().ok());
    let configs = network.ipam.as_ref().and_then(|ipam| ipam.config.as_deref()).unwrap_or_default();
    let of_ipv4 = configs
        .iter()
        .filter_map(|config| Some((config, config.subnet.as_deref().and_then(subnet_of)?)));
    let told = of_ipv4.zip(vnis).map(|((config, subnet), vni)| SubnetFacts {
        vni,
        addr: subnet.addr,
        prefix: subnet.prefix,
        gateway: gateway(config).unwrap_or_else(|| subnet.gateway()),
    });
    told.collect()
}

fn gateway(config: &IpamConfig) -> Option<std::net::Ipv4Addr> {
    config.gateway.as_deref().and_then(addr_of)
}

/// What the option leaves for a packet: the driver takes off the tunnel and what encryption may add,
/// then down to a multiple of four (moby, drivers/overlay/joinleave.go).
fn mtu(options: &HashMap<String, String>, is_encrypted: bool) -> Option<u16> {
    let wire: u16 = options.get(MTU)?.parse().ok()?;
    let plain = wire.checked_sub(TUNNEL_OVERHEAD)?;
    if !is_encrypted {
        return Some(plain);
    }
    plain.checked_sub(ESP_OVERHEAD).map(|left| left - left % 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::documents::document;

    fn of_manager() -> BTreeMap<String, NetworkFacts> {
        networks(&document::<Vec<_>>("networks_manager.json"))
    }

    fn named<'a>(networks: &'a BTreeMap<String, NetworkFacts>, name: &str) -> &'a NetworkFacts {
        networks.values().find(|network| network.name == name).expect("a network")
    }

    #[test]
    fn only_overlay_networks_of_the_swarm_count() {
        let all = of_manager();
        let names: Vec<_> = all.values().map(|network| &*network.name).collect();
        assert_eq!(names, ["two", "web", "ingress", "secret"]);
        assert_eq!(ingress_of(&all), Some("ide65rkle9dpnajnn6162dfij"));
    }

    #[test]
    fn each_subnet_has_its_vni() {
        let all = of_manager();
        let two = named(&all, "two");
        let told: Vec<_> =
            two.subnets.iter().map(|part| (part.vni, part.addr, part.prefix)).collect();
        let addr = |third| std::net::Ipv4Addr::from([10, 103, third, 0]);
        assert_eq!(told, [(4098, addr(8), 24), (4099, addr(9), 24)]);
        assert_eq!(two.subnets[1].gateway, std::net::Ipv4Addr::from([10, 103, 9, 1]));
        assert!(two.is_internal && !two.is_encrypted && !two.is_ingress);
    }

    #[test]
    fn a_subnet_of_ipv6_takes_no_vni() {
        let mut documents: Vec<Network> = document("networks_manager.json");
        let two = documents.iter_mut().find(|one| one.name.as_deref() == Some("two"));
        let ipam = two.and_then(|two| two.ipam.as_mut()).expect("ipam");
        let v6 = IpamConfig { subnet: Some("fd00:8::/64".into()), ..IpamConfig::default() };
        ipam.config.as_mut().expect("config").insert(0, v6);
        let vnis: Vec<_> =
            named(&networks(&documents), "two").subnets.iter().map(|part| part.vni).collect();
        assert_eq!(vnis, [4098, 4099]);
    }

    #[test]
    fn the_mtu_is_what_a_packet_may_have() {
        let all = of_manager();
        assert_eq!(named(&all, "two").mtu, Some(1350));
        assert_eq!(named(&all, "web").mtu, None);
        let wire = HashMap::from([(MTU.to_owned(), "1500".to_owned())]);
        assert_eq!((mtu(&wire, false), mtu(&wire, true)), (Some(1450), Some(1424)));
    }

    #[test]
    fn encryption_is_seen() {
        assert!(named(&of_manager(), "secret").is_encrypted);
    }

    #[test]
    fn a_worker_knows_the_networks_of_its_tasks() {
        let some = networks(&document::<Vec<_>>("networks_worker.json"));
        let all = of_manager();
        assert_eq!(
            some.values().map(|network| &*network.name).collect::<Vec<_>>(),
            ["web", "ingress"]
        );
        assert!(some.iter().all(|(id, network)| all.get(id) == Some(network)));
    }
}
