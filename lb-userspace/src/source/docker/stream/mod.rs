//! Word between the agents of a Swarm: managers' agents publish what they know of the Swarm to those
//! of all other nodes, and every agent tells those of all managers that it is there.
//!
//! The source says where this node stands ([`Station`]) and, on a manager, what it knows
//! ([`Publication`]); the stream gives back what was heard from managers ([`Heard`]) and which nodes
//! have an agent. Both go over TLS between the Swarm's own node certificates: `identity` reads them,
//! `tls` and `subject` say who is let in, `frame` is what is said, `server` and `session` are the
//! managers' side, `caller` and `call` the others', `choice` picks the manager that is believed,
//! `presence` knows how long a silent agent counts, `farewell` is the last word before a detach.
mod admission;
mod backoff;
mod call;
mod caller;
mod choice;
mod complaints;
mod credentials;
mod error;
mod farewell;
mod frame;
mod identity;
mod memo;
mod presence;
mod register;
mod running;
mod server;
mod session;
mod socket;
mod subject;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::PathBuf,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

pub use error::StreamError;
pub use farewell::farewell;
pub use identity::own_subject;
pub use memo::MEMO_FILE;
pub use presence::{with_agents, with_ends};
pub use running::Stream;
pub use subject::{Role, Subject, SubjectError};

use super::{Hello, facts::SwarmFacts};

/// What a stream is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Directory of the node's certificate: `swarm/certificates` in the engine's data-root.
    pub certificates: PathBuf,
    /// TCP port of the agents of managers.
    pub port: u16,
    /// Directory of the agent's own files: who was there is kept in it.
    pub state_dir: PathBuf,
}

/// Where this node stands in the Swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Station {
    /// Its own Swarm address (`Swarm.NodeAddr` of the engine) while it is a manager; the other nodes
    /// are served there.
    pub listen: Option<Ipv4Addr>,
    /// The managers (`Swarm.RemoteManagers`); this node may be among them.
    pub managers: BTreeSet<Manager>,
    /// What the managers' agents are told, from when it is known.
    pub hello: Option<Hello>,
}

/// A manager of the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Manager {
    /// Its Swarm address.
    pub address: Ipv4Addr,
    /// Its node id; empty where the engine does not know it yet, and any manager will do.
    pub node: String,
}

/// What a manager's agent publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The Swarm as last read, with the nodes' agents in it ([`with_agents`]). Only nodes in it are
    /// let in.
    pub facts: Arc<SwarmFacts>,
    /// The manager's engine answers, and for the Swarm; while it does not, nodes believe another
    /// manager.
    pub engine_answers: bool,
}

/// What is known from managers' agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The last facts, also when no manager is heard any more.
    pub facts: Option<Arc<SwarmFacts>>,
    /// The manager that keeps them true at present, as `ADDRESS:PORT`; `None`: they age.
    pub manager: Option<String>,
}

/// Nodes other than this one that have an agent, or had one that took no leave, by id.
pub type Present = BTreeMap<String, Agent>;

/// Another node's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// What it says, or said last.
    #[serde(flatten)]
    pub hello: Hello,
    /// Nothing was heard of it for longer than a lease lasts.
    #[serde(default)]
    pub is_silent: bool,
}

/// Puts `new` in place of `old`; whether they differ.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}
