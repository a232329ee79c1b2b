//! Measures round by round: in each round everything once, so that a disturbance hits all alike.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};

use crate::{figure::Figure, noise};

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

/// Measures all, `rounds` times; `work_ns` gets what the fixed work took in each round.
///
/// # Errors
/// The first that one of them returns, with its name.
pub fn interleave(
    group: &str,
    measures: &mut [Box<dyn Measure + '_>],
    rounds: usize,
    work_ns: &mut Vec<f64>,
) -> Result<Vec<Figure>> {
    let mut figures: Vec<Vec<Figure>> = measures.iter().map(|measure| measure.figures()).collect();
    for round in 1..=rounds {
        work_ns.push(noise::work_ns()?);
        for (measure, figures) in measures.iter_mut().zip(&mut figures) {
            let name = figures.first().map_or_else(String::new, |figure| figure.id.clone());
            progress(&format!("{group}: round {round} of {rounds}, {name}"));
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
        let (mut measures, mut work) = ([measure("a"), measure("b")], Vec::new());
        let figures = interleave("test", &mut measures, 3, &mut work).expect("figures");
        assert_eq!(*order.borrow(), "ababab");
        assert_eq!((figures[1].samples.as_slice(), work.len()), (&[2.0, 4.0, 6.0][..], 3));
    }
}
