//! One connection to the engine, from its first answer until it goes away: what is due is asked
//! (`questions`), then events, time or a changed wish are waited for.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::{Instant, SystemTime},
};

use bollard::models::EventMessage;
use futures::{Stream, StreamExt as _};
use tokio::{sync::watch, time::sleep_until};

use super::{
    Seen,
    hints::{self, Hint},
    local::LocalView,
    processes::Processes,
    questions::{Paces, Question},
    swarm::SwarmView,
    tell,
};
use crate::source::docker::{
    DockerOptions,
    api::Api,
    documents::{Place, place},
    error::DockerError,
};

type Events = Pin<Box<dyn Stream<Item = Result<EventMessage, DockerError>> + Send>>;

/// A connection, with what was asked by it.
pub(super) struct Session {
    pub(super) api: Api,
    pub(super) place: Arc<Place>,
    pub(super) local: LocalView,
    pub(super) swarm: SwarmView,
    pub(super) paces: Paces,
    events: Events,
    certificate: Certificate,
    troubles: BTreeMap<Question, String>,
}

impl Session {
    /// Connects and asks for the node's place in its Swarm.
    pub(super) async fn begin(
        options: &DockerOptions,
        seen: &watch::Sender<Seen>,
    ) -> Result<Self, DockerError> {
        let api = Api::connect(&options.host).await?;
        // Before anything is asked, so that no change falls between.
        let events: Events = Box::pin(api.events());
        let place = Arc::new(place(&api.info().await?)?);
        tell(seen, |seen| {
            seen.place = Some(Arc::clone(&place));
            seen.answers = true;
            seen.trouble = None;
        });
        Ok(Self {
            certificate: Certificate::of(options.data_root.as_deref(), &place),
            local: LocalView::new(&options.exec_root),
            swarm: SwarmView::default(),
            paces: Paces::after_place(),
            troubles: BTreeMap::new(),
            api,
            events,
            place,
        })
    }

    /// Asks and tells what is seen until the engine goes away; `None`: nobody listens any more.
    pub(super) async fn run(
        &mut self,
        seen: &watch::Sender<Seen>,
        gossip: &mut watch::Receiver<bool>,
        processes: &mut Processes,
    ) -> Option<DockerError> {
        loop {
            let with_gossip = *gossip.borrow_and_update();
            if let Err(error) = self.ask_all(seen, with_gossip).await {
                return Some(error);
            }
            if let Some(local) = &seen.borrow().local {
                processes.watch(&local.tasks, &self.api);
            }
            let due = self.paces.due(self.place.is_manager, with_gossip);
            tokio::select! {
                event = self.events.next() => match event {
                    Some(event) => match event {
                        Ok(event) => self.happened(&event, seen),
                        Err(error) => return Some(error),
                    },
                    None => return Some(self.api.gone()),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now).into()) => {}
                changed = gossip.changed() => if changed.is_err() { return None },
                () = seen.closed() => return None,
            }
        }
    }

    fn happened(&mut self, event: &EventMessage, seen: &watch::Sender<Seen>) {
        self.paces.hurry(hints::of(event));
        let now = Instant::now();
        if let Some(task) = hints::stopping(event) {
            tell(seen, |seen| seen.ends.stop(task, now));
        }
        let Some(container) = hints::ended(event) else { return };
        tell(seen, |seen| {
            hints::task(event).into_iter().for_each(|task| seen.ends.end(task, now));
            if let Some(local) = &mut seen.local {
                Arc::make_mut(local).ended(container, hints::task(event));
            }
        });
    }

    /// Asks what is due and tells what is seen. Only an engine that is away ends the session; what
    /// it refuses is told, and asked again.
    async fn ask_all(
        &mut self,
        seen: &watch::Sender<Seen>,
        with_gossip: bool,
    ) -> Result<(), DockerError> {
        if self.certificate.has_changed() {
            self.paces.hurry(Hint { place: true, ..Hint::default() });
        }
        for question in Question::ALL {
            match self.ask(question, seen, with_gossip).await {
                Ok(false) => {}
                Ok(true) => drop(self.troubles.remove(&question)),
                Err(error) if error.is_engine_away() => return Err(error),
                Err(error) => self.refused(question, &error, seen),
            }
        }
        let trouble = self.troubles.values().next().cloned();
        tell(seen, |seen| seen.trouble = trouble);
        Ok(())
    }

    fn refused(&mut self, question: Question, error: &DockerError, seen: &watch::Sender<Seen>) {
        if question == Question::Swarm {
            tell(seen, |seen| seen.swarm = None);
        }
        if matches!(error, DockerError::NotManager) {
            self.paces.hurry(Hint { place: true, ..Hint::default() });
        } else {
            self.troubles.insert(question, error.to_string());
        }
    }
}

/// The node's certificate, which is made anew when the node's role changes.
struct Certificate {
    path: PathBuf,
    made: Option<SystemTime>,
}

impl Certificate {
    fn of(data_root: Option<&Path>, place: &Place) -> Self {
        let root = data_root.unwrap_or(&place.data_root);
        let path = root.join(super::CERTIFICATES).join("swarm-node.crt");
        Self { made: made(&path), path }
    }

    fn has_changed(&mut self) -> bool {
        let before = std::mem::replace(&mut self.made, made(&self.path));
        before != self.made
    }
}

fn made(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}
