//! What established flows notice of a flood: a hundred thousand SYNs a second, each of another source,
//! against the published port that they use.

use std::{fmt::Write as _, rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use lb_bench_ebpf::plan::Route;
use lb_common::addr::Mac;
use lb_testbed::{Load, LoadReport, Ns, Sessions, TcpSession, spawn_thread_in};
use nix::net::if_::if_nametoindex;

use super::bed::{Bed, PORT};
use crate::{
    figure::{Figure, Unit},
    object::Measuring,
    pace,
    packet::frames,
    rounds::Measure,
};

/// SYNs a second.
const SYN_PER_S: u32 = 100_000;
/// Between two bursts of them: the kernel takes some 20 ms to begin and to end one.
const INTERVAL: Duration = Duration::from_millis(50);
/// Their sources, [`frames::CLIENT`] and up.
const SOURCES: &str = "198.19.0.0/16";
/// Established connections that are idle meanwhile.
const IDLE: usize = 500;
/// Requests a second on others.
const PER_S: f64 = 2000.0;
/// Connections of those.
const CLIENTS: usize = 32;

/// A flood beside load.
pub(super) struct Flood {
    pub(super) bed: Rc<Bed>,
    pub(super) time: Duration,
    first: u64,
}

impl Flood {
    /// Prepares the ways.
    pub(super) fn new(bed: Rc<Bed>, time: Duration) -> Result<Self> {
        bed.swallow(SOURCES)?;
        Ok(Self { bed, time, first: 0 })
    }

    fn load(&self) -> Load {
        let load = Load::new(self.bed.client(), self.bed.targets());
        load.keep_alive().per_second(PER_S).concurrency(CLIENTS)
    }

    /// Starts the flood; ends with the rate that was reached.
    fn start(&mut self) -> Result<std::thread::JoinHandle<Result<f64>>> {
        let mut syn = frames::syn(PORT);
        let macs =
            [mac(&self.bed, &self.bed.flooded().ns)?, mac(&self.bed, &self.bed.flooder().ns)?];
        syn.frame[..12].copy_from_slice(&macs.concat());
        let (time, first) = (self.time, self.first);
        self.first += u64::from(SYN_PER_S) * (time.as_secs() + 1);
        spawn_thread_in(&self.bed.flooder().ns, move || {
            let mut measuring = Measuring::load()?;
            let generated = if_nametoindex("eth0").context("the flooder has no eth0")?;
            measuring.set_route(Route { generated, swapped: 0 })?;
            let mut plan = syn.plan(1 << 30, 1);
            let burst = SYN_PER_S * INTERVAL.subsec_millis() / 1000;
            let (bursts, took) = pace::repeat(time, INTERVAL, |step| {
                plan.next = first + u64::from(step * burst);
                measuring.set_plan(&plan)?;
                measuring.send("generate_plain", &syn.frame, burst)
            })?;
            Ok(f64::from(bursts * burst) / took.as_secs_f64())
        })
    }
}

/// The Ethernet address of a host's `eth0`.
fn mac(bed: &Bed, ns: &Ns) -> Result<Mac> {
    let shown = bed.sh(ns, "ip -oneline link show dev eth0")?;
    let mut words = shown.split_whitespace().skip_while(|&word| word != "link/ether");
    let text = words.nth(1).context("eth0 has no Ethernet address")?;
    let bytes: Vec<u8> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()
        .with_context(|| format!("{text} is no Ethernet address"))?;
    bytes.try_into().ok().with_context(|| format!("{text} is no Ethernet address"))
}

impl Measure for Flood {
    fn figures(&self) -> Vec<Figure> {
        let figure = |id: &str, title: &str, unit| Figure::new(format!("churn/{id}"), title, unit);
        vec![
            figure("calm-p99", "requests on kept connections, 99th percentile", Unit::Us),
            figure("calm-lost", "of those, failed", Unit::Count),
            figure("flood-p99", "the same while SYNs come", Unit::Us),
            figure("flood-lost", "established connections that broke then", Unit::Count),
            figure("flood-syn", "SYNs that came", Unit::PerS),
        ]
    }

    fn sample(&mut self) -> Result<Vec<f64>> {
        let us = |report: &LoadReport| report.latency_p99.as_secs_f64() * 1e6;
        let calm = self.load().run_for(self.time)?;
        if calm.failed != 0 {
            eprintln!("without a flood: {calm}");
        }
        let mut idle = Sessions::<TcpSession>::open(self.bed.client(), &self.bed.targets(), IDLE)?;
        let load = self.load().start()?;
        let rate = self.start()?.join();
        let rate = rate.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let loaded = load.stop()?;
        let broken = idle.ping_all();
        if loaded.failed != 0 || !broken.is_empty() {
            let mut text = format!("during the flood: {loaded}");
            broken.iter().take(5).try_for_each(|session| writeln!(text, "{session}"))?;
            eprintln!("{text}");
        }
        let lost = loaded.failed as f64 + broken.len() as f64;
        Ok(vec![us(&calm), calm.failed as f64, us(&loaded), lost, rate])
    }
}
