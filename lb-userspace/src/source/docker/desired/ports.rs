//! Published ports: each has one owner. Docker refuses two, but the gossip does not tell protocols, and
//! some ports are the Swarm's own.

use std::collections::BTreeMap;

use super::View;
use crate::{
    model::{Protocol, Publish, PublishMode},
    source::docker::facts::{PortFacts, ServiceFacts},
};

/// TCP port of managers (`docker swarm init --listen-addr`).
const MANAGEMENT_PORT: u16 = 2377;
/// Port of the gossip, TCP and UDP (moby `daemon/cluster`).
const GOSSIP_PORT: u16 = 7946;

/// Who has which port, by protocol and port.
#[derive(Clone, Debug)]
pub(super) struct Ports<'a> {
    owners: BTreeMap<(Protocol, u16), Owner<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Owner<'a> {
    /// What the Swarm or its agents use it for.
    Swarm(&'static str),
    /// Id and target port of a service.
    Service(&'a str, u16),
}

impl<'a> Ports<'a> {
    /// The owners of all ports of the services `ours`, by id. Ports whose protocol is known go first, then by
    /// the service's id.
    pub(super) fn new(view: View<'_>, ours: &[(&'a str, &'a ServiceFacts)]) -> Self {
        let mut ports = Self { owners: reserved(view) };
        for is_known in [true, false] {
            for (id, service) in ours {
                let known = |port: &&PortFacts| port.protocol.is_some() == is_known;
                for port in sorted(service).iter().filter(known) {
                    for protocol in protocols(port) {
                        let owner = Owner::Service(id, port.target);
                        ports.owners.entry((protocol, port.published)).or_insert(owner);
                    }
                }
            }
        }
        ports
    }

    /// What the service publishes, and what is wrong with the rest, one sentence a port.
    pub(super) fn of(&self, id: &str, service: &ServiceFacts) -> (Vec<Publish>, Vec<String>) {
        let (mut publish, mut complaints) = (Vec::new(), Vec::new());
        for port in sorted(service) {
            for protocol in protocols(&port) {
                let PortFacts { published, target, .. } = port;
                match self.owners.get(&(protocol, published)) {
                    Some(Owner::Service(owner, to)) if *owner == id && *to == target => {
                        let mode = PublishMode::Ingress;
                        publish.push(Publish { published, target, protocol, mode });
                    }
                    owner if port.protocol.is_some() => {
                        complaints.push(complaint(protocol, published, owner));
                    }
                    _ => {}
                }
            }
        }
        publish.sort_unstable_by_key(|port| (port.protocol, port.published));
        publish.dedup();
        (publish, complaints)
    }
}

/// Ports that are not given to services: whoever publishes one would cut the node off.
fn reserved(view: View<'_>) -> BTreeMap<(Protocol, u16), Owner<'static>> {
    let tunnel = (Protocol::Udp, view.swarm.vxlan_port);
    let agents = (Protocol::Tcp, view.options.agent_port);
    BTreeMap::from([
        ((Protocol::Tcp, MANAGEMENT_PORT), Owner::Swarm("the Swarm's managers")),
        ((Protocol::Tcp, GOSSIP_PORT), Owner::Swarm("the Swarm's gossip")),
        ((Protocol::Udp, GOSSIP_PORT), Owner::Swarm("the Swarm's gossip")),
        (tunnel, Owner::Swarm("overlay networks")),
        (agents, Owner::Swarm("swarmlb's agents")),
    ])
}

fn complaint(protocol: Protocol, published: u16, owner: Option<&Owner<'_>>) -> String {
    let owner = match owner {
        Some(Owner::Swarm(user)) => user,
        _ => "another service",
    };
    format!("port {published}/{protocol} is not published, since {owner} has it; choose another")
}

/// In an order of their own, so that it does not matter in which they were told.
fn sorted(service: &ServiceFacts) -> Vec<PortFacts> {
    let mut ports = service.ports.clone();
    ports.retain(|port| port.published != 0 && port.target != 0);
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The port's protocol; both where nobody told it.
fn protocols(port: &PortFacts) -> impl Iterator<Item = Protocol> + use<> {
    let asked = port.protocol;
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .filter(move |protocol| asked.is_none_or(|asked| asked == *protocol))
}
