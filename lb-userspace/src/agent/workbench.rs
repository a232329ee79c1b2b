//! The agent's hands: the open data plane and the connection to the node's network. One round makes
//! the node be as wanted, in an order in which packets may arrive at any point: interfaces, programs
//! on them, maps that name them (`writes`), and what nothing names any more last.
use std::collections::{BTreeMap, BTreeSet};

use lb_common::addr::V4;

use super::{
    AgentError, Options,
    attach::{Attachments, Role},
    egress::{self, journal_dir},
    hold::Holds,
    interfaces::{self, Present},
    legs,
    lock::{PATIENCE, patiently},
    overlay,
};
use crate::{
    compile::PeerContents,
    dataplane::{Dataplane, Globals, LoadError, PinsError, TcProgram},
    host::{
        Journal, Netlink,
        docker::{DockerLegs, bridges},
        legs::{LegSpec, Legs},
        mtu::tunnel_mtu,
        netns,
        network::Interface,
        overlay::{OverlayLegs, OverlaySpec},
        ports::Ports,
    },
    model::{DesiredState, DockerNode, Node, Shape},
    observe,
};

/// What the agent works with.
#[derive(Debug)]
pub(super) struct Workbench {
    pub(super) globals: Globals,
    pub(super) dataplane: Dataplane,
    pub(super) netlink: Netlink,
    legs: Legs,
    overlay_legs: OverlayLegs,
    docker_legs: DockerLegs,
    pub(super) attachments: Attachments,
    pub(super) ports: Ports,
    journal: Journal,
    /// The node's name.
    pub(super) node: String,
    /// The peers of the last round.
    pub(super) peers: BTreeMap<u16, PeerContents>,
    /// Whether the next round looks which flows through Docker's ingress network have ended.
    pub(super) looks_for_flows: bool,
    /// The interfaces that packets could be sent to after it.
    pub(super) devices: BTreeSet<u32>,
}

/// The legs that a round is to make.
#[derive(Clone, Debug)]
struct Wanted {
    gateway: Vec<LegSpec>,
    overlay: Vec<OverlaySpec>,
}

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// Writes to the maps.
    pub(super) changes: usize,
    /// What is not as it should be, for people.
    pub(super) problems: Vec<String>,
    /// Some flows through Docker's ingress network may go on where no new ones begin.
    pub(super) waits_for_flows: bool,
}

impl Workbench {
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

    /// The workbench for `desired` at the node `here`: the one at hand, or a new one where the constants
    /// of the programs are others now.
    ///
    /// # Errors
    /// The data plane cannot be opened.
    pub(super) async fn for_state(
        at_hand: Option<Self>,
        options: &Options,
        desired: &DesiredState,
        here: &str,
    ) -> Result<Self, AgentError> {
        let node = node_of(desired, here)?;
        let globals = globals(desired, node)?;
        match at_hand {
            Some(mut workbench) if workbench.globals == globals => {
                workbench.node = here.into();
                Ok(workbench)
            }
            // The old one holds the lock on the pins until it is dropped.
            other => {
                drop(other);
                let netlink = Netlink::here()?;
                interfaces::nics(&netlink, node, &options.pin_root).await?;
                Self::open(options, globals, here, netlink).await
            }
        }
    }

    async fn open(
        options: &Options,
        globals: Globals,
        here: &str,
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
            overlay_legs: OverlayLegs::new(netlink.clone()),
            docker_legs: DockerLegs::new(netlink.clone()),
            netlink,
            attachments: Attachments::default(),
            ports: Ports::default(),
            journal: Journal::open(&journal_dir(&options.state_dir))?,
            node: here.into(),
            peers: BTreeMap::new(),
            looks_for_flows: false,
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
        let node = node_of(desired, &self.node)?;
        let nics = interfaces::nics(&self.netlink, node, &options.pin_root).await?;
        match &desired.shape {
            Shape::Standalone => self.standalone(desired, held, nics).await,
            Shape::BesideDocker(docker) => self.beside_docker(desired, docker, held, nics).await,
        }
    }

    /// The node where swarmlb makes legs, networks and the way out.
    async fn standalone(
        &mut self,
        desired: &DesiredState,
        held: &BTreeSet<String>,
        nics: Vec<Interface>,
    ) -> Result<Round, AgentError> {
        if !desired.networks.is_empty() {
            self.dataplane.load(TcProgram::Overlay)?;
        }
        let wanted = Wanted::of(desired, &self.node, tunnel_mtu(interfaces::mtu(&nics)));
        let mut round = Round::default();
        let present = self.make_legs(nics, &wanted, &mut round).await;
        round.problems.extend(egress::ensure(&mut self.journal, desired).await);
        self.attach(&present, &mut round)?;
        self.write(desired, held, &present, &mut round).await?;
        round.problems.extend(overlay::open(&self.overlay_legs, &present.overlay).await);
        self.tidy_maps(&present, &mut round)?;
        round.problems.extend(legs::prune(&self.legs, &wanted.gateway).await);
        // Their links go with them: without its program an overlay leg would lead into the node.
        round.problems.extend(overlay::prune(&self.overlay_legs, &wanted.overlay).await);
        self.attachments.prune(&mut self.dataplane, &present.carriers())?;
        Ok(round)
    }

    /// The node where a Docker Engine has made all that: what it made is found, and gets programs.
    async fn beside_docker(
        &mut self,
        desired: &DesiredState,
        docker: &DockerNode,
        held: &BTreeSet<String>,
        nics: Vec<Interface>,
    ) -> Result<Round, AgentError> {
        let mut round = Round::default();
        let mtu = tunnel_mtu(interfaces::mtu(&nics));
        let legs = self.docker_legs.find(docker, mtu, &mut self.journal).await;
        round.problems.extend(legs.problems);
        let bridges = bridges(&self.netlink, &docker.bridges, mtu).await?;
        let (nic_role, overlay) = (Role::DockerNic, BTreeMap::new());
        let present = Present { nics, nic_role, gateway: legs.present, bridges, overlay };
        self.attach(&present, &mut round)?;
        self.check_vips(desired, &mut round).await?;
        self.write(desired, held, &present, &mut round).await?;
        self.tidy_maps(&present, &mut round)?;
        self.attachments.prune(&mut self.dataplane, &present.carriers())?;
        Ok(round)
    }

    async fn make_legs(&self, nics: Vec<Interface>, wanted: &Wanted, round: &mut Round) -> Present {
        let gateway = legs::ensure(&self.legs, &wanted.gateway).await;
        let overlay = overlay::ensure(&self.overlay_legs, &wanted.overlay).await;
        round.problems.extend(gateway.problems.into_iter().chain(overlay.problems));
        let (gateway, overlay) = (gateway.present, overlay.present);
        Present { nics, nic_role: Role::Nic, gateway, bridges: Vec::new(), overlay }
    }

    /// Programs where they belong, before the maps name the interfaces.
    fn attach(&mut self, present: &Present, round: &mut Round) -> Result<(), AgentError> {
        let links = self.attachments.attach(&mut self.dataplane, &present.carriers())?;
        round.changes += links.len();
        let cgroup = self.attachments.attach_cgroup(&mut self.dataplane);
        round.problems.extend(cgroup.err().map(|error| error.to_string()));
        Ok(())
    }

    /// Elements about interfaces that are gone or about to go.
    fn tidy_maps(&mut self, present: &Present, round: &mut Round) -> Result<(), AgentError> {
        let kept: BTreeSet<V4> = present.gateway.values().map(|leg| leg.addr.octets()).collect();
        for leg in self.dataplane.legs().iter().filter(|leg| !kept.contains(&leg.addr)) {
            round.count(self.dataplane.remove_leg(leg.addr)?);
        }
        let kept = present.overlay.values().map(|leg| leg.ifindex).collect();
        round.changes += self.dataplane.retain_overlay_legs(&kept)?;
        Ok(())
    }
}

impl Wanted {
    fn of(desired: &DesiredState, node: &str, mtu: u16) -> Self {
        let gateway = legs::wanted(desired, node, mtu);
        Self { gateway, overlay: overlay::wanted(desired, node, mtu) }
    }
}

impl Round {
    pub(super) fn count(&mut self, changed: bool) {
        self.changes += usize::from(changed);
    }
}

fn node_of<'a>(desired: &'a DesiredState, here: &str) -> Result<&'a Node, AgentError> {
    desired.node(here).ok_or_else(|| AgentError::Homeless(here.into()))
}

fn globals(desired: &DesiredState, node: &Node) -> Result<Globals, AgentError> {
    let cluster = &desired.cluster;
    let (gateway, beside_docker, seat) = match &desired.shape {
        Shape::Standalone => (cluster.gateway.gateway(), 0, None),
        Shape::BesideDocker(docker) => (docker.gateway, 1, docker.ingress.as_ref()),
    };
    Ok(Globals {
        node_addr: node.address.octets(),
        vxlan_port: cluster.vxlan_port,
        mesh_vni: cluster.mesh_vni,
        hash_key: cluster.hash_key,
        gateway_addr: gateway.octets(),
        gateway_mask: cluster.gateway.mask(),
        beside_docker,
        ingress_vni: seat.map_or(0, |seat| seat.vni),
        ingress_addr: seat.map_or([0; 4], |seat| seat.addr.octets()),
        ingress_mtu: seat.map_or(0, |seat| seat.mtu.into()),
        netns_cookie: netns::cookie()?,
    })
}
