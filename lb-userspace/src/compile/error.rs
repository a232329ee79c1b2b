//! Why desired state does not fit the maps.

use lb_common::{
    endpoint::ENDPOINTS_LEN, info::NETWORKS_LEN, peer::PEERS_LEN, service::SERVICES_LEN,
};

/// The cluster is larger than the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More nodes than `PEERS` has places.
    #[error("too many nodes: {PEERS_LEN} fit one cluster; remove `[[node]]` entries")]
    TooManyNodes,
    /// More services (virtual IPs, host-mode ports) than `SERVICES` has places.
    #[error(
        "too many services: {} fit, and each virtual IP counts as one, and each port in host mode \
         on nodes that run its tasks; remove services, networks of services, or ports", SERVICES_LEN - 1
    )]
    TooManyServices,
    /// More subnets than `NETWORK_INFO` has places.
    #[error(
        "too many networks: {NETWORKS_LEN} subnets fit; remove `[[network]]` entries or subnets"
    )]
    TooManyNetworks,
    /// More addresses in networks than `ENDPOINTS` has places.
    #[error(
        "too many addresses: {ENDPOINTS_LEN} fit, and each task, virtual IP and gateway counts once \
         for each subnet of its network; remove tasks, or networks of services"
    )]
    TooManyEndpoints,
}
