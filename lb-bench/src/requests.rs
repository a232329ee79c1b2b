//! Group `requests`: connections and requests a second, their latency, and what CPU they take, by wrk.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{
    figure::{Figure, Unit},
    noise::{CpuTimes, Noise},
    rounds::{self, Measure, Rounds},
    site::{Server, Site, Way},
};

/// Ways between tasks that only bulk is measured by.
const NOT_REQUESTS: [&str; 4] = ["kernel-route", "kernel-vxlan", "direct-local", "direct-remote"];
/// Connections at once.
const CONNECTIONS: u32 = 64;

struct Requests<'a> {
    site: &'a Site,
    way: Way,
    secs: u32,
    /// A connection a request.
    close: bool,
}

/// What wrk reports.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wrk {
    per_s: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Measures all ways, each for `secs` at a time.
///
/// # Errors
/// A way carries nothing; a program is missing.
pub fn run(rounds: Rounds<'_>, secs: u32, noise: &mut Noise) -> Result<(Vec<Figure>, Vec<String>)> {
    let site = Site::build(Server::Http)?;
    let mut measures: Vec<Box<dyn Measure + '_>> = Vec::new();
    for way in site.ways().into_iter().filter(|way| !NOT_REQUESTS.contains(&way.id)) {
        for close in [false, true] {
            measures.push(Box::new(Requests { site: &site, way: way.clone(), secs, close }));
        }
    }
    let figures = rounds::interleave("requests", measures, rounds, noise)?;
    let mut notes = site.notes.clone();
    notes.push(format!(
        "requests: {CONNECTIONS} connections at once, nginx with one worker; CPU is the whole machine's"
    ));
    Ok((figures, notes))
}

impl Measure for Requests<'_> {
    fn figures(&self) -> Vec<Figure> {
        let figure = |what: &str, title: &str, unit| {
            let (id, way) = (format!("requests/{}/{what}", self.way.id), self.way.title);
            Figure::new(id, format!("{way}: {title}"), unit)
        };
        if self.close {
            vec![
                figure("connections", "connections", Unit::PerS),
                figure("connect-p50", "median, with connecting", Unit::Us),
                figure("p99", "99th percentile, with connecting", Unit::Us),
                figure("cpu", "CPU a connection", Unit::Us),
            ]
        } else {
            vec![
                figure("keep-alive", "requests", Unit::PerS),
                figure("keep-alive-p50", "median of requests", Unit::Us),
                figure("keep-alive-p99", "99th percentile of requests", Unit::Us),
                figure("keep-alive-cpu", "CPU a request", Unit::Us),
            ]
        }
    }

    fn sample(&mut self) -> Result<Vec<f64>> {
        let mut command = Command::new("wrk");
        let (connections, secs) = (CONNECTIONS.to_string(), self.secs.to_string());
        command.args(["-t", "1", "-c", &connections, "-d", &secs, "--latency"]);
        if self.close {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(format!("http://{}/", self.way.to));
        let before = CpuTimes::now()?;
        let wrk = parse(&self.site.run(&self.way, command)?)?;
        let busy_us = CpuTimes::now()?.busy_us_since(&before);
        let done = wrk.per_s * f64::from(self.secs);
        Ok(vec![wrk.per_s, wrk.p50_us, wrk.p99_us, busy_us / done])
    }
}

/// Reads `Requests/sec: 12345.67`, and `50%  1.23ms` of the distribution.
fn parse(report: &str) -> Result<Wrk> {
    let field = |name: &str| report.lines().find_map(|line| line.trim().strip_prefix(name));
    let per_s = field("Requests/sec:").and_then(|rate| rate.trim().parse().ok());
    let latency = |percent| field(percent).and_then(|time| us(time.trim()));
    Ok(Wrk {
        per_s: per_s.with_context(|| format!("wrk tells no rate: {report}"))?,
        p50_us: latency("50%").with_context(|| format!("wrk tells no median: {report}"))?,
        p99_us: latency("99%").with_context(|| format!("wrk tells no percentile: {report}"))?,
    })
}

fn us(time: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((time.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrks_report_is_read() {
        let report = "Running 2s test @ http://198.18.0.1:8001/\n  1 threads and 64 connections\n  \
                      Latency Distribution\n     50%    1.31ms\n     75%    1.62ms\n     90%    2.00ms\n     \
                      99%    0.98s \n  96712 requests in 2.01s, 14.02MB read\nRequests/sec:  48153.04\n";
        let wrk = Wrk { per_s: 48153.04, p50_us: 1310.0, p99_us: 980_000.0 };
        assert_eq!(parse(report).expect("a report"), wrk);
        assert!(parse("unable to connect").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(
            ["12.00us", "1.5ms", "2s", "x"].map(us),
            [Some(12.0), Some(1500.0), Some(2e6), None]
        );
    }
}
