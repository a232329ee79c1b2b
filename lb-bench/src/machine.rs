//! What figures depend on: the CPU, the kernel, how the clock is governed, and who else is busy.

use std::{fs, path::Path, thread::available_parallelism};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use serde::Serialize;

/// The machine of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Model of the CPU.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// What chooses the clock's frequency.
    pub governor: String,
    /// Whether it is a guest, by the CPU's flag `hypervisor`.
    pub guest: bool,
    /// Whether BPF programs are compiled.
    pub bpf_jit: String,
    /// State of the mitigation of Spectre v2, which indirect calls and so helpers pay for.
    pub spectre_v2: String,
}

impl Machine {
    /// Looks around.
    #[must_use]
    pub fn look() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        Self {
            cpu: field(&cpuinfo, "model name").unwrap_or("unknown CPU").to_owned(),
            cpus: cpus(),
            kernel: read("/proc/sys/kernel/osrelease"),
            governor: or_none(read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
            guest: field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            bpf_jit: jit(&read("/proc/sys/net/core/bpf_jit_enable")),
            spectre_v2: read("/sys/devices/system/cpu/vulnerabilities/spectre_v2"),
        }
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none (the hypervisor's)".to_owned() } else { text }
}

fn jit(setting: &str) -> String {
    if setting == "0" { "off: figures are worthless".to_owned() } else { "on".to_owned() }
}

fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
    line.split_once(": ").map(|(_, value)| value)
}

/// CPUs that this process may use.
#[must_use]
pub fn cpus() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Has the calling thread stay on one CPU: the last, since the first gets most interrupts.
///
/// # Errors
/// The kernel refuses.
pub fn pin_to_last_cpu() -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpus() - 1)?;
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot stay on one CPU")
}

/// CPU time of the calling thread, ns.
///
/// # Errors
/// There is no such clock.
pub fn thread_ns() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_cpuinfo() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu hypervisor\n";
        assert_eq!(field(cpuinfo, "model name"), Some("AMD EPYC"));
        assert_eq!(field(cpuinfo, "bugs"), None);
    }

    #[test]
    fn time_passes() {
        let before = thread_ns().expect("a clock");
        assert!((0..1_000_000_u64).fold(0, u64::wrapping_add) > 0);
        assert!(thread_ns().expect("a clock") > before);
    }
}
