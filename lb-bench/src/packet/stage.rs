//! Everything that cases share: the namespace, the loaded data plane, the loaded measuring programs,
//! and single passes of frames.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use lb_bench_ebpf::plan::Plan;

use super::{
    Effort,
    cases::{At, Target, driver},
    cluster::{Kind, Size},
    floor,
    frames::Template,
    place::Place,
    world::World,
};
use crate::{
    machine,
    object::{Ended, Hook, Measuring, program_size},
};

/// Flows that are opened at a time: fewer than there is room for half-open ones.
const CHUNK: u64 = 1 << 14;
/// Sizes that are tried, largest first.
const SIZES: [Size; 3] = [
    Size { services: 10_000, backends: 10 },
    Size { services: 10_000, backends: 2 },
    Size { services: 1000, backends: 2 },
];
/// Size for a quick look.
const QUICK: [Size; 1] = [SIZES[2]];
/// Programs that are measured.
const PROGRAMS: [(Kind, &str); 7] = [
    (Kind::Standalone, "xdp_node"),
    (Kind::Standalone, "tc_leg"),
    (Kind::Standalone, "tc_overlay"),
    (Kind::Standalone, "tc_arrive"),
    (Kind::BesideDocker, "xdp_node"),
    (Kind::BesideDocker, "tc_vip_out"),
    (Kind::BesideDocker, "tc_vip_in"),
];

/// What cases run on.
#[derive(Debug)]
pub struct Stage {
    /// Services that the maps hold.
    pub size: Size,
    /// What is to be said about the run.
    pub notes: Vec<String>,
    measuring: Measuring,
    programs: BTreeMap<(Kind, &'static str), ProgramFd>,
    targets: BTreeMap<Hook, Target>,
    place: Place,
    // Last: its programs are called by tail calls of the others.
    worlds: [World; 2],
}

impl Stage {
    /// Makes it all; the calling thread moves into a new network namespace and stays on one CPU.
    ///
    /// # Errors
    /// Not root, or the kernel refuses something.
    pub fn build(effort: Effort<'_>) -> Result<Self> {
        machine::pin_to_last_cpu()?;
        let place = Place::make()?;
        let mut world = World::load(place, Kind::Standalone)?;
        let mut docker = World::load(place, Kind::BesideDocker)?;
        let mut measuring = Measuring::load()?;
        floor::fill(&mut measuring, 1 << 17)?;
        let mut notes = Vec::new();
        let size = apply(&mut world, effort.quick, &mut notes)?;
        docker.apply(Size { services: 0, backends: 0 })?;
        let mut programs = BTreeMap::new();
        for (kind, name) in PROGRAMS {
            let world = if kind == Kind::Standalone { &mut world } else { &mut docker };
            let program = world.dataplane()?.program(name)?;
            let (translated, compiled) = program_size(program)?;
            notes.push(format!(
                "{name} ({kind:?}): {translated} instructions, {compiled} bytes of machine code"
            ));
            programs.insert((kind, name), program.fd()?.try_clone()?);
        }
        let (targets, worlds) = (BTreeMap::new(), [world, docker]);
        Ok(Self { size, notes, measuring, programs, targets, place, worlds })
    }

    pub(super) fn context(&self, hook: Hook, at: At, length: usize) -> Vec<u8> {
        let ifindex = match at {
            At::Nic => self.place.nic,
            At::Leg => self.place.leg,
            At::Client => self.place.overlay[0],
            At::Backend => self.place.overlay[1],
        };
        hook.context(length, ifindex)
    }

    /// Has drivers call `target` from now on.
    pub(super) fn aim(&mut self, hook: Hook, target: Target) -> Result<()> {
        if self.targets.get(&hook) == Some(&target) {
            return Ok(());
        }
        let fd = match target {
            Target::Production(kind, name) => self
                .programs
                .get(&(kind, name))
                .with_context(|| format!("no program {name}"))?
                .try_clone()?,
            Target::Floor(name) => self.measuring.fd(name)?,
        };
        self.measuring.set_target(hook, &fd)?;
        self.targets.insert(hook, target);
        Ok(())
    }

    /// Opens flows: passes of frames of each of these kinds over some flows, then over the next.
    pub(super) fn open(&mut self, before: &[(At, Target, Template)], flows: u64) -> Result<()> {
        // Twice: an LRU map that is full gives up one in some thousand of its newest entries, too.
        let starts = || (0..flows).step_by(CHUNK as usize);
        for start in starts().chain(starts()) {
            for (at, program, template) in before {
                let hook = program.hook();
                self.aim(hook, *program)?;
                self.measuring.set_plan(&Plan { next: start, ..template.plan(1 << 20, 1) })?;
                let context = self.context(hook, *at, template.frame.len());
                let count = flows.min(CHUNK) as u32;
                self.measuring.run(driver(hook, template), &template.frame, &context, count)?;
            }
        }
        Ok(())
    }

    /// Has drivers make these frames from now on.
    pub(super) fn plan(&mut self, plan: &Plan) -> Result<()> {
        self.measuring.set_plan(plan)
    }

    /// Runs a driver `repeat` times.
    pub(super) fn drive(
        &self,
        driver: &str,
        (frame, context): (&[u8], &[u8]),
        repeat: u32,
    ) -> Result<Ended> {
        self.measuring.run(driver, frame, context, repeat)
    }

    /// The data plane of a node without Docker.
    pub(super) fn standalone(&mut self) -> &mut World {
        &mut self.worlds[0]
    }

    /// Packets that the data planes have dropped so far, by reason.
    pub(super) fn drops(&self) -> Result<BTreeMap<&'static str, u64>> {
        let mut drops = BTreeMap::new();
        for world in &self.worlds {
            for (reason, count) in world.drops()? {
                *drops.entry(reason).or_default() += count;
            }
        }
        Ok(drops)
    }

    /// Fails where something was dropped since `before`: then it was not the path that was measured.
    pub(super) fn ensure_no_drops(&self, before: &BTreeMap<&'static str, u64>) -> Result<()> {
        let now = self.drops()?;
        let more: Vec<_> =
            now.iter().filter(|(reason, count)| before.get(*reason) != Some(count)).collect();
        ensure!(more.is_empty(), "packets were dropped: {more:?}");
        Ok(())
    }
}

/// The largest cluster that the maps have room for.
fn apply(world: &mut World, quick: bool, notes: &mut Vec<String>) -> Result<Size> {
    let sizes = if quick { &QUICK[..] } else { &SIZES };
    for &size in sizes {
        let Size { services, backends } = size;
        match world.apply(size) {
            Ok((compiled, applied)) => {
                notes.push(format!(
                    "{services} services with {backends} backends each: compiled in {compiled:.0?}, \
                     written in {applied:.0?}"
                ));
                return Ok(size);
            }
            Err(error) => {
                notes.push(format!(
                    "no room for {services} services with {backends} backends: {error:#}"
                ));
            }
        }
    }
    anyhow::bail!("no size fits: {}", notes.join("; "))
}
