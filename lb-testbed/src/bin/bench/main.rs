//! `bench packet`: what a packet costs in each of the data plane's programs, in ns, measured by
//! `BPF_PROG_TEST_RUN` on the programs and maps of a running two-node cluster, with frames that were
//! captured there.
//!
//! [`cases`] makes the cluster and the frames, [`measure`] runs them, [`program`] opens programs.

mod cases;
mod frames;
mod measure;
mod program;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lb_testbed::in_ns;

/// Benchmarks of the data plane.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Cost of a packet in each program, net of an empty program
    Packet {
        /// Rounds; each measures every case once.
        #[arg(long, default_value_t = 15)]
        rounds: usize,
        /// Runs of a case in a round.
        #[arg(long, default_value_t = 10_000)]
        runs: u32,
    },
}

fn main() -> Result<()> {
    let Verb::Packet { rounds, runs } = Cli::parse().verb;
    let bench = cases::Bench::build()?;
    let results = in_ns(&bench.node_ns(), || measure::all(&bench.cases, rounds, runs))??;
    print!("{}", measure::table(&bench.cases, &results, runs));
    Ok(())
}
