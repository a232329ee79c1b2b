//! Group `packet`: what a packet costs in the data plane's programs, ns, by `BPF_PROG_TEST_RUN`.
//!
//! [`place`] makes a node's namespace with its interfaces; [`cluster`] says what cluster it is in, and
//! [`world`] has the production data plane hold it; [`frames`] are the packets, [`cases`] the paths, [`floor`] fills
//! the reference programs; [`measure`] runs one path after the other.

mod cases;
pub mod cluster;
mod floor;
pub mod frames;
mod measure;
pub mod place;
mod rows;
mod stage;
pub mod world;

use anyhow::Result;

pub use stage::Stage;

use crate::{
    figure::Figure,
    noise::Noise,
    rounds::{self, Rounds},
};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort<'a> {
    /// Rounds of which paths.
    pub rounds: Rounds<'a>,
    /// Runs of a program in a round.
    pub runs: u32,
    /// Fewer services, for a first look.
    pub quick: bool,
}

/// Measures all paths that are wanted, in a namespace of its own: figures, and what is to be said about them.
///
/// # Errors
/// A path does not end as it should; no privileges.
pub fn run(effort: Effort<'_>, noise: &mut Noise) -> Result<(Vec<Figure>, Vec<String>)> {
    let stage = std::cell::RefCell::new(Stage::build(effort)?);
    let mut cases = cases::all(&stage.borrow());
    cases.retain(|case| effort.rounds.want(&case.id));
    let measures = measure::measures(&stage, &cases, effort.runs)?;
    let figures =
        rounds::interleave("packet", measures, Rounds { only: "", ..effort.rounds }, noise)?;
    let mut figures = measure::net(figures, &cases);
    let stage = &mut *stage.borrow_mut();
    for case in cases.iter().filter(|case| rows::is_of_interest(case)) {
        figures.extend(rows::touched(stage.standalone(), case)?);
    }
    Ok((figures, stage.notes.clone()))
}
