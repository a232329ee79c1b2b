//! What a cluster takes out of the kernel maps, and how much memory the maps have.

use lb_common::{
    addr::V4,
    backend::{BACKENDS_LEN, Backend},
    flow::{EMBRYO_LEN, FLOWS_LEN, FlowKey, FlowValue, NAT_LEN, NatKey, NatValue},
    leg::{LEGS_LEN, Leg},
    port::{PORTS_LEN, PublishedPort},
    row::{ROWS_LEN, Row},
    service::{self, SERVICES_LEN},
    table::rows_for,
};
use serde::Serialize;

use super::plan::ServicePlan;
use crate::{
    model::{DesiredState, PublishMode, Service},
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
    /// Elements of `SERVICES`; each host-mode port is one of its own.
    pub services: MapUse,
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
    /// Maps that are too small.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let maps = [("ROWS", self.rows), ("BACKENDS", self.backends), ("SERVICES", self.services)];
        let full = maps.into_iter().filter(|(_, map)| map.used > map.capacity);
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

/// Rows of a service that publishes in ingress mode; 0 where nobody takes new flows.
pub(super) fn rows(service: &Service) -> u32 {
    let ingress = service.publish.iter().any(|port| port.mode == PublishMode::Ingress);
    match service.tasks.iter().filter(|task| task.weight > 0).count() {
        active if ingress && active > 0 => rows_for(active),
        _ => 0,
    }
}

/// Elements of a service's range in `BACKENDS`, which is indexed by backend number.
pub(super) fn backend_range(service: &Service) -> u32 {
    let largest = service.tasks.iter().map(|task| task.number).max();
    largest.map_or(0, range_up_to)
}

/// What the cluster needs.
pub(super) fn of(state: &DesiredState, services: &[ServicePlan]) -> Memory {
    let host = state.nodes.iter().map(|node| host_mode(state, &node.name));
    let (host_ports, host_backends) = host.max().unwrap_or_default();
    let rows: u64 = services.iter().map(|service| u64::from(service.rows)).sum();
    let backends: u64 = services.iter().map(|service| u64::from(service.backend_range)).sum();
    let count = u64::try_from(services.len()).unwrap_or(u64::MAX);
    Memory {
        rows: map_use::<Row>(rows + host_ports * u64::from(rows_for(1)), ROWS_LEN),
        backends: map_use::<Backend>(backends + host_backends, BACKENDS_LEN),
        services: map_use::<service::Service>(1 + count + host_ports, SERVICES_LEN),
        array_bytes: array_bytes(),
        flow_bytes: flow_bytes(),
    }
}

/// Host-mode ports of the tasks on a node, and the `BACKENDS` elements they need.
fn host_mode(state: &DesiredState, node: &str) -> (u64, u64) {
    let mut need = (0, 0);
    for service in &state.services {
        let ports = service.publish.iter().filter(|port| port.mode == PublishMode::Host);
        let ports = u64::try_from(ports.count()).unwrap_or(u64::MAX);
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
}

fn flow_bytes() -> u64 {
    let nat = size::<NatKey<V4>>() + size::<NatValue<V4>>() + ELEMENT_OVERHEAD;
    let flow = size::<FlowKey<V4>>() + size::<FlowValue>() + ELEMENT_OVERHEAD;
    u64::from(NAT_LEN + EMBRYO_LEN) * nat + u64::from(FLOWS_LEN) * flow
}

const fn size<T>() -> u64 {
    size_of::<T>() as u64
}
