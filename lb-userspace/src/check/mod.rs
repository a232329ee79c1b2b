//! `swarmlb check`: is the cluster file right, and what will it make? File in, [`Plan`] or every
//! error at once out. Needs no privileges and no running agent.

mod memory;
mod places;
mod plan;
mod render;

use std::{ops::RangeInclusive, path::Path};

pub use self::{
    memory::{MapUse, Memory},
    plan::{
        Elements, NetworkPlan, NodePlan, Plan, PortPlan, ServicePlan, SubnetPlan, TaskPlan,
        TaskState, VipPlan, plan,
    },
};
use crate::source::{
    file::{self, ConfigErrors},
    local_port_warnings,
};

/// Where the kernel says which ports it hands out by itself.
const LOCAL_PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Reads and checks the cluster file, and plans it; warnings about local ports are those of this
/// machine.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn run(path: &Path) -> Result<Plan, ConfigErrors> {
    let (state, mut warnings) = file::load(path)?;
    let range = std::fs::read_to_string(LOCAL_PORT_RANGE).ok();
    if let Some(range) = range.as_deref().and_then(port_range) {
        warnings.extend(local_port_warnings(&state, &range));
    }
    Ok(plan(&state, warnings))
}

fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ports = text.split_whitespace().map(str::parse);
    Some(ports.next()?.ok()?..=ports.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_port_range_is_read() {
        assert_eq!(port_range("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(port_range(""), None);
    }

    #[test]
    fn a_missing_file_is_an_error_with_its_path() {
        let error = run(Path::new("/does/not/exist.toml")).unwrap_err().to_string();
        assert!(error.starts_with("/does/not/exist.toml: cannot read"), "{error}");
    }
}
