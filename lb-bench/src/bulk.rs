//! Group `bulk`: Gbit/s of TCP, one and eight streams, in both directions, by iperf3.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{
    figure::{Figure, Unit},
    noise::Noise,
    rounds::{self, Measure, Rounds},
    site::{Server, Site, Way},
};

/// Ways that only requests are measured by.
const NOT_BULK: [&str; 3] = ["direct", "haproxy", "nginx-stream"];
/// Streams at once.
const STREAMS: [u8; 2] = [1, 8];

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// Who dialled.
    Up,
    /// The server.
    Down,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

struct Transfer<'a> {
    site: &'a Site,
    way: Way,
    direction: Direction,
    streams: u8,
    secs: u32,
}

/// Measures all ways, each for `secs` at a time.
///
/// # Errors
/// A way carries nothing; a program is missing.
pub fn run(rounds: Rounds<'_>, secs: u32, noise: &mut Noise) -> Result<(Vec<Figure>, Vec<String>)> {
    let site = Site::build(Server::Iperf)?;
    let mut measures: Vec<Box<dyn Measure + '_>> = Vec::new();
    let ways = site.ways().into_iter().filter(|way| !NOT_BULK.contains(&way.id));
    for way in ways {
        for direction in [Direction::Up, Direction::Down] {
            for streams in STREAMS {
                let way = way.clone();
                measures.push(Box::new(Transfer { site: &site, way, direction, streams, secs }));
            }
        }
    }
    let figures = rounds::interleave("bulk", measures, rounds, noise)?;
    Ok((figures, site.notes.clone()))
}

impl Measure for Transfer<'_> {
    fn figures(&self) -> Vec<Figure> {
        let Self { way, streams, .. } = self;
        let direction = self.direction.name();
        let id = format!("bulk/{}/{direction}/{streams}", way.id);
        let title = format!("{}, {direction}, {streams} streams", way.title);
        vec![Figure::new(id, title, Unit::GbitPerS)]
    }

    fn sample(&mut self) -> Result<Vec<f64>> {
        let mut command = Command::new("iperf3");
        let (to, port) = (self.way.to.ip().to_string(), self.way.to.port().to_string());
        command.args(["-c", &to, "-p", &port, "-J", "-t", &self.secs.to_string()]);
        command.args(["-P", &self.streams.to_string()]);
        if self.direction == Direction::Down {
            command.arg("-R");
        }
        Ok(vec![gbit_per_s(&self.site.run(&self.way, command)?)?])
    }
}

/// What the receiver got, from iperf3's report.
fn gbit_per_s(report: &str) -> Result<f64> {
    let report: serde_json::Value = serde_json::from_str(report).context("iperf3 wrote no JSON")?;
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(bits.context("iperf3 tells no rate")? / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_rate_counts() {
        let report = r#"{"end": {"sum_sent": {"bits_per_second": 2e9}, "sum_received": {"bits_per_second": 1.5e9}}}"#;
        assert_eq!(gbit_per_s(report).expect("a rate"), 1.5);
        assert!(gbit_per_s(r#"{"error": "unable to connect"}"#).is_err());
    }
}
