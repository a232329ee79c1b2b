//! This node's place in its Swarm, from `GET /info`.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use bollard::models::{LocalNodeState, PeerNode, SwarmInfo, SystemInfo};

use crate::source::docker::error::DockerError;

/// A node's place in its Swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source::docker) struct Place {
    /// The node's id.
    pub(in crate::source::docker) node: String,
    /// Its hostname.
    pub(in crate::source::docker) hostname: String,
    /// The address under which the managers know it.
    pub(in crate::source::docker) address: Option<Ipv4Addr>,
    /// It is a manager.
    pub(in crate::source::docker) is_manager: bool,
    /// The managers, by id and address.
    pub(in crate::source::docker) managers: BTreeSet<(String, Ipv4Addr)>,
    /// UDP port of the Swarm's overlay networks; only managers know it.
    pub(in crate::source::docker) vxlan_port: Option<u16>,
    /// The engine's data-root.
    pub(in crate::source::docker) data_root: PathBuf,
}

/// What the engine says of its place in a Swarm.
///
/// # Errors
/// When the node is no active part of one.
pub(in crate::source::docker) fn place(info: &SystemInfo) -> Result<Place, DockerError> {
    let swarm = info.swarm.as_ref().ok_or(DockerError::NoSwarm)?;
    is_active(swarm)?;
    let node = swarm.node_id.clone().filter(|node| !node.is_empty());
    let cluster = swarm.cluster.as_ref();
    let managers = swarm.remote_managers.iter().flatten();
    Ok(Place {
        node: node.ok_or(DockerError::NoSwarm)?,
        hostname: info.name.clone().unwrap_or_default(),
        address: swarm.node_addr.as_deref().and_then(|addr| addr.parse().ok()),
        is_manager: swarm.control_available.unwrap_or_default(),
        managers: managers.filter_map(manager).collect(),
        vxlan_port: cluster.and_then(|cluster| vxlan_port(cluster.data_path_port)),
        data_root: data_root(info),
    })
}

/// Active, or why not.
fn is_active(swarm: &SwarmInfo) -> Result<(), DockerError> {
    let reason = swarm.error.as_deref().filter(|reason| !reason.is_empty());
    let not_active = |state: LocalNodeState| DockerError::NotActive {
        state: state.to_string(),
        reason: reason.map(|reason| format!(": {reason}")).unwrap_or_default(),
    };
    match swarm.local_node_state {
        Some(LocalNodeState::ACTIVE) => Ok(()),
        Some(LocalNodeState::LOCKED) => Err(DockerError::Locked),
        Some(state @ (LocalNodeState::PENDING | LocalNodeState::ERROR)) => Err(not_active(state)),
        _ => Err(DockerError::NoSwarm),
    }
}

/// A manager's address, without the port of its control plane.
fn manager(peer: &PeerNode) -> Option<(String, Ipv4Addr)> {
    let (addr, _) = peer.addr.as_deref()?.rsplit_once(':')?;
    Some((peer.node_id.clone().unwrap_or_default(), addr.parse().ok()?))
}

/// The engine says 0 where the port was never set.
fn vxlan_port(told: Option<u32>) -> Option<u16> {
    told.and_then(|port| port.try_into().ok()).filter(|port| *port != 0)
}

fn data_root(info: &SystemInfo) -> PathBuf {
    let usual = || Path::new("/var/lib/docker").to_owned();
    info.docker_root_dir.as_ref().map_or_else(usual, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::documents::document;

    fn with_state(state: LocalNodeState) -> Result<Place, DockerError> {
        let mut info: SystemInfo = document("info_worker.json");
        let swarm = info.swarm.as_mut().expect("swarm");
        swarm.local_node_state = Some(state);
        swarm.error = Some("it is not so simple".into());
        place(&info)
    }

    #[test]
    fn a_manager_knows_the_port() {
        let manager = place(&document("info_manager.json")).expect("a place");
        assert!(manager.is_manager);
        assert_eq!(manager.vxlan_port, Some(4789));
        assert_eq!(manager.address, Some([198, 18, 103, 1].into()));
    }

    #[test]
    fn a_worker_knows_its_managers() {
        let worker = place(&document("info_worker.json")).expect("a place");
        assert!(!worker.is_manager);
        assert_eq!((worker.node.as_str(), worker.vxlan_port), ("vvxe8nch9eiyr57xekingdjo3", None));
        let manager = ("0ca6eslhb3gbw98gjlrfiov97".to_owned(), [198, 18, 103, 1].into());
        assert_eq!(worker.managers, BTreeSet::from([manager]));
        assert_eq!(worker.data_root, Path::new("/run/n2/data"));
    }

    #[test]
    fn a_node_that_takes_no_part_says_why() {
        assert!(matches!(with_state(LocalNodeState::LOCKED), Err(DockerError::Locked)));
        assert!(matches!(with_state(LocalNodeState::INACTIVE), Err(DockerError::NoSwarm)));
        let told = with_state(LocalNodeState::ERROR).map_err(|error| error.to_string());
        assert!(
            told.is_err_and(|told| told.contains("is error in its Swarm: it is not so simple"))
        );
    }
}
