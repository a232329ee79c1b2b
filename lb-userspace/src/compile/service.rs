//! One service at one node: its options in the maps' terms, its backends and its rows.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    backend::{BACKEND_INGRESS, NODE_SELF},
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
    let held = not_yet(target, &backends, here);
    let rows = rows(&backends, &held, (scheduler, seed), previous);
    ServiceContents {
        name: target.name.clone(),
        seed,
        scheduler,
        flags: flags(target.service) | beyond(&backends, previous),
        rows,
        backends,
    }
}

/// Who must not own rows yet: besides the held, tasks here whose gateway leg the engine has made, as
/// it says, but which has not been found so far.
fn not_yet(
    target: &Target<'_>,
    backends: &BTreeMap<BackendNumber, BackendContents>,
    here: Here<'_>,
) -> BTreeSet<String> {
    let is_found_later = here.docker.is_some() && target.network.is_none();
    let lacks_leg = |backend: &&BackendContents| {
        is_found_later && backend.peer == NODE_SELF && backend.leg.is_none()
    };
    let lacking = backends.values().filter(lacks_leg).map(|backend| backend.task.clone());
    lacking.chain(here.held.iter().cloned()).collect()
}

fn scheduler(service: &Service) -> u8 {
    match service.scheduler {
        Scheduler::Hash | Scheduler::Source => SCHEDULER_HASH,
        Scheduler::RoundRobin => SCHEDULER_RR,
    }
}

/// Whether some flows go through Docker's ingress network: new ones, or some that have not ended.
fn beyond(
    backends: &BTreeMap<BackendNumber, BackendContents>,
    previous: Option<&PreviousService>,
) -> u8 {
    let is_beyond = |backend: &BackendContents| backend.flags & BACKEND_INGRESS != 0;
    let some_go_on = previous.is_some_and(|previous| previous.by_ingress);
    u8::from(some_go_on || backends.values().any(is_beyond)) * FLAG_INGRESS
}

fn flags(service: &Service) -> u8 {
    let client_ip = service.scheduler == Scheduler::Source || service.client_ip_affinity;
    let direct = service.return_mode == ReturnMode::Direct;
    (u8::from(client_ip) * FLAG_CLIENT_IP) | (u8::from(direct) * FLAG_DIRECT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{LocalLegs, Previous, compile, fixtures};

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

    #[test]
    fn beside_docker_a_task_here_owns_rows_once_its_leg_is_found() {
        let web = fixtures::service("web", &[("a", "n1", 1), ("b", "n2", 1)]);
        let desired = fixtures::beside_docker(fixtures::cluster(vec![web]));
        let owners = |legs: &LocalLegs, held: &BTreeSet<String>| -> BTreeSet<BackendNumber> {
            let contents = compile(&desired, "n1", legs, held, &Previous::default()).unwrap();
            contents
                .services
                .values()
                .flat_map(|web| web.rows.iter().map(|row| row.owner()))
                .collect()
        };
        let (none, held) = (LocalLegs::default(), BTreeSet::new());
        let gateway = [("a".to_owned(), [172, 18, 0, 2])].into();
        let found = LocalLegs { gateway, ..Default::default() };
        assert_eq!(owners(&none, &held), [2].into());
        assert_eq!(owners(&found, &held), [1, 2].into());
        assert_eq!(owners(&none, &["b".to_owned()].into()), [1, 2].into(), "no better one");
    }
}
