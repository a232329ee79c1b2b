//! The kernel's own balancer, where it has one: the service and backends of the other ways, by
//! `ipvsadm`.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::lane::run;

/// Its lane.
pub(super) const LANE: &str = "ipvs";
/// There in every namespace of a kernel that has it.
const TABLE: &str = "/proc/thread-self/net/ip_vs";

/// Why it cannot be compared with; `None`: it can.
pub(super) fn missing() -> Option<&'static str> {
    // Where it is a module that is not loaded yet; built in, there is nothing to load.
    let _: Result<()> = run("modprobe", ["-a", "ip_vs", "ip_vs_mh"]);
    if !Path::new(TABLE).exists() {
        return Some("this kernel has none");
    }
    match Command::new("ipvsadm").arg("--version").output() {
        Ok(_) => None,
        Err(_) => Some("ipvsadm is missing (apt-get install ipvsadm)"),
    }
}

/// Has the namespace of the calling thread balance.
pub(super) fn set_up() -> Result<()> {
    let service = "198.18.0.1:53";
    run("ipvsadm", ["-A", "-u", service, "-s", "mh"])?;
    ["203.0.113.1:53", "203.0.113.2:53", "203.0.113.3:53"]
        .into_iter()
        .try_for_each(|backend| run("ipvsadm", ["-a", "-u", service, "-r", backend, "-m"]))
}
