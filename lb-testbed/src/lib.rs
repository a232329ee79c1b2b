//! A cluster of nodes in network namespaces on one machine, for the demo, the scenario tests and
//! the benchmarks: a [`Cluster`] with its agents, real servers in its tasks, and real clients.
//!
//! Start at [`Cluster::builder`], or at [`Swarm::up`] for one whose nodes are real Docker Engines.
//! Everything a cluster makes carries its prefix and goes with it.

mod agent;
mod answer;
mod builder;
mod bulk;
mod capture;
mod cleanup;
mod cluster;
mod cluster_file;
mod dial;
mod fetch;
pub mod forge;
mod http;
mod ip;
mod kernel_peer;
mod load;
mod meet;
pub mod mongo_express;
mod name_server;
mod names;
mod netns;
mod ping;
mod process;
mod run;
mod server;
mod session;
mod snapshot;
mod spawn;
mod spread;
mod swarm;
mod topology;
mod wait;
pub mod whoami;

pub use lb_pattern as pattern;

pub use agent::Outcome;
pub use answer::{Answer, Behind};
pub use builder::ClusterBuilder;
pub use bulk::{Bulk, Direction, Transfer};
pub use capture::{Capture, vni_filter};
pub use cleanup::{leftovers, processes_inside, remove};
pub use cluster::Cluster;
pub use cluster_file::{ClusterFile, NetworkTable, ServiceTable, TaskTable};
pub use dial::{DIAL_LIMIT, dial};
pub use kernel_peer::{KernelNetwork, KernelPeer};
pub use load::{Load, LoadReport, RunningLoad};
pub use meet::{meet, meet_translated};
pub use name_server::{BIG, NameServer};
pub use names::Prefix;
pub use netns::{Ns, in_ns, spawn_thread_in};
pub use ping::ping;
pub use process::Process;
pub use server::{Seen, Server};
pub use session::{Session, Sessions, TcpSession, UdpSession};
pub use snapshot::Snapshot;
pub use spread::{ChiSquared, chi_squared};
pub use swarm::{Engine, Swarm, SwarmTask};
pub use topology::Host;
pub use wait::{eventually, eventually_some};
