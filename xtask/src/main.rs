//! Developer commands: `cargo xtask VERB`, one file per verb. Each verb first makes sure that what
//! it needs is installed ([`setup`]), then runs ordinary commands and prints every one of them, so
//! that a reader can repeat any step by hand.

mod bench;
mod budget;
mod build;
mod command;
mod demo;
mod detach;
mod load;
mod setup;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, run and test swarmlb.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find or install what building and testing need; does nothing when all is there
    Setup,
    /// Build the whole workspace, the BPF object included
    Build,
    /// Build, then load and attach one node's data plane; prints what went where
    BuildAndLoad(load::Args),
    /// Remove every program, link and map from this machine
    Detach(detach::Args),
    /// Show a three-node cluster on this machine at work
    Demo(demo::Args),
    /// Measure what a packet costs
    Bench(bench::Args),
    /// Run every test, then compare the verifier budget
    Test(test::Args),
    /// Measure what the programs cost the verifier
    Budget(budget::Args),
}

fn main() -> ExitCode {
    run(Cli::parse().verb).unwrap_or_else(|error| {
        // Not `{:?}`: a backtrace into this program helps nobody who runs a build.
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Setup => setup::run()?,
        Verb::Build => build::run()?,
        Verb::BuildAndLoad(args) => load::run(&args)?,
        Verb::Detach(args) => detach::run(&args)?,
        Verb::Demo(args) => demo::run(&args)?,
        Verb::Bench(args) => bench::run(&args)?,
        Verb::Test(args) => return test::run(&args),
        Verb::Budget(args) => budget::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
