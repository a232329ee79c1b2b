//! `testbed`: the programs that run inside a cluster, and the removal of kept clusters.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use lb_testbed::{Cluster, Prefix, whoami};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Servers of the test-bed, and clean-up.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve HTTP and UDP and say who asks; SIGTERM finishes what was accepted.
    Whoami {
        /// Task name in the answers.
        #[arg(long)]
        name: String,
        /// Port, TCP and UDP; may be repeated.
        #[arg(long = "port", required = true)]
        ports: Vec<u16>,
        /// File for a line per connection and datagram.
        #[arg(long)]
        log: Option<PathBuf>,
    },
    /// Remove one cluster with all its processes, also one that was kept.
    Remove {
        /// Its prefix, as `ip netns` shows it: slbt<pid>-<k>.
        prefix: String,
    },
    /// Remove everything that dead processes left behind.
    Sweep,
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Whoami { name, ports, log } => serve(whoami::Whoami { name, ports, log }),
        Verb::Remove { prefix } => {
            let found = Prefix::of(&prefix).with_context(|| format!("{prefix} is no prefix"))?;
            lb_testbed::remove(&found)
        }
        Verb::Sweep => Cluster::sweep(),
    }
}

fn serve(config: whoami::Whoami) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stopper, stop) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            terminate.recv().await;
            stopper.send(true)
        });
        whoami::serve(config, stop, || println!("ready")).await
    })
}
