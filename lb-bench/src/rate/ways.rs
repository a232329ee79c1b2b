//! The ways through a node, and how many packets a second each carries.

use std::{cell::RefCell, collections::BTreeMap, time::Instant};

use anyhow::{Context as _, Result, ensure};
use aya::programs::XdpMode;
use lb_bench_ebpf::plan::Route;
use lb_ebpf::headers::{ACK, SYN};
use lb_userspace::dataplane::TcProgram;

use super::{
    ipvs,
    lane::{Ends, Lane, nft},
};
use crate::{
    figure::{Figure, Unit},
    machine,
    object::Measuring,
    packet::{
        cluster::{self, Kind, Size},
        frames::{self, Template},
        place::Place,
        world::World,
    },
    rounds::Measure,
};

/// What is subtracted from the others.
pub(super) const GENERATOR: &str = "rate/generator";
/// Flows of every way.
const FLOWS: u64 = 1 << 14;
/// Fewest frames that must arrive, of all that were sent.
const ARRIVING: f64 = 0.5;

/// The kube-proxy way: the backend by a hash of the flow, kept by connection tracking.
const DNAT: &str = "table ip bench { chain prerouting { type nat hook prerouting priority -100; \
    ip daddr 198.18.0.1 udp dport 53 dnat to jhash ip saddr . udp sport mod 3 \
    map { 0 : 203.0.113.1, 1 : 203.0.113.2, 2 : 203.0.113.3 }; }; }";

/// All lanes with what they run.
pub(super) struct Bed {
    pub(super) notes: Vec<String>,
    ends: Ends,
    measuring: Measuring,
    lanes: BTreeMap<&'static str, Lane>,
    world: World,
}

/// One way.
#[derive(Clone, Debug)]
struct Way {
    id: &'static str,
    title: &'static str,
    lane: &'static str,
    generator: &'static str,
    template: Template,
    /// The generator is the task on the leg.
    from_task: bool,
    /// What is sent first, so that the node knows the flows.
    before: Vec<(&'static str, Template)>,
}

fn ways() -> Vec<Way> {
    let way = |id, title, lane, template| Way {
        id,
        title,
        lane,
        generator: "generate_plain",
        template,
        from_task: false,
        before: Vec::new(),
    };
    let datagram = frames::datagram(cluster::ENTRY_UDP);
    let ours = "swarmlb";
    vec![
        Way {
            generator: "generate_alone",
            ..way(GENERATOR, "the generator alone", "drop", datagram.clone())
        },
        way("rate/drop", "dropped at once", "drop", datagram.clone()),
        way("rate/swap", "Ethernet addresses swapped, sent", "swap", datagram.clone()),
        way("rate/entry", "swarmlb entry, into the tunnel", ours, frames::ack(cluster::ENTRY)),
        Way {
            before: vec![("generate_plain", frames::syn(cluster::HOME_ENTRY))],
            ..way(
                "rate/local",
                "swarmlb, NAT to a local task",
                ours,
                frames::ack(cluster::HOME_ENTRY),
            )
        },
        Way {
            generator: "generate_back",
            from_task: true,
            before: [SYN, ACK].map(|flags| ("generate_tunnel", frames::forwarded(flags))).into(),
            ..way("rate/reply", "swarmlb reply, into the tunnel", ours, frames::answer())
        },
        way("rate/forward", "kernel forwarding", "forward", frames::foreign_datagram()),
        way("rate/nft-dnat", "nftables DNAT by a map of hashes", "nft", datagram.clone()),
        way("rate/ipvs", "IPVS, Maglev hashing, masqueraded", ipvs::LANE, datagram),
    ]
}

impl Bed {
    pub(super) fn build() -> Result<Self> {
        machine::pin_to_last_cpu()?;
        let ends = Ends::make()?;
        let mut measuring = Measuring::load()?;
        let mut lanes = BTreeMap::new();
        let missing = ipvs::missing();
        let ipvs = missing.is_none().then_some(ipvs::LANE);
        for name in ["drop", "swap", "swarmlb", "forward", "nft"].into_iter().chain(ipvs) {
            lanes.insert(name, Lane::make(&ends, name)?);
        }
        ends.receiver.enter()?;
        for lane in lanes.values() {
            for far in lane.far() {
                measuring.xdp_mut("sink")?.attach(&far, XdpMode::Driver)?;
            }
        }
        for (name, program) in [("drop", "sink"), ("swap", "swap")] {
            lane(&lanes, name)?.node.enter()?;
            measuring.xdp_mut(program)?.attach("l0", XdpMode::Driver)?;
        }
        lane(&lanes, "nft")?.node.enter()?;
        nft(DNAT)?;
        if let Some(lane) = lanes.get(ipvs::LANE) {
            lane.node.enter()?;
            ipvs::set_up()?;
        }
        let world = swarmlb(lane(&lanes, "swarmlb")?)?;
        Ok(Self { notes: notes(missing), ends, measuring, lanes, world })
    }

    fn send(&mut self, way: &Way, frames: u32) -> Result<()> {
        let lane = lane(&self.lanes, way.lane)?;
        let (space, generated) = if way.from_task {
            (&self.ends.receiver, lane.task)
        } else {
            (&self.ends.generator, lane.generator)
        };
        self.measuring.set_route(Route { generated, swapped: lane.out })?;
        self.measuring.set_plan(&way.template.plan(FLOWS, 1))?;
        space.enter()?;
        self.measuring.send(way.generator, &way.template.frame, frames)
    }
}

/// The production data plane on a lane's node.
fn swarmlb(lane: &Lane) -> Result<World> {
    lane.node.enter()?;
    let place = Place { nic: lane.out, leg: lane.leg, overlay: [lane.leg, lane.leg] };
    let mut world = World::load(place, Kind::Standalone)?;
    world.apply(Size { services: 0, backends: 0 })?;
    let dataplane = world.dataplane()?;
    dataplane.attach_xdp("l0")?;
    dataplane.attach_tcx(TcProgram::Leg, "leg")?;
    dataplane.attach_tcx(TcProgram::Client, "leg")?;
    Ok(world)
}

fn lane<'a>(lanes: &'a BTreeMap<&'static str, Lane>, name: &str) -> Result<&'a Lane> {
    lanes.get(name).with_context(|| format!("no lane {name}"))
}

fn notes(missing: Option<&str>) -> Vec<String> {
    let ipvs = missing.map(|why| format!("; no comparison with IPVS: {why}")).unwrap_or_default();
    vec![format!(
        "rate: 64-byte frames (128 in the tunnel), {FLOWS} flows, all on one CPU; veths with GRO{ipvs}"
    )]
}

struct Rate<'a> {
    bed: &'a RefCell<Bed>,
    way: Way,
    frames: u32,
}

/// A measure for each way.
pub(super) fn measures<'a>(bed: &'a RefCell<Bed>, frames: u32) -> Vec<Box<dyn Measure + 'a>> {
    let measure = |way| Box::new(Rate { bed, way, frames }) as Box<dyn Measure + 'a>;
    let there = bed.borrow().lanes.keys().copied().collect::<Vec<_>>();
    ways().into_iter().filter(|way| there.contains(&way.lane)).map(measure).collect()
}

impl Measure for Rate<'_> {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure::new(self.way.id, self.way.title, Unit::Kpps)]
    }

    fn sample(&mut self) -> Result<Vec<f64>> {
        let bed = &mut *self.bed.borrow_mut();
        for (generator, template) in &self.way.before {
            let (template, before) = (template.clone(), Vec::new());
            let way = Way { generator, template, before, from_task: false, ..self.way.clone() };
            bed.send(&way, FLOWS as u32)?;
        }
        bed.send(&self.way, FLOWS as u32)?;
        let (before, drops) = (bed.measuring.seen()?, bed.world.drops()?);
        let start = Instant::now();
        bed.send(&self.way, self.frames)?;
        let took = start.elapsed();
        let arrived = (bed.measuring.seen()?.packets - before.packets) as f64;
        let dropped =
            bed.world.drops()?.into_iter().filter(|drop| drops.get(drop.0) != Some(&drop.1));
        ensure!(
            arrived > ARRIVING * f64::from(self.frames),
            "{arrived} of {} frames arrived; dropped by swarmlb: {:?}",
            self.frames,
            dropped.collect::<Vec<_>>()
        );
        Ok(vec![arrived / took.as_secs_f64() / 1000.0])
    }
}
