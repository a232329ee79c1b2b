//! Group `rate`: packets a second through veths on one core: generator, node and receiver take turns in
//! one chain of softirqs, so a way's cost adds to the others'.
//!
//! [`lane`] makes a node between a generator and a receiver for each way, [`ways`] says what each does.

mod lane;
mod ways;

use std::cell::RefCell;

use anyhow::Result;

use crate::{figure::Figure, rounds};

/// Measures all ways.
///
/// # Errors
/// Nothing arrives by one of them; no privileges.
pub fn run(
    rounds: usize,
    frames: u32,
    work_ns: &mut Vec<f64>,
) -> Result<(Vec<Figure>, Vec<String>)> {
    let bed = RefCell::new(ways::Bed::build()?);
    let mut measures = ways::measures(&bed, frames);
    let figures = rounds::interleave("rate", &mut measures, rounds, work_ns)?;
    drop(measures);
    let notes = bed.borrow().notes.clone();
    Ok((figures, notes))
}
