//! Builds a service's rows: how many there are (`ladder`), who owns each (`maglev` or, for round
//! robin, `sequence`), and who owned it before (`history`).
//!
//! In go the backends that take new flows with their weights, and the rows as they were; out come
//! the rows as they should be. Owners depend on nothing but {service seed, backend numbers,
//! weights, number of rows}, so that all nodes compute the same ones without talking.
mod history;
mod ladder;
mod maglev;
mod sequence;

pub use history::{Liveness, rebuild, update};
pub use ladder::{ROWS_MAX, grow, rows_for};
pub use maglev::maglev_owners;
pub use sequence::round_robin_owners;

use crate::row::BackendNumber;

/// A backend that takes new flows, and its share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// Its number, not 0.
    pub number: BackendNumber,
    /// Its weight; a share of weight 0 owns nothing.
    pub weight: u16,
}

/// The shares that count, in the one order that all nodes agree on: by number.
fn ordered(shares: &[Share]) -> Vec<Share> {
    let mut ordered: Vec<Share> = shares.iter().copied().filter(|share| share.weight > 0).collect();
    ordered.sort_unstable_by_key(|share| share.number);
    ordered.dedup_by_key(|share| share.number);
    ordered
}
