//! How quiet the machine is: the same fixed work is timed in every round, and what the CPUs did for
//! others is counted over the whole run.

use std::{fs, hint::black_box};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{machine::thread_ns, stats};

/// Steps of the fixed work, a few milliseconds.
const STEPS: u64 = 4_000_000;
/// From this ratio of median to minimum of the fixed work on, nothing is concluded.
const MOST_SLOWDOWN: f64 = 1.10;
/// Likewise, from this share of the CPUs that the hypervisor gave to others on.
const MOST_STOLEN: f64 = 0.02;
/// Likewise, from this share on that other processes took while we measured.
const MOST_OTHERS: f64 = 0.10;

/// What was seen while measuring.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Noise {
    /// CPU time of the fixed work, a value a round, ns.
    pub work_ns: Vec<f64>,
    /// Share of all CPUs that the hypervisor kept.
    pub stolen: f64,
    /// Share of all CPUs that other processes took.
    pub others: f64,
}

impl Noise {
    /// Median over minimum of the fixed work.
    #[must_use]
    pub fn slowdown(&self) -> f64 {
        stats::median(&self.work_ns) / stats::minimum(&self.work_ns)
    }

    /// Why the machine was too noisy to conclude anything; none if it was not.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.slowdown() > MOST_SLOWDOWN {
            let percent = (self.slowdown() - 1.0) * 100.0;
            reasons.push(format!("the same work took {percent:.0} % longer than at best"));
        }
        if self.stolen > MOST_STOLEN {
            reasons.push(format!("the hypervisor kept {:.0} % of the CPUs", self.stolen * 100.0));
        }
        if self.others > MOST_OTHERS {
            let percent = self.others * 100.0;
            reasons.push(format!("other processes took {percent:.0} % of the CPUs"));
        }
        reasons
    }
}

/// Does the fixed work and tells what it took, ns.
///
/// # Errors
/// There is no clock.
pub fn work_ns() -> Result<f64> {
    let start = thread_ns()?;
    let mut state = black_box(1_u64);
    for _ in 0..STEPS {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
    }
    black_box(state);
    Ok((thread_ns()? - start) as f64)
}

/// CPU times since boot: of the machine, and of this process with all it has waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTimes {
    total: f64,
    busy: f64,
    stolen: f64,
    own: f64,
}

impl CpuTimes {
    /// Reads them.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let own = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
        Self::parse(&stat, &own).context("/proc/stat is not what it was")
    }

    /// Fields of proc(5): `cpu` user nice system idle iowait irq softirq steal; 14 to 17 of a
    /// process, behind its name in brackets, are its times and those of its children.
    fn parse(stat: &str, own: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let times: Vec<f64> =
            line.split_whitespace().filter_map(|time| time.parse().ok()).collect();
        let &[user, nice, system, idle, iowait, irq, softirq, stolen, ..] = times.as_slice() else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        let own = own.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
        let own = own.filter_map(|time| time.parse::<f64>().ok()).sum();
        Some(Self { total: busy + idle + iowait + stolen, busy, stolen, own })
    }

    /// What all CPUs did since `earlier`, us. The kernel counts in hundredths of a second (`USER_HZ`).
    #[must_use]
    pub fn busy_us_since(&self, earlier: &Self) -> f64 {
        (self.busy - earlier.busy) * 10_000.0
    }

    /// Shares of the CPUs since `earlier`: stolen, and taken by others.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> (f64, f64) {
        let total = (self.total - earlier.total).max(1.0);
        let others = (self.busy - earlier.busy) - (self.own - earlier.own);
        ((self.stolen - earlier.stolen) / total, (others / total).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_machine_gives_no_reason() {
        let quiet = Noise { work_ns: vec![100.0, 101.0, 103.0], stolen: 0.001, others: 0.03 };
        assert!(quiet.reasons().is_empty());
    }

    #[test]
    fn each_kind_of_noise_is_a_reason() {
        let loud = Noise { work_ns: vec![100.0, 120.0, 130.0], stolen: 0.1, others: 0.5 };
        assert_eq!(
            loud.reasons(),
            [
                "the same work took 20 % longer than at best",
                "the hypervisor kept 10 % of the CPUs",
                "other processes took 50 % of the CPUs"
            ]
        );
    }

    #[test]
    fn shares_are_of_the_time_between() {
        let own = |ticks| format!("7 (a (strange) name) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 5 0 20");
        let times = |line: &str, ticks: u32| CpuTimes::parse(line, &own(ticks)).expect("fields");
        let before = times("cpu  100 0 100 700 0 0 100 0 0 0\n", 10);
        let after = times("cpu  150 0 120 760 0 0 110 20 0 0\n", 60);
        // 160 ticks passed, 80 of them busy, 50 of these ours.
        assert_eq!(after.since(&before), (20.0 / 160.0, 30.0 / 160.0));
    }
}
