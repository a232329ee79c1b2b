//! Group `rate`: packets a second through veths on one core: generator, node and receiver take turns in
//! one chain of softirqs, so a way's cost adds to the others'.
//!
//! [`lane`] makes a node between a generator and a receiver for each way, [`ways`] says what each does.

mod ipvs;
mod lane;
mod ways;

use std::cell::RefCell;

use anyhow::Result;

use crate::{
    figure::Figure,
    noise::Noise,
    rounds::{self, Rounds},
};

/// Measures all ways.
///
/// # Errors
/// Nothing arrives by one of them; no privileges.
pub fn run(
    rounds: Rounds<'_>,
    frames: u32,
    noise: &mut Noise,
) -> Result<(Vec<Figure>, Vec<String>)> {
    let bed = RefCell::new(ways::Bed::build()?);
    let measures = ways::measures(&bed, frames);
    let mut figures = rounds::interleave("rate", measures, rounds, noise)?;
    figures.extend(net(&figures));
    let notes = bed.borrow().notes.clone();
    Ok((figures, notes))
}

/// The same ways without what the generator takes of each packet's time.
fn net(figures: &[Figure]) -> Vec<Figure> {
    let Some(generator) = figures.iter().find(|figure| figure.id == ways::GENERATOR) else {
        return Vec::new();
    };
    let others = figures.iter().filter(|figure| figure.id != generator.id);
    let net = |figure: &Figure| {
        let id = figure.id.replacen('/', "/net/", 1);
        let rate = |(all, generator): (&f64, &f64)| 1.0 / (1.0 / all - 1.0 / generator);
        let samples = figure.samples.iter().zip(&generator.samples).map(rate).collect();
        Figure {
            samples,
            ..Figure::new(id, format!("{}, net of the generator", figure.title), figure.unit)
        }
    };
    others.map(net).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Unit;

    #[test]
    fn a_packets_time_is_the_generators_and_the_rest() {
        let figure =
            |id: &str, kpps| Figure { samples: vec![kpps], ..Figure::new(id, "title", Unit::Kpps) };
        // 500 ns of 1500 are the generator's.
        let figures = [figure(ways::GENERATOR, 2000.0), figure("rate/entry", 2000.0 / 3.0)];
        let net = net(&figures);
        assert_eq!((net.len(), net[0].id.as_str()), (1, "rate/net/entry"));
        assert!((net[0].samples[0] - 1000.0).abs() < 1e-6);
    }
}
