//! What a cluster takes out of the kernel maps, and how much memory the maps have.

use lb_common::{
    addr::V4,
    backend::{BACKENDS_LEN, Backend},
    endpoint::{
        ENDPOINTS_LEN, Endpoint, EndpointKey, OVERLAY_LEGS_LEN, OverlayLeg, VIPFLOWS_LEN,
        VipFlowKey, VipFlowValue,
    },
    flow::{EMBRYO_LEN, FLOWS_LEN, FlowKey, FlowValue, NAT_LEN, NatKey, NatValue},
    info::{EndpointInfo, NETWORKS_LEN, NetworkInfo},
    leg::{LEGS_LEN, Leg},
    port::{PORTS_LEN, PublishedPort},
    row::{ROWS_LEN, Row},
    service::{self, SERVICES_LEN},
    table::rows_for,
};
use serde::Serialize;

use crate::{
    model::{DesiredState, Network, PublishMode, Service},
    source::Warning,
};

/// Bytes that the kernel adds to each element of a hash map (`struct htab_elem`, Linux 6.18).
const ELEMENT_OVERHEAD: u64 = 48;

/// Map elements and bytes that the cluster needs on its fullest node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Elements of `ROWS`.
    pub rows: MapUse,
    /// Elements of `BACKENDS`.
    pub backends: MapUse,
    /// Elements of `SERVICES`; each virtual IP and each host-mode port is one of its own.
    pub services: MapUse,
    /// Elements of `NETWORK_INFO`: subnets.
    pub networks: MapUse,
    /// Elements of `ENDPOINTS` and of `ENDPOINT_INFO`: each address of a network, under each of its
    /// VNIs.
    pub endpoints: MapUse,
    /// Memory of all arrays that the agent fills, used or not, bytes.
    pub array_bytes: u64,
    /// Memory of the tables of flows, about, bytes.
    pub flow_bytes: u64,
}

/// How much of a map is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MapUse {
    /// Elements in use.
    pub used: u64,
    /// Elements there are.
    pub capacity: u64,
    /// Memory of the elements in use, bytes.
    pub used_bytes: u64,
}

impl Memory {
    /// Maps that clusters fill, by name.
    pub(super) fn maps(&self) -> [(&'static str, MapUse); 5] {
        [
            ("ROWS", self.rows),
            ("BACKENDS", self.backends),
            ("SERVICES", self.services),
            ("NETWORK_INFO", self.networks),
            ("ENDPOINTS", self.endpoints),
        ]
    }

    /// Maps that are too small.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let full = self.maps().into_iter().filter(|(_, map)| map.used > map.capacity);
        let warning = |(name, map): (&str, MapUse)| Warning {
            subject: format!("map {name}"),
            text: format!(
                "needs {} elements and has {}; the agent will refuse this file: use fewer services \
                 or tasks, or smaller backend numbers",
                map.used, map.capacity
            ),
        };
        full.map(warning).collect()
    }
}

/// Rows of a new service; 0 where nobody takes new flows.
pub(super) fn rows(service: &Service) -> u32 {
    match service.tasks.iter().filter(|task| task.weight > 0).count() {
        0 => 0,
        taking => rows_for(taking),
    }
}

/// Elements of a service's range in `BACKENDS`, which is indexed by backend number.
pub(super) fn backends(service: &Service) -> u32 {
    let largest = service.tasks.iter().map(|task| task.number).max();
    largest.map_or(0, range_up_to)
}

/// What the cluster needs.
pub(super) fn of(state: &DesiredState) -> Memory {
    let host = state.nodes.iter().map(|node| host_mode(state, &node.name));
    let (host_ports, host_backends) = host.max().unwrap_or_default();
    let sum = |each: fn(&Service) -> u32| -> u64 {
        state.services.iter().map(|service| u64::from(each(service)) * targets(service)).sum()
    };
    let (rows, backends, count) = (sum(rows), sum(backends), sum(|_| 1));
    Memory {
        rows: map_use::<Row>(rows + host_ports * u64::from(rows_for(1)), ROWS_LEN),
        backends: map_use::<Backend>(backends + host_backends, BACKENDS_LEN),
        services: map_use::<service::Service>(1 + count + host_ports, SERVICES_LEN),
        networks: networks(state),
        endpoints: endpoints(state),
        array_bytes: array_bytes(),
        flow_bytes: flow_bytes(),
    }
}

/// Services in the maps that have all of the service's tasks: its own and its virtual IPs.
fn targets(service: &Service) -> u64 {
    1 + count(service.vips.len())
}

fn networks(state: &DesiredState) -> MapUse {
    let used = state.networks.iter().map(|network| count(network.subnets().count())).sum();
    hash_use(used, NETWORKS_LEN, size::<u32>() + size::<NetworkInfo>() + ELEMENT_OVERHEAD)
}

fn endpoints(state: &DesiredState) -> MapUse {
    let key = size::<EndpointKey<V4>>() + ELEMENT_OVERHEAD;
    let element = 2 * key + size::<Endpoint>() + size::<EndpointInfo>();
    let used = state.networks.iter().map(|network| addresses(state, network)).sum();
    hash_use(used, ENDPOINTS_LEN, element)
}

/// Elements of `ENDPOINTS` that a network needs.
fn addresses(state: &DesiredState, network: &Network) -> u64 {
    let subnets = count(network.subnets().count());
    let of = |service: &Service| {
        let tasks = service.tasks.iter().filter(|task| task.addresses.contains_key(&network.name));
        count(tasks.count()) + u64::from(service.vips.contains_key(&network.name))
    };
    let theirs: u64 = state.services.iter().map(of).sum();
    // Of each VNI: the network itself, the gateways of all subnets, VIPs and tasks.
    subnets * (1 + subnets + theirs)
}

fn hash_use(used: u64, capacity: u32, element_bytes: u64) -> MapUse {
    MapUse { used, capacity: capacity.into(), used_bytes: used * element_bytes }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Host-mode ports of the tasks on a node, and the `BACKENDS` elements they need.
fn host_mode(state: &DesiredState, node: &str) -> (u64, u64) {
    let mut need = (0, 0);
    for service in &state.services {
        let ports = service.publish.iter().filter(|port| port.mode == PublishMode::Host);
        let ports = count(ports.count());
        for task in service.tasks.iter().filter(|task| task.node == node) {
            need = (need.0 + ports, need.1 + ports * u64::from(range_up_to(task.number)));
        }
    }
    need
}

fn range_up_to(number: u16) -> u32 {
    (u32::from(number) + 1).next_power_of_two()
}

fn map_use<T>(used: u64, capacity: u32) -> MapUse {
    MapUse { used, capacity: capacity.into(), used_bytes: used * size::<T>() }
}

fn array_bytes() -> u64 {
    let array = |len: u32, element: u64| u64::from(len) * element;
    array(ROWS_LEN, size::<Row>())
        + array(BACKENDS_LEN, size::<Backend>())
        + array(SERVICES_LEN, size::<service::Service>())
        + array(PORTS_LEN, size::<PublishedPort>())
        + array(LEGS_LEN, size::<Leg>())
        + array(OVERLAY_LEGS_LEN, size::<OverlayLeg>())
}

fn flow_bytes() -> u64 {
    let nat = size::<NatKey<V4>>() + size::<NatValue<V4>>() + ELEMENT_OVERHEAD;
    let flow = size::<FlowKey<V4>>() + size::<FlowValue>() + ELEMENT_OVERHEAD;
    let vip = size::<VipFlowKey<V4>>() + size::<VipFlowValue<V4>>() + ELEMENT_OVERHEAD;
    u64::from(NAT_LEN + EMBRYO_LEN) * nat
        + u64::from(FLOWS_LEN) * flow
        + u64::from(VIPFLOWS_LEN) * vip
}

const fn size<T>() -> u64 {
    size_of::<T>() as u64
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{
        check::{Plan, plan},
        source::file::parse,
    };

    fn planned(services: &str) -> Plan {
        let nodes = "[[node]]\nname = \"n1\"\naddress = \"198.18.0.1\"\n";
        let (state, _) = parse(Path::new("c.toml"), &format!("{nodes}{services}")).unwrap();
        plan(&state, Vec::new())
    }

    fn task(name: &str, number: u16, weight: u16) -> String {
        format!(
            "[[service.task]]\nname = \"{name}\"\nnode = \"n1\"\nnetns = \"{name}\"\n\
             number = {number}\nweight = {weight}\n"
        )
    }

    #[test]
    fn rows_follow_the_tasks_that_take_flows_and_backends_the_largest_number() {
        let service = "[[service]]\nname = \"web\"\n";
        let plan = planned(
            &(service.to_owned() + &task("a", 1, 1) + &task("b", 2, 1) + &task("c", 1000, 0)),
        );
        assert_eq!(plan.memory.rows.used, 256);
        assert_eq!(plan.memory.rows.used_bytes, 2048);
        assert_eq!(plan.memory.backends.used, 1024);
        assert_eq!(plan.memory.services.used, 2);
    }

    #[test]
    fn a_host_mode_port_is_a_service_of_its_own() {
        let service = "[[service]]\nname = \"web\"\n\
                       publish = [{ published = 80, target = 80, mode = \"host\" }]\n";
        let plan = planned(&(service.to_owned() + &task("a", 7, 1)));
        assert_eq!(plan.memory.rows.used, 512);
        assert_eq!(plan.memory.backends.used, 16);
        assert_eq!(plan.memory.services.used, 3);
    }

    #[test]
    fn a_virtual_ip_is_a_service_of_its_own_and_an_endpoint_under_each_vni() {
        let network = "[[network]]\nname = \"net\"\nsubnets = [{ subnet = \"10.1.0.0/24\" }, \
                       { subnet = \"10.2.0.0/24\" }]\n";
        let service = "[[service]]\nname = \"web\"\nnetworks = [\"net\"]\n";
        let plan = planned(&(network.to_owned() + service + &task("a", 7, 1)));
        assert_eq!(plan.memory.rows.used, 512);
        assert_eq!(plan.memory.backends.used, 16);
        assert_eq!((plan.memory.services.used, plan.memory.networks.used), (3, 2));
        assert_eq!(plan.memory.endpoints.used, 2 * (1 + 2 + 1 + 1));
        let vip = &plan.services[0].vips[0];
        assert_eq!(vip.name, "web@net");
        assert_eq!(vip.rows.map(|rows| (rows.first, rows.len)), Some((256, 256)));
    }

    #[test]
    fn a_map_that_is_too_small_is_a_warning() {
        let service =
            |i| format!("[[service]]\nname = \"s{i}\"\n{}", task(&format!("t{i}"), 65535, 1));
        let plan = planned(&(0..17).map(service).collect::<String>());
        assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
        assert!(plan.warnings[0].to_string().contains("map BACKENDS: needs 1114112 elements"));
        assert!(plan.services[15].backends.is_some() && plan.services[16].backends.is_none());
    }

    #[test]
    fn services_follow_one_another_in_the_maps() {
        let service = |i| format!("[[service]]\nname = \"s{i}\"\n{}", task(&format!("t{i}"), 1, 1));
        let plan = planned(&(0..2).map(service).collect::<String>());
        let first = |i: usize| plan.services[i].rows.map(|rows| (rows.first, rows.len));
        assert_eq!((first(0), first(1)), (Some((0, 256)), Some((256, 256))));
    }
}
