//! Measures round by round: in each round everything once, so that a disturbance hits all alike.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};

use crate::{figure::Figure, noise::Noise};

/// Something that can be measured again and again.
pub trait Measure {
    /// Its figures, in the order in which [`Measure::sample`] returns values.
    fn figures(&self) -> Vec<Figure>;

    /// Measures once: a value for each figure.
    ///
    /// # Errors
    /// What was measured did not do what it should.
    fn sample(&mut self) -> Result<Vec<f64>>;
}

/// How often to measure what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds<'a> {
    /// How often.
    pub count: usize,
    /// Only what has a figure with this in its id.
    pub only: &'a str,
}

impl Rounds<'_> {
    /// Whether a figure is wanted.
    #[must_use]
    pub fn want(&self, id: &str) -> bool {
        id.contains(self.only)
    }
}

/// Measures all that is wanted round by round, and listens before each round.
///
/// # Errors
/// The first that one of them returns, with its name.
pub fn interleave(
    group: &str,
    mut measures: Vec<Box<dyn Measure + '_>>,
    rounds: Rounds<'_>,
    noise: &mut Noise,
) -> Result<Vec<Figure>> {
    measures.retain(|measure| measure.figures().iter().any(|figure| rounds.want(&figure.id)));
    let mut figures: Vec<Vec<Figure>> = measures.iter().map(|measure| measure.figures()).collect();
    if measures.is_empty() {
        return Ok(Vec::new());
    }
    for round in 1..=rounds.count {
        noise.listen()?;
        for (measure, figures) in measures.iter_mut().zip(&mut figures) {
            let name = figures.first().map_or_else(String::new, |figure| figure.id.clone());
            progress(&format!("{group}: round {round} of {}, {name}", rounds.count));
            let values = measure.sample().with_context(|| format!("measuring {name}"))?;
            for (figure, value) in figures.iter_mut().zip(values) {
                figure.samples.push(value);
            }
        }
    }
    progress("");
    Ok(figures.into_iter().flatten().collect())
}

/// One line that replaces the last one; nothing where nobody watches.
pub fn progress(line: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        // Nobody to tell if telling fails.
        let _: std::io::Result<()> =
            write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;
    use crate::figure::Unit;

    struct Counting(&'static str, Rc<RefCell<String>>);

    impl Measure for Counting {
        fn figures(&self) -> Vec<Figure> {
            vec![Figure::new(self.0, self.0, Unit::Count)]
        }

        fn sample(&mut self) -> Result<Vec<f64>> {
            self.1.borrow_mut().push_str(self.0);
            Ok(vec![self.1.borrow().len() as f64])
        }
    }

    #[test]
    fn everything_once_a_round() {
        let order = Rc::new(RefCell::new(String::new()));
        let measure = |name| Box::new(Counting(name, Rc::clone(&order))) as Box<dyn Measure>;
        let measures = || vec![measure("a"), measure("b")];
        let (mut rounds, mut noise) = (Rounds { count: 3, only: "" }, Noise::default());
        let figures = interleave("test", measures(), rounds, &mut noise).expect("figures");
        assert_eq!(*order.borrow(), "ababab");
        assert_eq!((figures[1].samples.as_slice(), noise.others.len()), (&[2.0, 4.0, 6.0][..], 3));
        rounds.only = "b";
        let figures = interleave("test", measures(), rounds, &mut noise).expect("figures");
        assert_eq!((figures.len(), figures[0].id.as_str()), (1, "b"));
    }
}
