//! Bounds against figures. A round's figures are compared with each other, and the bound is held, or
//! not, where the median of those comparisons is so with 95 % certainty; else the run concludes
//! nothing.

use serde::Serialize;

use super::{Bound, Limit, Side};
use crate::{figure::Figure, stats};

/// What a run says about a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Held,
    /// It does not.
    NotHeld,
    /// The figures differ too much from round to round, or the machine was too noisy.
    NotConcluded,
    /// A figure is missing.
    NotMeasured,
}

impl Verdict {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::NotHeld => "**not held**",
            Self::NotConcluded => "not concluded",
            Self::NotMeasured => "not measured",
        }
    }
}

/// A bound with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The bound.
    pub bound: Bound,
    /// Median of the figure.
    pub figure: Option<f64>,
    /// The limit, by medians.
    pub limit: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
}

/// Judges a bound. `noisy`: the machine was, so that nothing is concluded.
#[must_use]
pub fn judge(bound: &Bound, figures: &[Figure], noisy: bool) -> Judged {
    let find = |id| figures.iter().find(|figure| figure.id == id && !figure.samples.is_empty());
    let figure = find(bound.figure);
    let of = bound.limit.of.map(find);
    let limit = match (bound.limit, of) {
        (Limit { plus, .. }, None) => Some(plus),
        (Limit { factor, plus, .. }, Some(of)) => of.map(|of| factor * of.median() + plus),
    };
    let margins = figure.and_then(|figure| margins(bound, figure, of));
    let verdict = match margins {
        None => Verdict::NotMeasured,
        Some(_) if noisy => Verdict::NotConcluded,
        Some(margins) => conclude(&margins),
    };
    Judged { bound: *bound, figure: figure.map(Figure::median), limit, verdict }
}

/// By how much each round keeps the bound; negative where it does not.
fn margins(bound: &Bound, figure: &Figure, of: Option<Option<&Figure>>) -> Option<Vec<f64>> {
    let Limit { factor, plus, .. } = bound.limit;
    let figure = figure.rounds();
    let limits = match of {
        None => vec![plus; figure.len()],
        Some(of) => of?.rounds().iter().map(|of| factor * of + plus).collect(),
    };
    let margin = |(figure, limit): (&f64, &f64)| match bound.side {
        Side::AtMost => limit - figure,
        Side::AtLeast => figure - limit,
    };
    Some(figure.iter().zip(&limits).map(margin).collect())
}

fn conclude(margins: &[f64]) -> Verdict {
    // What is measured once, such as a size, is what it is.
    let interval = match margins {
        [only] => Some((*only, *only)),
        many => stats::median_interval(many),
    };
    match interval {
        Some((low, _)) if low >= 0.0 => Verdict::Held,
        Some((_, high)) if high < 0.0 => Verdict::NotHeld,
        _ => Verdict::NotConcluded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bounds::{times, value},
        figure::Unit,
    };

    fn figure(id: &str, samples: &[f64]) -> Figure {
        Figure { samples: samples.to_vec(), ..Figure::new(id, id, Unit::NsPerPacket) }
    }

    fn around(center: f64, by: f64) -> Vec<f64> {
        (0..10).map(|i| center + by * f64::from(i - 5)).collect()
    }

    fn verdict(bound: Bound, figures: &[Figure]) -> Verdict {
        judge(&bound, figures, false).verdict
    }

    #[test]
    fn a_clear_distance_is_a_verdict_and_an_overlap_is_none() {
        let at_most = Bound::at_most("a", value(50.0));
        assert_eq!(verdict(at_most, &[figure("a", &around(40.0, 0.5))]), Verdict::Held);
        assert_eq!(verdict(at_most, &[figure("a", &around(60.0, 0.5))]), Verdict::NotHeld);
        assert_eq!(verdict(at_most, &[figure("a", &around(50.0, 0.5))]), Verdict::NotConcluded);
        let at_least = Bound::at_least("a", value(50.0));
        assert_eq!(verdict(at_least, &[figure("a", &around(40.0, 0.5))]), Verdict::NotHeld);
    }

    #[test]
    fn what_disturbs_a_round_disturbs_both_figures() {
        let (a, b) = (around(90.0, 9.0), around(100.0, 10.0));
        let bound = Bound::at_most("a", times(1.0, "b"));
        assert_eq!(verdict(bound, &[figure("a", &a), figure("b", &b)]), Verdict::Held);
        let judged = judge(&bound, &[figure("a", &a), figure("b", &b)], true);
        assert_eq!(judged.verdict, Verdict::NotConcluded, "noisy");
        assert_eq!((judged.figure, judged.limit), (Some(85.5), Some(95.0)));
    }

    #[test]
    fn without_its_figure_or_the_other_one_a_bound_is_not_measured() {
        let bound = Bound::at_most("a", times(1.0, "b"));
        assert_eq!(verdict(bound, &[figure("a", &[1.0; 10])]), Verdict::NotMeasured);
        assert_eq!(verdict(bound, &[figure("b", &[1.0; 10])]), Verdict::NotMeasured);
    }

    #[test]
    fn a_single_value_is_taken_as_it_is() {
        let bound = Bound::at_most("a", value(0.0));
        assert_eq!(verdict(bound, &[figure("a", &[0.0])]), Verdict::Held);
        assert_eq!(verdict(bound, &[figure("a", &[1.0])]), Verdict::NotHeld);
    }
}
