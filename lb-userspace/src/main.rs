//! The `swarmlb` binary: command line in, function calls out.
mod cli;
mod commands;

use std::{io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("SWARMLB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    commands::run(cli::Cli::parse()).unwrap_or_else(|error| {
        eprintln!("swarmlb: {error:#}");
        ExitCode::FAILURE
    })
}
