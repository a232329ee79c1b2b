//! Membership from a Docker Engine in a Swarm: the engine's API, or on workers the managers' agents and
//! the gossip, give facts (`facts`); facts give the desired state.
mod api;
mod assemble;
pub mod desired;
mod documents;
mod engine;
pub mod error;
pub mod facts;
mod keep;
mod kernel;
mod merge;
mod pace;
mod source;
pub mod stream;

use std::{collections::BTreeSet, net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use self::{keep::FACTS_FILE, source::start};

use crate::{model::DesiredState, source::Warning};

/// TCP port on which agents of managers publish to the other nodes, beside the gossip's 7946.
pub const AGENT_PORT: u16 = 7950;

/// How long a node counts as having an agent after the last word of it: longer than a restart or an
/// upgrade of the agent takes, since its data plane goes on without it.
pub const AGENT_LEASE: Duration = Duration::from_secs(60);

/// What an operator may choose about a Docker source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerOptions {
    /// The engine's socket, `unix:///...`.
    pub host: String,
    /// The engine's exec-root; left out, `/var/run/docker`.
    pub exec_root: PathBuf,
    /// The engine's data-root, with the node's certificates; left out, what the engine says.
    pub data_root: Option<PathBuf>,
    /// Directory of the agent's own files: the last facts are kept there.
    pub state_dir: PathBuf,
    /// Interfaces that get the XDP program; empty: the one that carries the data-path address.
    pub interfaces: Vec<String>,
    /// TCP port of the agents of managers, the same on all nodes.
    pub agent_port: u16,
    /// VNI of the mesh's forward frames, below 4096.
    pub mesh_vni: u32,
    /// Which services are taken over.
    pub take_over: TakeOver,
}

/// Which services are balanced by swarmlb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TakeOver {
    /// All where the kernel has no IPVS; where it has, those labelled `swarmlb.enable=true`.
    #[default]
    Auto,
    /// All but those labelled `swarmlb.enable=false`.
    All,
    /// Only those labelled `swarmlb.enable=true`.
    Labelled,
}

/// What a Docker source has to say at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the node should be.
    pub desired: DesiredState,
    /// Name of this node in it.
    pub here: String,
    /// What is allowed and may surprise, and what is not served: told once, shown in `status` and
    /// `service inspect`.
    pub warnings: Vec<Warning>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Readings as they come, the newest one kept; `None` until there is a first. A source lives as long as
/// somebody holds this.
pub type Readings = watch::Receiver<Option<Arc<Reading>>>;

/// Where a reading comes from, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// This node is a manager.
    pub is_manager: bool,
    /// The engine answers.
    pub engine_answers: bool,
    /// On a worker, the manager whose agent is being heard, as `ADDRESS:PORT`.
    pub manager: Option<String>,
    /// Facts about the Swarm come from the gossip alone: protocols, labels and stopping tasks are as
    /// they were when a manager was last heard.
    pub is_gossip: bool,
    /// What keeps the engine from telling what it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// What does not work between agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// What an agent tells the managers' agents about its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The node's data-path address.
    pub address: Ipv4Addr,
    /// Its own address in the ingress network.
    pub ingress_addr: Option<Ipv4Addr>,
    /// Its data plane takes what the mesh sends it; an agent that starts says hello before that.
    #[serde(default)]
    pub forwards: bool,
    /// Tasks of the node that have ended a moment ago.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ended: BTreeSet<String>,
    /// Tasks of the node that are about to end.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stopping: BTreeSet<String>,
}

impl Hello {
    /// Of a node at this data-path address of which nothing else is known.
    #[must_use]
    pub fn at(address: Ipv4Addr) -> Self {
        let (ended, stopping) = (BTreeSet::new(), BTreeSet::new());
        Self { address, ingress_addr: None, forwards: false, ended, stopping }
    }
}
