//! What makes the agent look again: signals, changes on disk, the end of a hold, the clock.
use std::{
    fmt,
    pin::Pin,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval, sleep_until},
};

use super::{
    AgentError,
    changes::{ConfigFile, Namespaces},
};
use crate::host::watch::{HostEvent, watch};

/// How often changes on disk are looked for.
const POLL: Duration = Duration::from_millis(100);
/// How long changes of the network are gathered, so that a busy one does not keep the agent busy.
const CALM: Duration = Duration::from_millis(100);
/// How often everything is compared and repaired without any cause.
const RECONCILE: Duration = Duration::from_secs(5);

/// A cause to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The cluster file changed.
    Config,
    /// SIGHUP: read the cluster file, changed or not.
    Reload,
    /// A namespace of one of this node's tasks appeared or went.
    Namespace,
    /// A hold ended.
    Due,
    /// The node's interfaces, addresses, routes or neighbours changed.
    Network,
    /// Time to compare and repair.
    Reconcile,
    /// SIGTERM or SIGINT.
    Stop,
}

/// Waits for causes to act.
pub(super) struct Triggers {
    /// The cluster file.
    pub(super) config: ConfigFile,
    /// The namespaces of this node's tasks.
    pub(super) namespaces: Namespaces,
    hup: Signal,
    term: Signal,
    int: Signal,
    poll: Interval,
    network: Pin<Box<dyn Stream<Item = HostEvent>>>,
    /// When changes of the network that were seen are to be followed.
    network_due: Option<Instant>,
}

impl Triggers {
    /// Catches signals from here on. Needs a tokio runtime.
    ///
    /// # Errors
    /// Signals cannot be caught, or the node's network cannot be watched.
    pub(super) fn new(config: ConfigFile) -> Result<Self, AgentError> {
        let signal = |kind| signal(kind).map_err(AgentError::io("catch signals"));
        Ok(Self {
            config,
            namespaces: Namespaces::default(),
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            poll: calm(POLL),
            network: Box::pin(watch(RECONCILE)?),
            network_due: None,
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
                    self.config.mark_read();
                    return Trigger::Reload;
                }
                () = at(due) => return Trigger::Due,
                _ = self.poll.tick() => if let Some(trigger) = self.look() { return trigger },
                () = at(self.network_due) => {
                    self.network_due = None;
                    return Trigger::Network;
                }
                event = self.network.next() => if event == Some(HostEvent::ALL) {
                    return Trigger::Reconcile;
                } else {
                    self.network_due.get_or_insert_with(|| Instant::now() + CALM);
                },
            }
        }
    }

    fn look(&mut self) -> Option<Trigger> {
        if self.config.changed() {
            return Some(Trigger::Config);
        }
        self.namespaces.changed().then_some(Trigger::Namespace)
    }
}

impl fmt::Debug for Triggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Triggers").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Ends at `instant`; never where there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
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
