//! What one round writes to the maps: what follows from the node's interfaces, then what `compile`
//! makes of the cluster file.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use lb_common::{addr::V4, backend::BACKEND_INGRESS, peer::PEER_RESOLVED, service::FLAG_INGRESS};

use super::{
    AgentError, hops,
    interfaces::{self, Present},
    overlay, ports,
    workbench::{Round, Workbench},
};
use crate::{
    compile::{self, BackendContents, MapContents, ServiceContents},
    dataplane::PeerHop,
    host::network,
    model::DesiredState,
};

/// Whether a service has flows through Docker's ingress network that may go on, and no new ones.
fn waits_for_flows(service: &ServiceContents) -> bool {
    let is_beyond = |backend: &BackendContents| backend.flags & BACKEND_INGRESS != 0;
    service.flags & FLAG_INGRESS != 0 && !service.backends.values().any(is_beyond)
}

/// Name of the engine's process.
const ENGINE: &str = "dockerd";

impl Workbench {
    /// What is named before what names it: legs, addresses and devices, then what `compile` makes.
    pub(super) async fn write(
        &mut self,
        desired: &DesiredState,
        held: &BTreeSet<String>,
        present: &Present,
        round: &mut Round,
    ) -> Result<(), AgentError> {
        let mut wanted = self.compile(desired, held, present)?;
        round.waits_for_flows = wanted.services.values().any(waits_for_flows);
        round.problems.extend(self.reserve(&mut wanted, desired));
        let known = self.known_ways();
        let resolved = |addr| known.contains_key(&addr);
        let (hops, problems) = hops::find(&self.netlink, &wanted.peers, resolved).await;
        round.problems.extend(problems);
        let own: BTreeSet<V4> =
            network::local_addresses(&self.netlink).await?.iter().map(Ipv4Addr::octets).collect();
        let dataplane = &mut self.dataplane;
        round.count(dataplane.set_node(&self.node, self.globals.node_addr)?);
        for leg in present.gateway.values() {
            round.count(dataplane.set_leg(interfaces::leg_element(leg))?);
        }
        let bridges = present.bridges.iter().map(|bridge| (bridge.ifindex, bridge.element));
        round.changes += dataplane.set_bridges(&bridges.collect())?;
        let elements = overlay::elements(&present.overlay, &wanted);
        round.changes += dataplane.set_overlay_legs(&elements)?;
        round.changes += dataplane.set_own_addrs(&own)?;
        self.devices = present.devices(&hops);
        self.devices.extend(interfaces::still_there(&self.netlink, &known).await?);
        round.changes += dataplane.set_devices(&self.devices)?;
        round.changes += dataplane.apply(&wanted)?.writes;
        // Not counted: ways come and go with the network, that is no drift.
        for (&index, &hop) in &hops {
            dataplane.set_peer_hop(index, hop)?;
        }
        self.peers = wanted.peers;
        Ok(())
    }

    /// Asks again for the ways to the peers of the last round, and for nothing else: neighbours
    /// come and go all day. Returns whether that was enough; a way by an interface that no round
    /// has seen needs a whole one.
    ///
    /// # Errors
    /// The maps cannot be written.
    pub(super) async fn refresh_hops(&mut self) -> Result<bool, AgentError> {
        let (hops, _problems) = hops::find(&self.netlink, &self.peers, |_| true).await;
        let seen = |hop: &PeerHop| self.devices.contains(&hop.ifindex);
        if !hops.values().flatten().all(seen) {
            return Ok(false);
        }
        for (index, hop) in hops {
            self.dataplane.set_peer_hop(index, hop)?;
        }
        Ok(true)
    }

    fn compile(
        &self,
        desired: &DesiredState,
        held: &BTreeSet<String>,
        present: &Present,
    ) -> Result<MapContents, AgentError> {
        let mut previous = self.dataplane.maps().previous()?;
        if self.looks_for_flows {
            let going_on = self.dataplane.services_by_ingress()?;
            for service in previous.services.values_mut() {
                service.by_ingress &= going_on.contains(&service.index);
            }
        }
        Ok(compile::compile(desired, &self.node, &present.local_legs(), held, &previous)?)
    }

    /// Keeps the node's processes off the published ports, and the other way round.
    fn reserve(&mut self, wanted: &mut MapContents, desired: &DesiredState) -> Vec<String> {
        let reservations = self.ports.hold(&ports::published(wanted));
        let pinned = &self.dataplane.maps().ports;
        let open = |index| pinned.get(index).is_some_and(|port| port.is_open());
        // With IPVS the engine listens on the ports of all its services, those taken over among them.
        let listens = desired.docker().is_some_and(|docker| docker.has_ipvs);
        ports::close(wanted, &reservations, open, |owner| listens && owner.name == ENGINE)
    }

    /// Interfaces towards the peers whose ways the maps hold, by address.
    fn known_ways(&self) -> BTreeMap<V4, u32> {
        let peers = self.dataplane.maps().peers.iter().map(|(_, peer)| peer);
        let resolved = peers.filter(|peer| peer.flags & PEER_RESOLVED != 0);
        resolved.map(|peer| (peer.addr, peer.ifindex)).collect()
    }
}
