//! The agent's hands: the open data plane and the connection to the node's network. One round makes
//! the node be as wanted, in an order in which packets may arrive at any point.
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use lb_common::{addr::V4, peer::PEER_RESOLVED};

use super::{
    AgentError, Options,
    attach::Attachments,
    egress::{self, journal_dir},
    hold::Holds,
    hops, interfaces, legs,
    lock::{PATIENCE, patiently},
    ports,
};
use crate::{
    compile::{self, LocalLegs, MapContents, PeerContents},
    dataplane::{Dataplane, Globals, LoadError, PeerHop, PinsError},
    host::{
        Journal, Netlink,
        legs::{LegSpec, LegState, Legs},
        mtu::tunnel_mtu,
        netns,
        network::{self, Interface},
        ports::Ports,
    },
    model::{DesiredState, Node},
    observe,
};

/// What the agent works with.
#[derive(Debug)]
pub(super) struct Bench {
    globals: Globals,
    dataplane: Dataplane,
    netlink: Netlink,
    legs: Legs,
    attachments: Attachments,
    ports: Ports,
    journal: Journal,
    node: String,
    /// The peers of the last round.
    peers: BTreeMap<u16, PeerContents>,
    /// The interfaces that packets could be sent to after it.
    devices: BTreeSet<u32>,
}

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// Writes to the maps.
    pub(super) changes: usize,
    /// What is not as it should be, for people.
    pub(super) problems: Vec<String>,
}

impl Bench {
    /// Whether something is pinned and forwards.
    pub(super) fn is_forwarding(options: &Options) -> bool {
        observe::Pins::open(&options.pin_root).is_ok()
    }

    /// The holds to start with: what is pinned is in force; where nothing is, nothing need wait.
    pub(super) fn holds(options: &Options, desired: &DesiredState) -> Holds {
        let pins = observe::Pins::open(&options.pin_root).and_then(|pins| pins.snapshot());
        match pins {
            Ok(pinned) if !pinned.tasks.is_empty() => {
                let seat = |task: observe::TaskRecord| (task.name, task.node);
                Holds::with_known(pinned.tasks.into_values().map(seat))
            }
            _ => Holds::with_all(desired),
        }
    }

    /// The bench for `desired`: the one at hand, or a new one where the constants of the programs
    /// are others now.
    ///
    /// # Errors
    /// The data plane cannot be opened.
    pub(super) async fn for_state(
        at_hand: Option<Self>,
        options: &Options,
        desired: &DesiredState,
    ) -> Result<Self, AgentError> {
        let node = node_of(desired, options)?;
        let globals = globals(desired, node)?;
        match at_hand {
            Some(bench) if bench.globals == globals => Ok(bench),
            // The old one holds the lock on the pins until it is dropped.
            other => {
                drop(other);
                let netlink = Netlink::here()?;
                interfaces::nics(&netlink, node, &options.pin_root).await?;
                Self::open(options, globals, netlink).await
            }
        }
    }

    async fn open(
        options: &Options,
        globals: Globals,
        netlink: Netlink,
    ) -> Result<Self, AgentError> {
        let open = || Dataplane::open(&options.pin_root, &options.object, &globals);
        let locked = |error: &LoadError| matches!(error, LoadError::Pins(PinsError::Locked(_)));
        let opened = patiently(PATIENCE, open, locked).await;
        let dataplane = opened.map_err(|error| AgentError::load(error, &options.pin_root))?;
        Ok(Self {
            globals,
            dataplane,
            legs: Legs::new(netlink.clone()),
            netlink,
            attachments: Attachments::default(),
            ports: Ports::default(),
            journal: Journal::open(&journal_dir(&options.state_dir))?,
            node: options.node.clone(),
            peers: BTreeMap::new(),
            devices: BTreeSet::new(),
        })
    }

    /// Makes the node be as `desired` wants it, new remote tasks in `held` excepted.
    ///
    /// # Errors
    /// What prevents forwarding; lesser troubles are in [`Round::problems`].
    pub(super) async fn round(
        &mut self,
        desired: &DesiredState,
        held: &BTreeSet<String>,
        options: &Options,
    ) -> Result<Round, AgentError> {
        let node = node_of(desired, options)?;
        let nics = interfaces::nics(&self.netlink, node, &options.pin_root).await?;
        let specs = legs::wanted(desired, &node.name, tunnel_mtu(interfaces::mtu(&nics)));
        let mut round = Round::default();
        let legs = legs::ensure(&self.legs, &specs).await;
        round.problems.extend(legs.problems);
        round.problems.extend(egress::ensure(&mut self.journal, desired).await);
        self.attach(&nics, &legs.present, &mut round)?;
        self.write(desired, held, &nics, &legs.present, &mut round).await?;
        self.tidy(&nics, &specs, &legs.present, &mut round).await?;
        Ok(round)
    }

    /// Programs where they belong, before the maps name the interfaces.
    fn attach(
        &mut self,
        nics: &[Interface],
        legs: &BTreeMap<String, LegState>,
        round: &mut Round,
    ) -> Result<(), AgentError> {
        let links =
            self.attachments.attach(&mut self.dataplane, &interfaces::carriers(nics, legs))?;
        round.changes += links.len();
        let cgroup = self.attachments.attach_cgroup(&mut self.dataplane);
        round.problems.extend(cgroup.err().map(|error| error.to_string()));
        Ok(())
    }

    /// What is named before what names it: legs, addresses and devices, then what `compile` makes.
    async fn write(
        &mut self,
        desired: &DesiredState,
        held: &BTreeSet<String>,
        nics: &[Interface],
        legs: &BTreeMap<String, LegState>,
        round: &mut Round,
    ) -> Result<(), AgentError> {
        let mut wanted = self.compile(desired, held, legs)?;
        round.problems.extend(self.reserve(&mut wanted));
        let known = self.known_ways();
        let resolved = |addr| known.contains_key(&addr);
        let (hops, problems) = hops::find(&self.netlink, &wanted.peers, resolved).await;
        round.problems.extend(problems);
        let own: BTreeSet<V4> =
            network::local_addresses(&self.netlink).await?.iter().map(Ipv4Addr::octets).collect();
        let dataplane = &mut self.dataplane;
        round.count(dataplane.set_node(&self.node, self.globals.node_addr)?);
        for leg in legs.values() {
            round.count(dataplane.set_leg(interfaces::leg_element(leg))?);
        }
        round.changes += dataplane.set_own_addrs(&own)?;
        self.devices = interfaces::devices(nics, legs, &hops);
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
        legs: &BTreeMap<String, LegState>,
    ) -> Result<MapContents, AgentError> {
        let previous = self.dataplane.maps().previous()?;
        let gateway = legs.iter().map(|(task, leg)| (task.clone(), leg.addr.octets())).collect();
        let legs = LocalLegs { gateway, overlay: BTreeMap::new() };
        Ok(compile::compile(desired, &self.node, &legs, held, &previous)?)
    }

    /// Keeps the node's processes off the published ports, and the other way round.
    fn reserve(&mut self, wanted: &mut MapContents) -> Vec<String> {
        let reservations = self.ports.hold(&ports::published(wanted));
        let pinned = &self.dataplane.maps().ports;
        let open = |index| pinned.get(index).is_some_and(|port| port.is_open());
        ports::close(wanted, &reservations, open)
    }

    /// What nothing names any more.
    async fn tidy(
        &mut self,
        nics: &[Interface],
        specs: &[LegSpec],
        legs: &BTreeMap<String, LegState>,
        round: &mut Round,
    ) -> Result<(), AgentError> {
        let present: BTreeSet<V4> = legs.values().map(|leg| leg.addr.octets()).collect();
        for leg in self.dataplane.legs() {
            if !present.contains(&leg.addr) {
                round.count(self.dataplane.remove_leg(leg.addr)?);
            }
        }
        round.problems.extend(legs::prune(&self.legs, specs).await);
        self.attachments.prune(&mut self.dataplane, &interfaces::carriers(nics, legs))?;
        Ok(())
    }

    /// Interfaces towards the peers whose ways the maps hold, by address.
    fn known_ways(&self) -> BTreeMap<V4, u32> {
        let peers = self.dataplane.maps().peers.iter().map(|(_, peer)| peer);
        let resolved = peers.filter(|peer| peer.flags & PEER_RESOLVED != 0);
        resolved.map(|peer| (peer.addr, peer.ifindex)).collect()
    }
}

impl Round {
    fn count(&mut self, changed: bool) {
        self.changes += usize::from(changed);
    }
}

fn node_of<'a>(desired: &'a DesiredState, options: &Options) -> Result<&'a Node, AgentError> {
    desired.node(&options.node).ok_or_else(|| AgentError::unknown_node(options, desired))
}

fn globals(desired: &DesiredState, node: &Node) -> Result<Globals, AgentError> {
    let cluster = &desired.cluster;
    Ok(Globals {
        node_addr: node.address.octets(),
        vxlan_port: cluster.vxlan_port,
        mesh_vni: cluster.mesh_vni,
        hash_key: cluster.hash_key,
        gateway_addr: cluster.gateway.gateway().octets(),
        gateway_mask: cluster.gateway.mask(),
        netns_cookie: netns::cookie()?,
    })
}
