//! A figure: one quantity, measured once a round, and what was measured beside it to be subtracted.

use serde::Serialize;

use crate::stats;

/// What a figure is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Nanoseconds a packet.
    #[serde(rename = "ns/packet")]
    NsPerPacket,
    /// Thousands of packets a second.
    #[serde(rename = "kpps")]
    Kpps,
    /// Gigabits of payload a second.
    #[serde(rename = "Gbit/s")]
    GbitPerS,
    /// Something a second.
    #[serde(rename = "1/s")]
    PerS,
    /// Microseconds.
    #[serde(rename = "us")]
    Us,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Ms,
    /// Bytes.
    #[serde(rename = "B")]
    Bytes,
    /// Mebibytes.
    #[serde(rename = "MiB")]
    Mib,
    /// A number of things.
    #[serde(rename = "")]
    Count,
}

impl Unit {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NsPerPacket => "ns/packet",
            Self::Kpps => "kpps",
            Self::GbitPerS => "Gbit/s",
            Self::PerS => "1/s",
            Self::Us => "us",
            Self::Ms => "ms",
            Self::Bytes => "B",
            Self::Mib => "MiB",
            Self::Count => "",
        }
    }

    /// Whether less of it is better.
    #[must_use]
    pub const fn less_is_better(self) -> bool {
        !matches!(self, Self::Kpps | Self::GbitPerS | Self::PerS)
    }
}

/// One quantity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// `GROUP/NAME`, which bounds refer to.
    pub id: String,
    /// What it is, for people.
    pub title: String,
    /// Its unit.
    pub unit: Unit,
    /// As measured, a value a round.
    pub samples: Vec<f64>,
    /// What the same rounds measured with nothing there, to be subtracted; empty: nothing is.
    pub base: Vec<f64>,
}

impl Figure {
    /// A figure without rounds.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>, unit: Unit) -> Self {
        Self { id: id.into(), title: title.into(), unit, samples: Vec::new(), base: Vec::new() }
    }

    /// The group it belongs to.
    #[must_use]
    pub fn group(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }

    /// The best that was seen, net: where less is better the smallest, of either part.
    #[must_use]
    pub fn best(&self) -> f64 {
        let best = if self.unit.less_is_better() { stats::minimum } else { stats::maximum };
        self.net(best)
    }

    /// The median, net.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.net(stats::median)
    }

    /// How much single values differ, in parts of the median as measured.
    #[must_use]
    pub fn spread(&self) -> f64 {
        stats::spread(&self.samples)
    }

    fn net(&self, of: fn(&[f64]) -> f64) -> f64 {
        let base = if self.base.is_empty() { 0.0 } else { of(&self.base) };
        of(&self.samples) - base
    }

    /// Net values, round by round.
    #[must_use]
    pub fn rounds(&self) -> Vec<f64> {
        let base = self.base.iter().copied().chain(std::iter::repeat(0.0));
        self.samples.iter().zip(base).map(|(sample, base)| sample - base).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(unit: Unit) -> Figure {
        Figure {
            samples: vec![30.0, 50.0, 40.0],
            base: vec![20.0, 35.0, 20.0],
            ..Figure::new("packet/pass", "pass", unit)
        }
    }

    #[test]
    fn the_base_is_subtracted_statistic_by_statistic() {
        let figure = figure(Unit::NsPerPacket);
        assert_eq!((figure.best(), figure.median()), (10.0, 20.0));
        assert_eq!(figure.rounds(), [10.0, 15.0, 20.0]);
        assert_eq!(figure.group(), "packet");
    }

    #[test]
    fn of_rates_the_largest_is_best() {
        let figure = Figure { base: Vec::new(), ..figure(Unit::Kpps) };
        assert_eq!((figure.best(), figure.median()), (50.0, 40.0));
        assert_eq!(figure.rounds(), figure.samples);
    }
}
