//! The pure half of applying: what the maps hold and what they should hold in, the steps from one
//! to the other out. `dataplane` executes them.
//!
//! # What a reader may rely on
//!
//! A packet reads `PORTS`, or a virtual IP in `ENDPOINTS`, then the service's `rows`, then its
//! `backends`, then, of a virtual IP, `ENDPOINTS` for the backend's address, then `PEERS`. A reader
//! that begins between any two steps, and even one that reads on while steps happen up to the next
//! [`Change::Settle`], finds that
//! - a published port and a virtual IP name a service that is there,
//! - a row names only backends that are there,
//! - a backend's address in a network is there under each VNI that has its virtual IP,
//! - a backend and an endpoint name a node that is there (or this one).
//!
//! So what is named is written before what names it (peers, tasks' addresses, backends, rows, services,
//! ports and virtual IPs), and taken away after it, in reverse, with a `Settle` between: readers may
//! have read the name already. An address that changes hands is overwritten and never away.
mod change;
mod steps;

#[cfg(test)]
mod reader_tests;

pub use change::Change;

use lb_common::endpoint::ENDPOINT_VIP;

use crate::compile::{EndpointContents, MapContents};

/// The steps that turn `current` into `wanted`; none where they are equal.
///
/// A service index that changes hands is vacated before it is filled again: its ports and its virtual
/// IP stop, its readers leave, then the new service comes. (`compile` does not reuse an index that is taken, so
/// this happens only to contents that some other agent left.) A peer index that changes hands is
/// overwritten.
#[must_use]
pub fn plan(current: &MapContents, wanted: &MapContents) -> Vec<Change> {
    let vacated = vacate(current, wanted);
    let mut changes = steps::between(current, &vacated);
    changes.extend(steps::between(&vacated, wanted));
    changes
}

/// `current` without the services whose index `wanted` gives to another one, and what leads to them.
fn vacate(current: &MapContents, wanted: &MapContents) -> MapContents {
    let mut vacated = current.clone();
    vacated.services.retain(|index, service| {
        wanted.services.get(index).is_none_or(|new| new.name == service.name)
    });
    vacated.ports.retain(|_, port| vacated.services.contains_key(&port.service));
    let leads_on = |held: &EndpointContents| vacated.services.contains_key(&held.endpoint.service);
    vacated.endpoints.retain(|_, held| !is_vip(held) || leads_on(held));
    vacated
}

/// Whether packets to the address are balanced, and so need a service.
fn is_vip(held: &EndpointContents) -> bool {
    held.endpoint.kind == ENDPOINT_VIP
}
