//! Who has an agent, shared between the connections and told to whoever wants to know.
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{Present, presence::Presence, replace};

/// How often leases that have ended are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// [`Presence`] for many.
#[derive(Debug, Default)]
pub(super) struct Register {
    presence: Mutex<Presence>,
    present: watch::Sender<Present>,
}

impl Register {
    /// Changes it, and tells if somebody came or went by that.
    pub(super) fn update(&self, change: impl FnOnce(&mut Presence, Instant)) {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        change(&mut presence, now);
        let present = presence.present(now);
        self.present.send_if_modified(|before| replace(before, present));
    }

    /// Who is there, live.
    pub(super) fn subscribe(&self) -> watch::Receiver<Present> {
        self.present.subscribe()
    }

    /// Lets leases end; never ends itself.
    pub(super) async fn expire(&self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            self.update(|_, _| ());
        }
    }
}
