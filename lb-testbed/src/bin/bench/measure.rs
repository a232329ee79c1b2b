//! Runs the cases and tells what they cost.
//!
//! A program changes its packet, so it cannot be repeated on it: each run is a call of its own, with
//! a fresh copy, and the kernel tells its duration. A call reads the clock twice and finds caches
//! colder than a busy CPU would; both are in the empty program's time as well, which is subtracted.
//! Compare figures of one machine only, and minima rather than medians where others use it too.

use std::{fmt::Write as _, fs, thread::available_parallelism};

use anyhow::{Result, ensure};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use crate::{cases::Case, program::Hook};

/// Runs of each case before the first round, to warm caches.
const WARM_UP: u32 = 1000;

/// Mean cost of a run in each round, ns: a list a case.
pub(crate) type Results = Vec<Vec<f64>>;

/// Measures all cases, round by round, so that a disturbance hits all alike.
pub(crate) fn all(cases: &[Case], rounds: usize, runs: u32) -> Result<Results> {
    pin_to_last_cpu()?;
    for case in cases {
        check(case)?;
        mean_ns(case, WARM_UP)?;
    }
    let mut results = vec![Vec::with_capacity(rounds); cases.len()];
    for _ in 0..rounds {
        for (case, times) in cases.iter().zip(&mut results) {
            times.push(mean_ns(case, runs)?);
        }
    }
    Ok(results)
}

/// The first CPU gets the interrupts.
fn pin_to_last_cpu() -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(available_parallelism()?.get() - 1)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
}

/// A program that took another path would be measured all the same.
fn check(case: &Case) -> Result<()> {
    let returned = case.program.run(&case.frame, case.context.as_deref())?.return_value;
    let expected = case.expected.unwrap_or(0);
    ensure!(returned == expected, "{}: returned {returned}, not {expected}", case.name);
    Ok(())
}

fn mean_ns(case: &Case, runs: u32) -> Result<f64> {
    let mut total_ns = 0;
    for _ in 0..runs {
        let result = case.program.run(&case.frame, case.context.as_deref())?;
        total_ns += result.duration.as_nanos();
    }
    Ok(total_ns as f64 / f64::from(runs))
}

/// The results for people.
pub(crate) fn table(cases: &[Case], results: &Results, runs: u32) -> String {
    let rounds = results.first().map_or(0, Vec::len);
    let mut text = format!(
        "{}\n{rounds} rounds of {runs} runs, ns per packet, net of an empty program of the same hook\n\n",
        machine()
    );
    let _ = writeln!(text, "{:<10} {:>8} {:>8}   case", "path", "min", "median");
    for (case, times) in cases.iter().zip(results) {
        let base = |hook: Hook| {
            let empty = cases.iter().position(|case| case.hook == hook && case.expected.is_none());
            empty.and_then(|at| results.get(at))
        };
        let base = if case.expected.is_some() { base(case.hook) } else { None };
        let net = |of: fn(&[f64]) -> f64| of(times) - base.map_or(0.0, |base| of(base));
        let (min, median) = (net(min), net(median));
        let _ = writeln!(text, "{:<10} {min:>8.1} {median:>8.1}   {}", case.name, case.about);
    }
    text
}

fn min(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU and kernel.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown CPU", |(_, model)| model);
    format!("{model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_and_median_of_rounds() {
        assert_eq!((min(&[3.0, 1.0, 2.0]), median(&[3.0, 1.0, 2.0])), (1.0, 2.0));
    }
}
