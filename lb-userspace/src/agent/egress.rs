//! The way out for tasks: forwarding and masquerading on the node, with what was there before on
//! record for `detach`.
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    host::{
        HostError, Journal,
        nat::{self, Egress, egress_ports},
        sysctl,
    },
    model::{DesiredState, Subnet},
};

/// Where the record of what was changed on the node lies, below the agent's state directory.
#[must_use]
pub fn journal_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("changed")
}

/// Makes the node forward and masquerade what leaves the legs. Returns what could not be done.
pub(super) async fn ensure(journal: &mut Journal, desired: &DesiredState) -> Vec<String> {
    let egress = wanted(desired.cluster.gateway, desired);
    let forward = sysctl::ensure(journal, sysctl::IP_FORWARD, "1");
    let nat = nat::ensure(journal, &egress).await.map(drop);
    let told = |outcome: Result<(), HostError>| outcome.err().map(|error| error.to_string());
    [forward, nat].into_iter().filter_map(told).collect()
}

/// All published ports count, also those of other nodes: host-mode ports may move.
fn wanted(gateway: Subnet, desired: &DesiredState) -> Egress {
    let publish = desired.services.iter().flat_map(|service| &service.publish);
    let published: BTreeSet<u16> = publish.map(|port| port.published).collect();
    Egress { gateway, ports: egress_ports(&published) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sample;

    #[test]
    fn masqueraded_flows_never_get_a_published_port() {
        let mut desired = sample::desired(&[]);
        desired.services[0].publish[0].published = 40000;
        let egress = wanted(desired.cluster.gateway, &desired);
        assert!(!egress.ports.contains(&40000) && !egress.ports.is_empty());
    }
}
