//! The engine as it is being watched: a task that connects, asks at its own pace, listens to events
//! as hints to ask at once, and keeps what it saw ([`Seen`]) in a watch channel. While the engine is
//! away, what was seen last stays, and it is looked for again at growing intervals; only the ends of
//! tasks are noticed all the same (`processes`).

mod ends;
mod gossip;
mod hints;
mod local;
mod processes;
mod questions;
mod session;
mod swarm;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

pub(super) use self::{ends::Ends, local::LocalSeen, swarm::USUAL_VXLAN_PORT};
use self::{processes::Processes, session::Session};
use super::{
    DockerOptions,
    documents::Place,
    error::DockerError,
    facts::{NetworkFacts, SwarmFacts},
    merge::Gossip,
};

/// Where an engine keeps the certificate of its node, below its data-root.
pub(super) const CERTIFICATES: &str = "swarm/certificates";
/// The first wait before the engine is looked for again; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What was seen of the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// The node's place in its Swarm, as last told.
    pub(super) place: Option<Arc<Place>>,
    /// The engine answers.
    pub(super) answers: bool,
    /// What keeps it from telling what it should.
    pub(super) trouble: Option<String>,
    /// The node itself, as last told.
    pub(super) local: Option<Arc<LocalSeen>>,
    /// Tasks of the node that have ended, or are about to, also while the engine is away.
    pub(super) ends: Ends,
    /// The Swarm as its managers see it; `None` while they do not say.
    pub(super) swarm: Option<Arc<SwarmFacts>>,
    /// What the gossip knows, while it is asked.
    pub(super) gossip: Option<Arc<GossipSeen>>,
}

/// What the gossip knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GossipSeen {
    /// The networks that it covers.
    pub(super) networks: BTreeMap<String, NetworkFacts>,
    /// Their endpoints.
    pub(super) gossip: Gossip,
    /// UDP port of the Swarm's overlay networks, as the kernel says.
    pub(super) vxlan_port: Option<u16>,
}

/// Watches the engine until nobody listens to `seen` any more; while `gossip` holds, it is asked for
/// what the gossip knows.
pub(super) async fn watch_engine(
    options: DockerOptions,
    seen: watch::Sender<Seen>,
    mut gossip: watch::Receiver<bool>,
) {
    let mut wait = FIRST_WAIT;
    let mut processes = Processes::new(seen.clone(), &options.exec_root);
    while !seen.is_closed() {
        let error = match Session::begin(&options, &seen).await {
            Ok(mut session) => {
                wait = FIRST_WAIT;
                processes.try_again();
                session.run(&seen, &mut gossip, &mut processes).await
            }
            Err(error) => Some(error),
        };
        let Some(error) = error else { return };
        lost(&seen, &error);
        tokio::select! {
            () = sleep(wait) => {}
            () = seen.closed() => return,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Says that the engine tells nothing for now.
fn lost(seen: &watch::Sender<Seen>, error: &DockerError) {
    tell(seen, |seen| {
        seen.answers = !error.is_engine_away();
        seen.trouble = Some(error.to_string());
        seen.swarm = None;
        seen.gossip = None;
    });
}

/// Changes what was seen; listeners hear of it if anything differs.
fn tell(seen: &watch::Sender<Seen>, change: impl FnOnce(&mut Seen)) {
    seen.send_if_modified(|seen| {
        let before = seen.clone();
        change(seen);
        *seen != before
    });
}
