//! Why desired state does not fit the maps.

use lb_common::{peer::PEERS_LEN, service::SERVICES_LEN};

/// The cluster is larger than the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More nodes than `PEERS` has places.
    #[error("too many nodes: {PEERS_LEN} fit one cluster; remove `[[node]]` entries")]
    TooManyNodes,
    /// More services (and host-mode ports) than `SERVICES` has places.
    #[error(
        "too many services: {} fit, and each port in host mode counts as one on nodes that run its \
         tasks; remove services or ports", SERVICES_LEN - 1
    )]
    TooManyServices,
}
