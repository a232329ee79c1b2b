//! Group `packet`: what a packet costs in the data plane's programs, ns, by `BPF_PROG_TEST_RUN`.
//!
//! [`place`] makes a node's namespace with its interfaces; [`world`] says what cluster it is in and has
//! the production data plane hold it; [`frames`] are the packets, [`cases`] the paths, [`floor`] fills
//! the reference programs; [`measure`] runs one path after the other.

mod cases;
mod floor;
pub mod frames;
mod measure;
pub mod place;
mod stage;
pub mod world;

use anyhow::Result;

pub use stage::Stage;

use crate::{figure::Figure, rounds};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rounds.
    pub rounds: usize,
    /// Runs of a program in a round.
    pub runs: u32,
    /// Fewer services, for a first look.
    pub quick: bool,
}

/// Measures all paths whose id has `only` in it, in a namespace of its own: figures, and what is to be said about them.
///
/// # Errors
/// A path does not end as it should; no privileges.
pub fn run(
    effort: Effort,
    only: &str,
    work_ns: &mut Vec<f64>,
) -> Result<(Vec<Figure>, Vec<String>)> {
    let stage = std::cell::RefCell::new(Stage::build(effort)?);
    let mut cases = cases::all(&stage.borrow());
    cases.retain(|case| case.id.contains(only));
    let mut measures = measure::measures(&stage, &cases, effort.runs)?;
    let figures = rounds::interleave("packet", &mut measures, effort.rounds, work_ns)?;
    drop(measures);
    let notes = stage.borrow().notes.clone();
    Ok((measure::net(figures, &cases), notes))
}
