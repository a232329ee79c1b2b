//! `testbed`: the programs that run inside a cluster, and the removal of kept clusters.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use lb_testbed::{
    Cluster, ClusterBuilder, Prefix,
    mongo_express::{self, MongoExpress},
    whoami,
};
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
        /// Task name in the answers; left out, the hostname.
        #[arg(long)]
        name: Option<String>,
        /// Port, TCP and UDP; may be repeated.
        #[arg(long = "port", required = true)]
        ports: Vec<u16>,
        /// File for a line per connection and datagram.
        #[arg(long)]
        log: Option<PathBuf>,
    },
    /// Serve HTTP pages that come from a database known by name, and say which replica answered.
    MongoExpress {
        /// Task name in the answers; left out, the hostname.
        #[arg(long)]
        name: Option<String>,
        /// TCP port.
        #[arg(long, default_value_t = 8081)]
        port: u16,
        /// Name of the database's service, looked up for each request.
        #[arg(long, default_value = "mongo")]
        database: String,
        /// Port of the database.
        #[arg(long, default_value_t = 27017)]
        database_port: u16,
        /// File for a line per connection.
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
        Verb::Whoami { name, ports, log } => {
            let config = whoami::Whoami { name: name_or_host(name)?, ports, log };
            serve(|stop| whoami::serve(config, stop, say_ready))
        }
        Verb::MongoExpress { name, port, database, database_port, log } => {
            let name = name_or_host(name)?;
            let config = MongoExpress { name, port, database, database_port, log };
            serve(|stop| mongo_express::serve(config, stop, say_ready))
        }
        Verb::Remove { prefix } => {
            let found = Prefix::of(&prefix).with_context(|| format!("{prefix} is no prefix"))?;
            lb_testbed::remove(&found)
        }
        Verb::Sweep => Cluster::sweep(),
    }
}

/// The given name, or that of the host, as a container has one of its own.
fn name_or_host(name: Option<String>) -> Result<String> {
    let host = || Ok(nix::unistd::gethostname()?.to_string_lossy().into_owned());
    name.map_or_else(host, Ok)
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

fn say_ready() {
    println!("ready");
}

/// Runs a server until it is asked to end.
fn serve<F: Future<Output = Result<()>>>(
    server: impl FnOnce(watch::Receiver<bool>) -> F,
) -> Result<()> {
    runtime()?.block_on(async {
        let (stopper, stop) = watch::channel(false);
        tokio::spawn(async move {
            let asked = end_asked().await;
            stopper.send_replace(true);
            asked
        });
        server(stop).await
    })
}
