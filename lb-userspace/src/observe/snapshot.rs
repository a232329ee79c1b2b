//! The pinned names and services as plain values: what every service view starts from. Filled by
//! `pins`, or by hand in tests.
use std::{collections::BTreeMap, net::Ipv4Addr};

use lb_common::{
    addr::V4,
    backend::{NODE_SELF, STATE_ACTIVE, STATE_DRAINING},
    endpoint::EndpointKey,
    port::{PublishedPort, TCP, UDP},
    row::BackendNumber,
    service::{FLAG_CLIENT_IP, FLAG_DIRECT, SCHEDULER_HASH, SCHEDULER_RR, Service},
};

use super::{EndpointRecord, NetworkRecord, ObserveError};

/// Names, services and published ports of one node.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Services by index.
    pub services: BTreeMap<u16, ServiceRecord>,
    /// Published ports by protocol, then port.
    pub ports: Vec<PortRecord>,
    /// Tasks by service index and backend number.
    pub tasks: BTreeMap<(u16, BackendNumber), TaskRecord>,
    /// Nodes by peer index; 0 is this node.
    pub nodes: BTreeMap<u16, NodeRecord>,
    /// Subnets of networks by VNI.
    pub networks: BTreeMap<u32, NetworkRecord>,
    /// Who has which address in which network, under each VNI of it.
    pub endpoints: BTreeMap<EndpointKey<V4>, EndpointRecord>,
}

/// A service with its name.
#[derive(Clone, Debug, Default)]
pub struct ServiceRecord {
    /// Its name.
    pub name: String,
    /// As the packet path sees it.
    pub service: Service,
}

/// A published port.
#[derive(Clone, Copy, Debug)]
pub struct PortRecord {
    /// IP protocol number.
    pub proto: u8,
    /// Port on the nodes.
    pub port: u16,
    /// Whose it is and where it goes.
    pub published: PublishedPort,
}

/// A task with its names.
#[derive(Clone, Debug)]
pub struct TaskRecord {
    /// Its name.
    pub name: String,
    /// Name of its node.
    pub node: String,
    /// Its gateway leg's address; unspecified where it runs elsewhere or has no leg.
    pub addr: Ipv4Addr,
    /// Weight; 0 drains.
    pub weight: u16,
    /// `STATE_*`.
    pub state: u8,
}

/// A node with its name.
#[derive(Clone, Debug)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// Its data-path address.
    pub addr: Ipv4Addr,
}

impl Snapshot {
    /// Index and record of the service of that name.
    ///
    /// # Errors
    /// [`ObserveError::UnknownService`], naming the services there are.
    pub fn service(&self, name: &str) -> Result<(u16, &ServiceRecord), ObserveError> {
        let known = || {
            let own = self.services.values().filter(|record| record.vip_of().is_none());
            own.map(|record| record.name.as_str())
        };
        self.services
            .iter()
            .find(|(_, record)| record.name == name)
            .map(|(&index, record)| (index, record))
            .ok_or_else(|| ObserveError::unknown_service(name, known()))
    }

    /// The service's tasks by backend number.
    pub fn tasks_of(&self, service: u16) -> impl Iterator<Item = (BackendNumber, &TaskRecord)> {
        self.tasks
            .range((service, 0)..=(service, BackendNumber::MAX))
            .map(|(&(_, number), task)| (number, task))
    }

    /// The service's published ports.
    pub fn ports_of(&self, service: u16) -> impl Iterator<Item = &PortRecord> {
        self.ports.iter().filter(move |port| port.published.service == service)
    }

    /// Name of the node with that peer index, or the index where no name is known.
    #[must_use]
    pub fn node_name(&self, peer: u16) -> String {
        self.nodes.get(&peer).map_or_else(|| format!("#{peer}"), |node| node.name.clone())
    }

    /// Name of this node; empty before the agent's first run.
    #[must_use]
    pub fn self_name(&self) -> &str {
        self.nodes.get(&NODE_SELF).map_or("", |node| node.name.as_str())
    }
}

impl ServiceRecord {
    /// The scheduler by the name it has in the cluster file.
    #[must_use]
    pub const fn scheduler(&self) -> &'static str {
        match (self.service.scheduler, self.service.flags & FLAG_CLIENT_IP) {
            (SCHEDULER_HASH, 0) => "hash",
            (SCHEDULER_HASH, _) => "source",
            (SCHEDULER_RR, 0) => "rr",
            (SCHEDULER_RR, _) => "rr, client-ip",
            _ => "none",
        }
    }

    /// The return path by the name it has in the cluster file.
    #[must_use]
    pub const fn return_mode(&self) -> &'static str {
        if self.service.flags & FLAG_DIRECT == 0 { "tunnel" } else { "direct" }
    }
}

impl PortRecord {
    /// The protocol's name.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        protocol_name(self.proto)
    }
}

impl TaskRecord {
    /// State in one word, as seen from the node named `here`; `is_attached`: whether the task has a
    /// leg in some network there.
    #[must_use]
    pub fn state_name(&self, here: &str, is_attached: bool) -> &'static str {
        match self.state {
            _ if self.node == here && self.addr.is_unspecified() && !is_attached => "no leg",
            STATE_ACTIVE => "active",
            STATE_DRAINING => "draining",
            _ => "none",
        }
    }
}

/// The protocol's name, `?` for one that is not balanced.
pub(super) const fn protocol_name(proto: u8) -> &'static str {
    match proto {
        TCP => "tcp",
        UDP => "udp",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn an_unknown_service_names_the_known_ones() {
        let error = sample::snapshot().service("wbe").unwrap_err();
        assert_eq!(error.to_string(), "no service `wbe` here; there are: web, cli");
    }

    #[test]
    fn a_task_here_without_address_has_no_leg() {
        let mut task = sample::snapshot().tasks[&(3, 1)].clone();
        assert_eq!(task.state_name("n1", false), "active");
        task.addr = Ipv4Addr::UNSPECIFIED;
        assert_eq!(task.state_name("n1", false), "no leg");
        assert_eq!(task.state_name("n1", true), "active");
        assert_eq!(task.state_name("n2", false), "active");
    }
}
