//! Names: a resolver at 127.0.0.11 in the namespace of each of this node's tasks that is in a network.
//!
//! The agent hands in the desired state after each round; `plan` says what follows from it for this
//! node and keeps a copy, `zone` is the index of all names, `server` answers from that over the sockets
//! that `sockets` makes, `message` knows DNS, `forward` and `upstream` ask the node's name servers,
//! `resolv` points `ip netns exec` at us. Answers follow what the maps hold: a name is
//! told only after its address is in them.
mod counts;
mod error;
mod forward;
mod message;
#[cfg(test)]
mod message_tests;
mod plan;
mod resolv;
mod server;
mod sockets;
mod upstream;
mod zone;
#[cfg(test)]
mod zone_tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{Semaphore, watch},
    task::AbortHandle,
};

use tracing::warn;

pub use counts::NameCounts;
pub use error::NamesError;
pub use message::TTL_SECS;
pub use plan::{NamesPlan, Place, SAVED_FILE};
pub use resolv::{ETC_NETNS, ResolvConfs};
pub use zone::{Answer, Question, Zone};

use self::{
    counts::Counts,
    forward::Forwarder,
    server::Desk,
    upstream::{RESOLV_CONF, Upstreams},
};
use crate::host::netns::Namespace;

/// The resolvers of a node. Dropping it closes their sockets; resolv.conf files stay.
#[derive(Debug)]
pub struct Names {
    /// Of its own: a round of the agent may take long, an answer may not.
    runtime: Option<Runtime>,
    zone: watch::Sender<Arc<Zone>>,
    forwarder: Arc<Forwarder>,
    counts: Arc<Counts>,
    node_waiting: Arc<Semaphore>,
    resolv_confs: ResolvConfs,
    state_dir: PathBuf,
    /// What is answered.
    plan: Option<NamesPlan>,
    /// Whether the copy on disk is the same.
    is_stored: bool,
    served: BTreeMap<String, Served>,
}

/// A task's running resolver.
#[derive(Debug)]
struct Served {
    /// Inode of its namespace; alive while the sockets are, so never another one's.
    namespace: u64,
    serving: AbortHandle,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Names {
    /// Answers as the last agent did, where it left word of that; until the first [`Self::update`].
    /// Must be called in the node's own namespace, from which name servers are then asked.
    ///
    /// # Errors
    /// No thread can be started.
    pub async fn resumed(state_dir: &Path) -> Result<Self, NamesError> {
        let mut names = Self::new(state_dir)?;
        let problems = match NamesPlan::load(state_dir) {
            Ok(Some(plan)) => names.update(plan).await,
            Ok(None) => Vec::new(),
            Err(error) => vec![error.to_string()],
        };
        problems.iter().for_each(|problem| warn!("{problem}"));
        Ok(names)
    }

    /// Nothing is served yet.
    fn new(state_dir: &Path) -> Result<Self, NamesError> {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(1).thread_name("names").enable_all();
        let runtime = runtime.build().map_err(NamesError::Thread)?;
        let forwarder = Arc::new(Forwarder::new(Upstreams::of(Path::new(RESOLV_CONF))));
        Ok(Self {
            runtime: Some(runtime),
            zone: watch::Sender::default(),
            forwarder,
            counts: Arc::default(),
            node_waiting: Arc::new(Semaphore::new(sockets::node_budget())),
            resolv_confs: ResolvConfs::new(Path::new(ETC_NETNS), state_dir),
            state_dir: state_dir.to_owned(),
            plan: None,
            is_stored: false,
            served: BTreeMap::new(),
        })
    }

    /// Answers as `plan` has it from now on. Returns what could not be done.
    pub async fn update(&mut self, plan: NamesPlan) -> Vec<String> {
        let mut problems = Vec::new();
        if self.plan.as_ref() != Some(&plan) {
            self.is_stored = false;
            self.zone.send_replace(Arc::new(plan.zone.clone()));
        }
        // Tried again in each round where the disk was full.
        if !self.is_stored {
            let stored = plan.store(&self.state_dir);
            self.is_stored = stored.is_ok();
            problems.extend(stored.err());
        }
        let places = &plan.places;
        self.served.retain(|task, _| places.iter().any(|place| place.task == *task));
        for place in places {
            problems.extend(self.serve(place).await.err());
        }
        let pointed = places.iter().map(|place| &place.netns).filter(|_| plan.dns.resolv_conf);
        problems.extend(self.resolv_confs.keep(&plan.dns, pointed));
        self.plan = Some(plan);
        problems.iter().map(ToString::to_string).collect()
    }

    /// What has been done so far.
    #[must_use]
    pub fn counts(&self) -> NameCounts {
        self.counts.read(self.served.len())
    }

    /// Makes sure that the task's namespace, as it is now, has its resolver. A namespace that is not
    /// there yet has none, which is no trouble: the agent looks again when it appears.
    async fn serve(&mut self, place: &Place) -> Result<(), NamesError> {
        let task = &place.task;
        let namespace = match Namespace::open(&place.netns) {
            Ok(namespace) => namespace,
            Err(error) => {
                self.served.remove(task);
                let absent = error.is_missing_namespace();
                return if absent { Ok(()) } else { Err(NamesError::host(task, error)) };
            }
        };
        if self.served.get(task).is_some_and(|served| served.still_serves(&namespace)) {
            return Ok(());
        }
        self.served.remove(task);
        let sockets = sockets::open(task, &namespace).await?;
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let _inside = runtime.enter();
        let (udp, tcp) = sockets.register().map_err(NamesError::socket(task))?;
        let desk = Desk::new(
            task,
            self.zone.subscribe(),
            self.forwarder.clone(),
            self.counts.clone(),
            self.node_waiting.clone(),
        );
        let serving = runtime.spawn(desk.serve(udp, tcp)).abort_handle();
        self.served.insert(task.clone(), Served { namespace: namespace.inode(), serving });
        Ok(())
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, which is not allowed in the agent's own runtime.
            runtime.shutdown_background();
        }
    }
}

impl Served {
    fn still_serves(&self, namespace: &Namespace) -> bool {
        self.namespace == namespace.inode() && !self.serving.is_finished()
    }
}
