//! The `swarmlb` binary: command line in, function calls out.
mod cli;
mod commands;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

/// What goes to standard error unless `SWARMLB_LOG` says otherwise. The netlink crates warn of
/// every attribute that is newer than they are.
const LOG: &str = "info,netlink_packet_route=error,netlink_proto=error,rtnetlink=error";

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("SWARMLB_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A log that cannot be written, on a full disk say, must not end an agent.
    let log = log.with_writer(io::stderr).log_internal_errors(false);
    log.with_ansi(io::stderr().is_terminal()).init();
    let cli = cli::Cli::parse().checked().unwrap_or_else(|error| error.exit());
    commands::run(cli).unwrap_or_else(|error| {
        eprintln!("swarmlb: {}", paragraph(&error));
        ExitCode::FAILURE
    })
}

/// An error with its causes; many of our errors tell their cause already.
fn paragraph(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| match cause.to_string() {
        cause if told.contains(&cause) => told,
        cause if told.is_empty() => cause,
        cause => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let error = anyhow::anyhow!("no file").context("cannot read: no file").context("outer");
        assert_eq!(paragraph(&error), "outer: cannot read: no file");
    }
}
