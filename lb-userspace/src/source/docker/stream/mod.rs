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
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};
use tracing::warn;

pub use error::StreamError;
pub use farewell::farewell;
pub use identity::own_subject;
pub use memo::MEMO_FILE;
pub use presence::with_agents;
pub use subject::{Role, Subject, SubjectError};

use self::{
    admission::Admission,
    caller::Caller,
    choice::Choice,
    complaints::Complaints,
    credentials::Credentials,
    frame::{MANAGER_FRAME_MAX, ManagerFrame, encode},
    memo::Memo,
    register::Register,
    server::{Desk, Edition},
};
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

/// Nodes other than this one that have an agent, by id, with what it says.
pub type Present = BTreeMap<String, Hello>;

/// The stream of an agent. Dropping it ends all connections without a goodbye: an agent that restarts
/// is not gone.
#[derive(Debug)]
pub struct Stream {
    /// Of its own: a round of the agent may take long, a sign of life may not.
    runtime: Option<Runtime>,
    station: watch::Sender<Station>,
    publication: Mutex<Option<Publication>>,
    edition: watch::Sender<Option<Arc<Edition>>>,
    heard: watch::Sender<Heard>,
    register: Arc<Register>,
    complaints: Complaints,
}

impl Stream {
    /// Starts it; nothing is said before [`Self::stand`]. Must be called in the node's own network
    /// namespace.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(options: StreamOptions) -> Result<Self, StreamError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("stream")
            .enable_all()
            .build();
        let stream = Self {
            runtime: Some(runtime.map_err(StreamError::Thread)?),
            station: watch::Sender::default(),
            publication: Mutex::default(),
            edition: watch::Sender::default(),
            heard: watch::Sender::default(),
            register: Arc::default(),
            complaints: Complaints::default(),
        };
        stream.remember(&options);
        stream.spawn(Arc::new(options));
        Ok(stream)
    }

    /// Those that were there when this node's last agent ended have time to come back.
    fn remember(&self, options: &StreamOptions) {
        match Memo::load(&options.state_dir) {
            Ok(memo) => self.register.update(|presence, now| {
                presence.remember(&memo.map(|memo| memo.present).unwrap_or_default(), now);
            }),
            Err(error) => warn!("{error}"),
        }
    }

    fn spawn(&self, options: Arc<StreamOptions>) {
        let Some(runtime) = &self.runtime else { return };
        let (port, complaints) = (options.port, &self.complaints);
        let credentials = Credentials::new(options.certificates.clone(), complaints.clone());
        let credentials = Arc::new(credentials);
        let caller = Caller {
            credentials: credentials.clone(),
            complaints: complaints.clone(),
            heard: self.heard.clone(),
            choice: Mutex::new(Choice::default()),
            port,
        };
        let desk = Desk {
            credentials,
            register: self.register.clone(),
            edition: self.edition.subscribe(),
            admission: Admission::default(),
            complaints: complaints.clone(),
        };
        let (station, present) = (self.station.subscribe(), self.register.subscribe());
        runtime.spawn(memo::keep(options, station, present, complaints.clone()));
        runtime.spawn(caller::call_all(Arc::new(caller), self.station.subscribe()));
        runtime.spawn(server::serve(Arc::new(desk), self.station.subscribe(), port));
        let register = self.register.clone();
        runtime.spawn(async move { register.expire().await });
    }

    /// Says where this node stands, at first and whenever that changes.
    pub fn stand(&self, station: Station) {
        let becomes_manager = station.listen.is_some() && self.station.borrow().listen.is_none();
        if let Some(facts) = self.heard.borrow().facts.as_ref().filter(|_| becomes_manager) {
            let before = presence::present_in(facts);
            self.register.update(|presence, now| presence.remember(&before, now));
        }
        self.station.send_if_modified(|before| replace(before, station));
    }

    /// Publishes to the agents of other nodes, while this node is a manager.
    pub fn publish(&self, publication: Publication) {
        const ABOUT: &str = "what this manager publishes";
        let mut before = self.publication.lock().unwrap_or_else(PoisonError::into_inner);
        if before.as_ref() == Some(&publication) {
            return;
        }
        match edition(&publication) {
            Ok(edition) => {
                self.complaints.settle(ABOUT);
                self.edition.send_replace(Some(Arc::new(edition)));
            }
            Err(problem) => self.complaints.raise(ABOUT, problem),
        }
        *before = Some(publication);
    }

    /// What managers' agents say.
    #[must_use]
    pub fn heard(&self) -> watch::Receiver<Heard> {
        self.heard.subscribe()
    }

    /// Which nodes have an agent. Only a manager is told; nodes that were there just before it became
    /// one, or was started again, are among them for a while.
    #[must_use]
    pub fn present(&self) -> watch::Receiver<Present> {
        self.register.subscribe()
    }

    /// What does not work at present, for `status`, by what it is about.
    #[must_use]
    pub fn problems(&self) -> watch::Receiver<BTreeMap<String, String>> {
        self.complaints.subscribe()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, which is not allowed in the agent's own runtime.
            runtime.shutdown_background();
        }
    }
}

/// A publication as it is sent.
fn edition(publication: &Publication) -> Result<Edition, String> {
    let facts = Box::new(publication.facts.as_ref().clone());
    let known = facts.nodes.keys().cloned().collect();
    let frame = ManagerFrame::Facts { facts, engine_answers: publication.engine_answers };
    let frame = encode(&frame).map_err(|error| error.to_string())?;
    if frame.len() > MANAGER_FRAME_MAX {
        return Err(format!(
            "the Swarm takes {} bytes to tell, more than {MANAGER_FRAME_MAX}: other nodes go by what \
             they heard before",
            frame.len()
        ));
    }
    Ok(Edition { known, frame })
}

/// Puts `new` in place of `old`; whether they differ.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}
