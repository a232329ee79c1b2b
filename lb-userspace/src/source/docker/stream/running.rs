//! The stream as the source holds it: a thread of its own for all connections, and channels to it.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};
use tracing::warn;

use super::{
    Heard, Present, Publication, Station, StreamError, StreamOptions,
    admission::Admission,
    caller::{self, Caller},
    choice::Choice,
    complaints::Complaints,
    credentials::Credentials,
    frame::{MANAGER_FRAME_MAX, ManagerFrame, encode},
    memo::{self, Memo},
    presence,
    register::Register,
    replace,
    server::{self, Desk, Edition},
};

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
            ended: None,
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
