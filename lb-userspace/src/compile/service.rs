//! One service at one node: its options in the maps' terms, its backends and its rows.

use std::collections::BTreeMap;

use lb_common::{
    hash::name_hash,
    row::BackendNumber,
    service::{FLAG_CLIENT_IP, FLAG_DIRECT, FLAG_INGRESS, SCHEDULER_HASH, SCHEDULER_RR},
};

use super::{
    BackendContents, Here, PreviousService, ServiceContents, backends::backends, rows::rows,
    targets::Target,
};
use crate::model::{ReturnMode, Scheduler, Service};

/// What the maps hold of `target`; its seed follows from its name and the cluster's key alone.
pub(super) fn service(
    target: &Target<'_>,
    here: Here<'_>,
    hash_key: u64,
    previous: Option<&PreviousService>,
) -> ServiceContents {
    let seed = name_hash(hash_key, target.name.as_bytes()) as u32;
    let scheduler = scheduler(target.service);
    let backends = backends(target, here, previous);
    let rows = rows(&backends, here.held, (scheduler, seed), previous);
    ServiceContents {
        name: target.name.clone(),
        seed,
        scheduler,
        flags: flags(target.service) | beyond(target, &backends),
        rows,
        backends,
    }
}

fn scheduler(service: &Service) -> u8 {
    match service.scheduler {
        Scheduler::Hash | Scheduler::Source => SCHEDULER_HASH,
        Scheduler::RoundRobin => SCHEDULER_RR,
    }
}

/// Whether some of its backends are reached by Docker's ingress network.
fn beyond(target: &Target<'_>, backends: &BTreeMap<BackendNumber, BackendContents>) -> u8 {
    let is_beyond = |backend: &BackendContents| backend.addr != [0; 4];
    u8::from(target.network.is_none() && backends.values().any(is_beyond)) * FLAG_INGRESS
}

fn flags(service: &Service) -> u8 {
    let client_ip = service.scheduler == Scheduler::Source || service.client_ip_affinity;
    let direct = service.return_mode == ReturnMode::Direct;
    (u8::from(client_ip) * FLAG_CLIENT_IP) | (u8::from(direct) * FLAG_DIRECT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::fixtures;

    #[test]
    fn options_map_to_scheduler_and_flags() {
        let case = |scheduler, client_ip_affinity, return_mode| {
            let service = Service {
                scheduler,
                client_ip_affinity,
                return_mode,
                ..fixtures::service("web", &[])
            };
            (super::scheduler(&service), flags(&service))
        };
        use {ReturnMode::*, Scheduler::*};
        assert_eq!(case(Hash, false, Tunnel), (SCHEDULER_HASH, 0));
        assert_eq!(case(Source, false, Tunnel), (SCHEDULER_HASH, FLAG_CLIENT_IP));
        assert_eq!(case(Hash, true, Direct), (SCHEDULER_HASH, FLAG_CLIENT_IP | FLAG_DIRECT));
        assert_eq!(case(RoundRobin, true, Direct), (SCHEDULER_RR, FLAG_CLIENT_IP | FLAG_DIRECT));
    }
}
