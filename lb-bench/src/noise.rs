//! How quiet the machine is: before every round the same fixed work is timed, then the bench sits still
//! for a moment and counts what the CPUs do for others; what the hypervisor kept is counted over the
//! whole run.

use std::{fs, hint::black_box, time::Duration};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{machine::thread_ns, pace, stats};

/// Steps of the fixed work, a few milliseconds.
const STEPS: u64 = 4_000_000;
/// From this ratio of median to minimum of the fixed work on, nothing is concluded.
const MOST_SLOWDOWN: f64 = 1.10;
/// Likewise, from this share of the CPUs that the hypervisor gave to others on.
const MOST_STOLEN: f64 = 0.02;
/// Likewise, from this share on that others took while the bench sat still.
const MOST_OTHERS: f64 = 0.10;
/// How long it sits still before each round; the kernel counts CPU time in steps of 10 ms.
const STILL: Duration = Duration::from_millis(200);

/// What was seen while measuring.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Noise {
    /// CPU time of the fixed work, a value a round, ns.
    pub work_ns: Vec<f64>,
    /// Share of all CPUs that others took while the bench sat still, a value a round.
    pub others: Vec<f64>,
    /// Share of all CPUs that the hypervisor kept.
    pub stolen: f64,
}

impl Noise {
    /// Does the fixed work, then sits still: once before each round.
    ///
    /// # Errors
    /// There is no clock, or no `/proc`.
    pub fn listen(&mut self) -> Result<()> {
        self.work_ns.push(work_ns()?);
        let before = CpuTimes::now()?;
        pace::sit_still(STILL);
        self.others.push(CpuTimes::now()?.since(&before).busy);
        Ok(())
    }

    /// What others took on average.
    fn mean_others(&self) -> f64 {
        self.others.iter().sum::<f64>() / self.others.len().max(1) as f64
    }

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
        if self.mean_others() > MOST_OTHERS {
            let percent = self.mean_others() * 100.0;
            reasons.push(format!("other processes took {percent:.0} % of the CPUs"));
        }
        reasons
    }
}

/// Does the fixed work and tells what it took, ns.
fn work_ns() -> Result<f64> {
    let start = thread_ns()?;
    let mut state = black_box(1_u64);
    for _ in 0..STEPS {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
    }
    black_box(state);
    Ok((thread_ns()? - start) as f64)
}

/// CPU times of the machine since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTimes {
    total: f64,
    busy: f64,
    stolen: f64,
}

/// Shares of all CPUs over some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Of everything that ran here.
    pub busy: f64,
    /// Of what the hypervisor kept.
    pub stolen: f64,
}

impl CpuTimes {
    /// Reads them.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Self::parse(&stat).context("/proc/stat is not what it was")
    }

    /// Fields of proc(5): `cpu` user nice system idle iowait irq softirq steal.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let times: Vec<f64> =
            line.split_whitespace().filter_map(|time| time.parse().ok()).collect();
        let &[user, nice, system, idle, iowait, irq, softirq, stolen, ..] = times.as_slice() else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self { total: busy + idle + iowait + stolen, busy, stolen })
    }

    /// What all CPUs did since `earlier`, us. The kernel counts in hundredths of a second (`USER_HZ`).
    #[must_use]
    pub fn busy_us_since(&self, earlier: &Self) -> f64 {
        (self.busy - earlier.busy) * 10_000.0
    }

    /// Shares of the CPUs since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Shares {
        let total = (self.total - earlier.total).max(1.0);
        Shares {
            busy: (self.busy - earlier.busy) / total,
            stolen: (self.stolen - earlier.stolen) / total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_machine_gives_no_reason() {
        let quiet = Noise {
            work_ns: vec![100.0, 101.0, 103.0],
            stolen: 0.001,
            others: vec![0.0, 0.15, 0.03],
        };
        assert!(quiet.reasons().is_empty());
    }

    #[test]
    fn each_kind_of_noise_is_a_reason() {
        let loud =
            Noise { work_ns: vec![100.0, 120.0, 130.0], stolen: 0.1, others: vec![0.4, 0.6] };
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
        let times = |line: &str| CpuTimes::parse(line).expect("fields");
        let before = times("cpu  100 0 100 700 0 0 100 0 0 0\n");
        let after = times("cpu  150 0 120 760 0 0 110 20 0 0\n");
        // 160 ticks passed, 80 of them busy.
        assert_eq!(after.since(&before), Shares { busy: 0.5, stolen: 20.0 / 160.0 });
        assert_eq!(after.busy_us_since(&before), 800_000.0);
    }
}
