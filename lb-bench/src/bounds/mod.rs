//! What must hold: bounds as data, one a line, and what a run says about each.
//!
//! [`all`] lists them; [`verdict`] compares round by round, since a round's figures were disturbed alike.

mod list;
mod verdict;

use serde::Serialize;

pub use list::all;
pub use verdict::{Judged, Verdict, judge};

/// On which side of its limit a figure must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// No more than the limit.
    AtMost,
    /// No less.
    AtLeast,
}

/// A limit: `factor` times another figure, and `plus`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// Id of the other figure; `None`: the limit is `plus` alone.
    pub of: Option<&'static str>,
    /// Its factor.
    pub factor: f64,
    /// Added, in the figure's unit.
    pub plus: f64,
}

/// One thing that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// Id of the figure.
    pub figure: &'static str,
    /// Which side.
    pub side: Side,
    /// Of what.
    pub limit: Limit,
}

impl Bound {
    const fn at_most(figure: &'static str, limit: Limit) -> Self {
        Self { figure, side: Side::AtMost, limit }
    }

    const fn at_least(figure: &'static str, limit: Limit) -> Self {
        Self { figure, side: Side::AtLeast, limit }
    }
}

const fn value(plus: f64) -> Limit {
    Limit { of: None, factor: 0.0, plus }
}

const fn times(factor: f64, of: &'static str) -> Limit {
    Limit { of: Some(of), factor, plus: 0.0 }
}

const fn more(plus: f64, of: &'static str) -> Limit {
    Limit { of: Some(of), factor: 1.0, plus }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.side == Side::AtMost { "<= " } else { ">= " })?;
        match self.limit {
            Limit { of: None, plus, .. } => write!(f, "{plus}"),
            Limit { of: Some(of), factor, plus: 0.0 } => write!(f, "{factor} x {of}"),
            Limit { of: Some(of), plus, .. } => write!(f, "{of} + {plus}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_read_as_they_are_written_down() {
        let shown = [
            Bound::at_most("packet/pass", value(20.0)),
            Bound::at_most("a", times(1.3, "b")),
            Bound::at_least("a", more(200.0, "b")),
        ];
        assert_eq!(shown.map(|bound| bound.to_string()), ["<= 20", "<= 1.3 x b", ">= b + 200"]);
    }
}
