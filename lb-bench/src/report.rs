//! A run as a whole: what was measured, on what, and what it says about the bounds.

use serde::Serialize;

use crate::{
    bounds::{self, Judged},
    figure::Figure,
    machine::Machine,
    noise::Noise,
};

/// What a run found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// Rounds of each figure.
    pub rounds: usize,
    /// Fewer and shorter rounds than a result needs.
    pub quick: bool,
    /// How quiet it was.
    pub noise: Noise,
    /// Why nothing can be concluded; empty: it can.
    pub too_noisy: Vec<String>,
    /// What the groups say about themselves: sizes, settings, offloads, what could not be measured.
    pub notes: Vec<String>,
    /// All figures.
    pub figures: Vec<Figure>,
    /// The bounds of the groups that were measured.
    pub bounds: Vec<Judged>,
}

impl Report {
    /// Judges what was measured.
    #[must_use]
    pub fn new(
        (machine, noise): (Machine, Noise),
        (rounds, quick): (usize, bool),
        groups: &[&str],
        (figures, notes): (Vec<Figure>, Vec<String>),
    ) -> Self {
        let too_noisy = noise.reasons();
        let of_group = |bound: &bounds::Bound| {
            groups.iter().any(|group| bound.figure.split('/').next() == Some(group))
        };
        let judge = |bound| bounds::judge(&bound, &figures, !too_noisy.is_empty());
        let bounds = bounds::all().into_iter().filter(of_group).map(judge).collect();
        Self { machine, rounds, quick, noise, too_noisy, notes, figures, bounds }
    }
}
