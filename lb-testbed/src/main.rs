//! `testbed`: the programs that run inside a cluster, and the removal of kept clusters.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use lb_testbed::{Cluster, ClusterBuilder, Prefix, whoami};
use tokio::{
    runtime::Runtime,
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
    /// Make a cluster with a server on port 80 of each node, to look at and to try things in.
    Up {
        /// Number of nodes.
        #[arg(long, default_value_t = 3)]
        nodes: u8,
        /// Number of clients.
        #[arg(long, default_value_t = 1)]
        clients: u8,
        /// Put a router between clients and nodes.
        #[arg(long)]
        router: bool,
        /// End at once and leave it running, instead of removing it at Ctrl-C.
        #[arg(long)]
        keep: bool,
    },
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
        Verb::Up { nodes, clients, router, keep } => {
            let builder = Cluster::builder().nodes(nodes).clients(clients).keep(keep);
            up(if router { builder.client_behind_router() } else { builder }, keep)
        }
        Verb::Whoami { name, ports, log } => serve(whoami::Whoami { name, ports, log }),
        Verb::Remove { prefix } => {
            let found = Prefix::of(&prefix).with_context(|| format!("{prefix} is no prefix"))?;
            lb_testbed::remove(&found)
        }
        Verb::Sweep => Cluster::sweep(),
    }
}

fn up(builder: ClusterBuilder, keep: bool) -> Result<()> {
    let cluster = builder.build()?;
    for node in cluster.nodes() {
        cluster.start_whoami(&node.name, &node.ns, &[80])?;
    }
    if !keep {
        println!("{}Ctrl-C removes it now.", cluster.how_to_poke());
        runtime()?.block_on(end_asked())?;
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn end_asked() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn serve(config: whoami::Whoami) -> Result<()> {
    runtime()?.block_on(async {
        let (stopper, stop) = watch::channel(false);
        tokio::spawn(async move {
            let asked = end_asked().await;
            stopper.send_replace(true);
            asked
        });
        whoami::serve(config, stop, || println!("ready")).await
    })
}
