//! What is allowed but may surprise: warnings about a valid cluster.

use std::{fmt, ops::RangeInclusive};

use lb_common::wire::TUNNEL_OVERHEAD;
use serde::{Deserialize, Serialize};

use crate::model::{DesiredState, Network, Protocol, Publish, PublishMode, Service};

/// What Ethernet carries unless told otherwise, bytes.
const ETHERNET_MTU: u16 = 1500;

/// Something that is allowed and may surprise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What it is about, such as `service "web"`.
    pub subject: String,
    /// What may surprise, and what to do if it does.
    pub text: String,
}

impl Warning {
    /// One about the service of that name.
    #[must_use]
    pub fn of_service(name: &str, text: &str) -> Self {
        warning(&format!("service {name:?}"), text)
    }

    /// Whether it is about the service of that name.
    #[must_use]
    pub fn is_of_service(&self, name: &str) -> bool {
        self.subject == format!("service {name:?}")
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warning: {}: {}", self.subject, self.text)
    }
}

/// Warnings that follow from the file alone.
pub(crate) fn of_file(state: &DesiredState, has_seed: bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !has_seed {
        let text = "no seed is given, so anybody can compute which task a client address and port \
                    falls on and aim flows at one; set seed or seed_file";
        warnings.push(warning("cluster", text));
    }
    warnings.extend(state.networks.iter().filter_map(mtu));
    warnings.extend(published(state));
    warnings.extend(state.services.iter().filter_map(tasks));
    warnings
}

/// Warnings about published ports that a node may hand out as its own outgoing ports:
/// `local_ports` is the node's `net.ipv4.ip_local_port_range`.
#[must_use]
pub fn local_port_warnings(
    state: &DesiredState,
    local_ports: &RangeInclusive<u16>,
) -> Vec<Warning> {
    let inside = state.services.iter().flat_map(|service| {
        let ports = service.publish.iter().filter(|port| local_ports.contains(&port.published));
        ports.map(move |port| (service, port))
    });
    inside.map(|(service, port)| local_port(service, port, local_ports)).collect()
}

fn local_port(service: &Service, port: &Publish, range: &RangeInclusive<u16>) -> Warning {
    let text = format!(
        "port {}/{} lies within net.ipv4.ip_local_port_range ({}-{}), so a node may be using it for \
         a connection of its own; add it to net.ipv4.ip_local_reserved_ports on every node",
        port.published,
        port.protocol,
        range.start(),
        range.end()
    );
    Warning::of_service(&service.name, &text)
}

/// Tasks of such a network send what an Ethernet underlay does not carry.
fn mtu(network: &Network) -> Option<Warning> {
    let mtu = network.mtu.filter(|&mtu| mtu > ETHERNET_MTU - TUNNEL_OVERHEAD)?;
    let text = format!(
        "mtu = {mtu} needs an MTU of {} on every interface between the nodes, and Ethernet has \
         {ETHERNET_MTU}; without mtu, tasks use what the nodes' interfaces carry",
        u32::from(mtu) + u32::from(TUNNEL_OVERHEAD)
    );
    Some(warning(&format!("network {:?}", network.name), &text))
}

fn published(state: &DesiredState) -> Vec<Warning> {
    let ports = || state.services.iter().flat_map(|service| &service.publish);
    let mut warnings = Vec::new();
    if ports().next().is_some() {
        let text = "host firewall rules (iptables, nftables) do not see traffic to published ports; \
                    filter it before the nodes";
        warnings.push(warning("published ports", text));
    }
    if ports().any(|port| (port.protocol, port.mode) == (Protocol::Udp, PublishMode::Ingress)) {
        let text = format!(
            "datagrams larger than the MTU between the nodes less {} bytes do not fit the tunnel; \
             raise that MTU if clients send such",
            TUNNEL_OVERHEAD
        );
        warnings.push(warning("published UDP ports", &text));
    }
    warnings
}

fn tasks(service: &Service) -> Option<Warning> {
    let text = if service.tasks.is_empty() {
        "has no task; its published ports refuse every client"
    } else if service.tasks.iter().all(|task| task.weight == 0) {
        "all weights are 0; new clients are refused until one is raised"
    } else {
        return None;
    };
    Some(Warning::of_service(&service.name, text))
}

fn warning(subject: &str, text: &str) -> Warning {
    Warning { subject: subject.to_owned(), text: text.to_owned() }
}
