//! What makes the agent look again: signals, changes on disk, the end of a hold, the clock.
use std::{
    fmt,
    path::PathBuf,
    pin::Pin,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval, sleep_until},
};

use super::{AgentError, changes::Namespaces, membership::Watched};
use crate::host::watch::{HiddenLinks, HostEvent, watch};

/// How often changes on disk are looked for.
const POLL: Duration = Duration::from_millis(100);
/// How long changes of the network are gathered, so that a busy one does not keep the agent busy.
const CALM: Duration = Duration::from_millis(100);
/// How often everything is compared and repaired without any cause.
const RECONCILE: Duration = Duration::from_secs(5);

/// A cause to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The cluster file changed, or an engine told something new.
    Config,
    /// SIGHUP: read the cluster file, changed or not.
    Reload,
    /// A namespace of one of this node's tasks appeared or went.
    Namespace,
    /// A hold ended.
    Due,
    /// The node's interfaces, addresses or routes changed.
    Network,
    /// Only neighbours changed.
    Neighbours,
    /// Beside Docker, interfaces or namespaces of overlay networks may have come.
    HiddenLinks,
    /// Time to compare and repair.
    Reconcile,
    /// SIGTERM or SIGINT.
    Stop,
}

/// Waits for causes to act.
pub(super) struct Triggers {
    watched: Watched,
    hidden: Option<HiddenLinks>,
    /// The namespaces of this node's tasks.
    pub(super) namespaces: Namespaces,
    hup: Signal,
    term: Signal,
    int: Signal,
    poll: Interval,
    network: Pin<Box<dyn Stream<Item = HostEvent>>>,
    /// Changes of the network that were seen, and when they are to be followed.
    seen: Option<(Trigger, Instant)>,
}

impl Triggers {
    /// Catches signals from here on. `netns_dir` is where a Docker Engine names its network
    /// namespaces. Needs a tokio runtime.
    ///
    /// # Errors
    /// Signals cannot be caught, or the node's network cannot be watched.
    pub(super) fn new(watched: Watched, netns_dir: Option<PathBuf>) -> Result<Self, AgentError> {
        let signal = |kind| signal(kind).map_err(AgentError::io("catch signals"));
        Ok(Self {
            watched,
            hidden: netns_dir.map(HiddenLinks::new).transpose()?,
            namespaces: Namespaces::default(),
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            poll: calm(POLL),
            network: Box::pin(watch(RECONCILE)?),
            seen: None,
        })
    }

    /// The next cause; at `due` at the latest, where that is given.
    pub(super) async fn next(&mut self, due: Option<Instant>) -> Trigger {
        loop {
            tokio::select! {
                biased;
                _ = self.term.recv() => return Trigger::Stop,
                _ = self.int.recv() => return Trigger::Stop,
                _ = self.hup.recv() => {
                    self.watched.mark_read();
                    return Trigger::Reload;
                }
                () = at(due) => return Trigger::Due,
                () = self.watched.changed() => return Trigger::Config,
                () = some(&mut self.hidden) => return Trigger::HiddenLinks,
                _ = self.poll.tick() => if let Some(trigger) = self.look() { return trigger },
                () = at(self.seen.map(|(_, due)| due)) => {
                    return self.seen.take().map_or(Trigger::Reconcile, |(trigger, _)| trigger);
                }
                event = self.network.next() => match event.and_then(trigger_of) {
                    Some(Trigger::Reconcile) => return Trigger::Reconcile,
                    Some(trigger) => self.seen = Some(gather(self.seen, trigger)),
                    None => {}
                },
            }
        }
    }

    fn look(&mut self) -> Option<Trigger> {
        if self.watched.has_new_file() {
            return Some(Trigger::Config);
        }
        self.namespaces.changed().then_some(Trigger::Namespace)
    }
}

impl fmt::Debug for Triggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Triggers").field("watched", &self.watched).finish_non_exhaustive()
    }
}

/// What a change of the node's network asks for.
fn trigger_of(event: HostEvent) -> Option<Trigger> {
    match event {
        HostEvent::ALL => Some(Trigger::Reconcile),
        HostEvent { namespaces: true, .. } => Some(Trigger::Namespace),
        HostEvent { links: false, addresses: false, routes: false, .. } => {
            event.neighbours.then_some(Trigger::Neighbours)
        }
        _ => Some(Trigger::Network),
    }
}

/// Adds a change to those seen before; the first one says when they are followed.
fn gather(seen: Option<(Trigger, Instant)>, new: Trigger) -> (Trigger, Instant) {
    match seen {
        Some((Trigger::Neighbours, due)) => (new, due),
        Some(seen) => seen,
        None => (new, Instant::now() + CALM),
    }
}

/// Ends at `instant`; never where there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for hidden links; for ever, where there is nothing to watch.
async fn some(hidden: &mut Option<HiddenLinks>) {
    match hidden {
        Some(hidden) => hidden.changed().await,
        None => std::future::pending().await,
    }
}

/// An interval that begins one period from now and does not catch up.
fn calm(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.reset();
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: HostEvent = HostEvent {
        links: false,
        addresses: false,
        routes: false,
        neighbours: false,
        namespaces: false,
    };

    #[test]
    fn neighbours_alone_ask_for_little() {
        assert_eq!(trigger_of(NONE), None);
        let neighbours = HostEvent { neighbours: true, ..NONE };
        assert_eq!(trigger_of(neighbours), Some(Trigger::Neighbours));
        let both = HostEvent { routes: true, ..neighbours };
        assert_eq!(trigger_of(both), Some(Trigger::Network));
        assert_eq!(trigger_of(HostEvent::ALL), Some(Trigger::Reconcile));
    }

    #[test]
    fn a_larger_change_takes_the_smaller_ones_place_and_time() {
        let first = gather(None, Trigger::Neighbours);
        assert_eq!(gather(Some(first), Trigger::Network), (Trigger::Network, first.1));
        let network = (Trigger::Network, first.1);
        assert_eq!(gather(Some(network), Trigger::Neighbours), network);
    }
}
