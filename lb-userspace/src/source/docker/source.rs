//! The running source: an engine that is watched, word from and to other agents, and a reading
//! whenever anything that matters has changed.

use std::{collections::BTreeMap, future::pending, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    DockerOptions, Hello, Reading, Readings,
    assemble::{Known, Picture, assemble, has_manager},
    desired::desired,
    documents::Place,
    engine::{CERTIFICATES, Seen, watch_engine},
    facts::{LocalFacts, SwarmFacts},
    keep,
    stream::{
        Heard, Manager, Present, Publication, Station, Stream, StreamOptions, own_subject,
        with_agents, with_ends,
    },
};

/// How often facts are kept at most: what a restart loses is what the gossip tells anew.
const KEEP: Duration = Duration::from_secs(5);

/// How long no manager is heard before the gossip is asked instead: an agent of a manager that is
/// started anew, or a connection to it, takes less.
const ALONE_AFTER: Duration = Duration::from_secs(2);

/// Starts watching the engine and tells what this node should be. Must be called in a tokio runtime
/// and in the node's own network namespace; ends when nobody holds the readings any more. `forwards`
/// tells whether the data plane is in force, from when on other nodes send to this one by the mesh.
#[must_use]
pub fn start(options: DockerOptions, forwards: watch::Receiver<bool>) -> Readings {
    let (readings, receiver) = watch::channel(None);
    let (seen, seen_by_us) = watch::channel(Seen::default());
    let (gossip, gossip_wanted) = watch::channel(false);
    tokio::spawn(watch_engine(options.clone(), seen, gossip_wanted));
    let source = Source {
        options,
        seen: seen_by_us,
        gossip,
        known: Known::default(),
        unnamed: None,
        without_manager: None,
        talk: None,
        forwards,
        readings,
        kept: None,
        told: Told::default(),
    };
    tokio::spawn(source.run());
    receiver
}

/// The running source.
struct Source {
    options: DockerOptions,
    seen: watch::Receiver<Seen>,
    gossip: watch::Sender<bool>,
    known: Known,
    /// Why the node's certificate does not tell which Swarm it is in.
    unnamed: Option<String>,
    /// Since when no manager tells.
    without_manager: Option<Instant>,
    talk: Option<Talk>,
    forwards: watch::Receiver<bool>,
    readings: watch::Sender<Option<Arc<Reading>>>,
    /// The facts in the state directory, and from when on others may be kept.
    kept: Option<(Arc<SwarmFacts>, Instant)>,
    told: Told,
}

/// Word between agents.
struct Talk {
    stream: Stream,
    heard: watch::Receiver<Heard>,
    present: watch::Receiver<Present>,
    problems: watch::Receiver<BTreeMap<String, String>>,
}

/// What the log was told last, so that it is told once.
#[derive(Default)]
struct Told {
    trouble: Option<String>,
}

impl Source {
    async fn run(mut self) {
        loop {
            let seen = self.seen.borrow_and_update().clone();
            self.begin(&seen);
            self.take_in(&seen);
            self.give_out(&seen);
            self.keep().await;
            let due = self.alone_due().into_iter().chain(self.keep_due()).min();
            tokio::select! {
                changed = self.seen.changed() => if changed.is_err() { return },
                () = changed(self.talk.as_mut()) => {}
                () = turned(&mut self.forwards) => {}
                () = until(due) => {}
                () = self.readings.closed() => return,
            }
        }
    }

    /// As soon as the node's place in its Swarm is known, its certificate tells which Swarm that is;
    /// then other agents can be spoken to. A node that changes its Swarm begins anew.
    fn begin(&mut self, seen: &Seen) {
        let Some(place) = &seen.place else { return };
        let certificates = self.certificates(place);
        let subject = own_subject(&certificates);
        self.unnamed = subject.as_ref().err().map(ToString::to_string);
        let Ok(subject) = subject else { return };
        if subject.cluster == self.known.cluster_id {
            return;
        }
        self.known = Known { cluster_id: subject.cluster, ..Known::default() };
        self.recall();
        self.talk = self.talk_by(certificates);
    }

    fn certificates(&self, place: &Place) -> PathBuf {
        let root = self.options.data_root.as_deref().unwrap_or(&place.data_root);
        root.join(CERTIFICATES)
    }

    /// Takes over what was kept.
    fn recall(&mut self) {
        match keep::load(&self.options.state_dir, &self.known.cluster_id) {
            Ok(facts) => self.known.last = facts.map(Arc::new),
            Err(error) => warn!("{error}"),
        }
    }

    fn talk_by(&self, certificates: PathBuf) -> Option<Talk> {
        let options = StreamOptions {
            certificates,
            port: self.options.agent_port,
            state_dir: self.options.state_dir.clone(),
        };
        let stream = Stream::start(options).inspect_err(|error| warn!("{error}")).ok()?;
        let (heard, present, problems) = (stream.heard(), stream.present(), stream.problems());
        Some(Talk { stream, heard, present, problems })
    }

    /// Takes in what managers tell, by the engine or by their agents. What a manager's agent said
    /// counts while it keeps it true, and when it is new.
    fn take_in(&mut self, seen: &Seen) {
        let Heard { facts, manager } = self.talk.as_mut().map(Talk::take_heard).unwrap_or_default();
        self.known.manager = manager;
        if let Some(swarm) = &seen.swarm {
            self.known.last = Some(Arc::clone(swarm));
        } else if facts.is_some() {
            self.known.last = facts;
        }
        self.without_manager = if has_manager(seen, self.known.manager.as_deref()) {
            None
        } else {
            self.without_manager.or_else(|| Some(Instant::now()))
        };
        let is_alone = self.without_manager.is_some_and(|since| since.elapsed() >= ALONE_AFTER);
        self.known.is_alone = is_alone;
        self.gossip.send_if_modified(|before| std::mem::replace(before, is_alone) != is_alone);
    }

    /// When the node will count as alone, unless it does already or a manager tells.
    fn alone_due(&self) -> Option<Instant> {
        self.without_manager.filter(|_| !self.known.is_alone).map(|since| since + ALONE_AFTER)
    }

    /// Tells others where this node stands and what it knows, and ourselves what to be.
    fn give_out(&mut self, seen: &Seen) {
        let is_first = self.readings.borrow().is_none();
        let is_known = has_manager(seen, self.known.manager.as_deref()) || seen.gossip.is_some();
        let picture = assemble(seen, &self.known).filter(|_| is_known || !is_first);
        // An engine that tells of no Swarm says why better than a certificate that is not there.
        let trouble = seen.trouble.as_ref().or(self.unnamed.as_ref());
        let Some(mut picture) = picture else { return self.told.trouble(trouble) };
        picture.origin.trouble = trouble.cloned();
        let forwards = *self.forwards.borrow_and_update();
        if let (Some(talk), Some(place)) = (&self.talk, &seen.place) {
            talk.stand(place, &picture, forwards);
            picture.origin.problems = talk.problems();
            picture.swarm = talk.with_ends(picture.swarm, &picture.local);
            if seen.swarm.is_some() {
                picture.swarm = talk.with_agents(picture.swarm, &picture.local, forwards);
                self.known.last = Some(Arc::new(picture.swarm.clone()));
            }
            if let Some(last) = self.known.last.as_ref().filter(|_| place.is_manager) {
                let facts = Arc::new(talk.with_ends(last.as_ref().clone(), &picture.local));
                talk.stream.publish(Publication { facts, engine_answers: seen.swarm.is_some() });
            }
        }
        self.read(picture);
    }

    /// Gives a reading where anything differs from the last one.
    fn read(&mut self, picture: Picture) {
        let Picture { swarm, local, mut origin } = picture;
        let last = self.readings.borrow().clone();
        let reading = match desired(&swarm, &local, &self.options) {
            Ok((desired, here, warnings)) => Some(Reading { desired, here, warnings, origin }),
            Err(error) => {
                origin.trouble.get_or_insert_with(|| error.to_string());
                self.told.trouble(origin.trouble.as_ref());
                last.as_deref().map(|last| Reading { origin, ..last.clone() })
            }
        };
        let Some(reading) = reading else { return };
        self.told.trouble(reading.origin.trouble.as_ref());
        if last.as_deref() != Some(&reading) {
            self.readings.send_replace(Some(Arc::new(reading)));
        }
    }

    /// When the next facts may be kept; `None`: there are none that are not.
    fn keep_due(&self) -> Option<Instant> {
        let last = self.known.last.as_ref()?;
        match &self.kept {
            Some((kept, _)) if kept == last => None,
            Some((_, due)) => Some(*due),
            None => Some(Instant::now()),
        }
    }

    async fn keep(&mut self) {
        let Some(facts) = self.known.last.clone() else { return };
        if self.keep_due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        let (dir, kept) = (self.options.state_dir.clone(), Arc::clone(&facts));
        let stored = spawn_blocking(move || keep::store(&dir, &kept)).await;
        if let Ok(Err(error)) = stored {
            warn!("{error}");
        }
        self.kept = Some((facts, Instant::now() + KEEP));
    }
}

impl Talk {
    /// What managers' agents said: facts that they keep true, or new ones.
    fn take_heard(&mut self) -> Heard {
        let is_new = self.heard.has_changed().unwrap_or_default();
        let mut heard = self.heard.borrow_and_update().clone();
        heard.facts = heard.facts.filter(|_| is_new || heard.manager.is_some());
        heard
    }

    fn stand(&self, place: &Place, picture: &Picture, forwards: bool) {
        let managers = place.managers.iter();
        self.stream.stand(Station {
            listen: place.address.filter(|_| place.is_manager),
            managers: managers
                .map(|(node, address)| Manager { address: *address, node: node.clone() })
                .collect(),
            hello: hello(&picture.local, forwards),
        });
    }

    fn problems(&self) -> Vec<String> {
        let told = self.problems.borrow();
        told.iter().map(|(about, problem)| format!("{about}: {problem}")).collect()
    }

    fn with_agents(&self, swarm: SwarmFacts, local: &LocalFacts, forwards: bool) -> SwarmFacts {
        let own = hello(local, forwards);
        let own = own.as_ref().map(|hello| (local.node.as_str(), hello));
        with_agents(swarm, &self.present.borrow(), own)
    }

    fn with_ends(&self, swarm: SwarmFacts, local: &LocalFacts) -> SwarmFacts {
        let own = hello(local, true);
        let own = own.as_ref().map(|hello| (local.node.as_str(), hello));
        with_ends(swarm, &self.present.borrow(), own)
    }

    async fn changed(&mut self) {
        let changed = tokio::select! {
            changed = self.heard.changed() => changed,
            changed = self.present.changed() => changed,
            changed = self.problems.changed() => changed,
        };
        if changed.is_err() {
            pending().await
        }
    }
}

impl Told {
    fn trouble(&mut self, trouble: Option<&String>) {
        if self.trouble.as_ref() == trouble {
            return;
        }
        match trouble {
            Some(trouble) => warn!("{trouble}"),
            None => info!("the Docker Engine tells all that it should"),
        }
        self.trouble = trouble.cloned();
    }
}

/// What this node's agent says of it.
fn hello(local: &LocalFacts, forwards: bool) -> Option<Hello> {
    local.address.map(|address| Hello {
        ingress_addr: local.ingress_addr,
        forwards,
        ended: local.ended.clone(),
        stopping: local.stopping.clone(),
        ..Hello::at(address)
    })
}

/// Waits until the data plane is in force, or is not.
async fn turned(forwards: &mut watch::Receiver<bool>) {
    if forwards.changed().await.is_err() {
        pending().await
    }
}

async fn changed(talk: Option<&mut Talk>) {
    match talk {
        Some(talk) => talk.changed().await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
