//! From contents to what the next `compile` needs to know of them: what `dataplane` reads back from
//! pins, without the maps.

use std::collections::BTreeMap;

use lb_common::{row::BackendNumber, service::FLAG_INGRESS};

use super::{MapContents, Previous, PreviousService, ServiceContents};

impl Previous {
    /// What follows `self` once `contents` are in the maps. Numbers that nobody has any more keep
    /// their generation under an empty name, as they do in `BACKENDS`.
    #[must_use]
    pub fn after(&self, contents: &MapContents) -> Self {
        let service = |(&index, service): (&u16, &ServiceContents)| {
            let left = self.services.get(&service.name).map(|before| &before.backends);
            (service.name.clone(), service_after(index, service, left))
        };
        Self {
            services: contents.services.iter().map(service).collect(),
            peers: contents.peers.iter().map(|(&index, peer)| (peer.addr, index)).collect(),
        }
    }
}

fn service_after(
    index: u16,
    service: &ServiceContents,
    before: Option<&BTreeMap<BackendNumber, (String, u8)>>,
) -> PreviousService {
    let left = before
        .into_iter()
        .flatten()
        .map(|(&number, (_, generation))| (number, (String::new(), *generation)));
    let held = service
        .backends
        .iter()
        .map(|(&number, backend)| (number, (backend.task.clone(), backend.generation)));
    PreviousService {
        index,
        rows: service.rows.clone(),
        backends: left.chain(held).collect(),
        by_ingress: service.flags & FLAG_INGRESS != 0,
    }
}
