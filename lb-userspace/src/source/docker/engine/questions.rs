//! What is asked of the engine, and how often.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{LocalSeen, Seen, gossip, hints::Hint, session::Session, tell};
use crate::source::docker::{documents::place, error::DockerError, pace::Pace};

/// A task that runs must be in every node's maps within a second.
const TASKS: Duration = Duration::from_millis(250);
/// What comes with events is asked for without one only to be sure.
const REST: Duration = Duration::from_secs(2);
/// The same for the node itself.
const LOCAL: Duration = Duration::from_secs(2);
/// The engine runs programs to answer this; a change of role also shows in the certificate.
const PLACE: Duration = Duration::from_secs(15);
/// What the gossip needs to spread is longer.
const GOSSIP: Duration = Duration::from_millis(500);

/// What is asked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// The node's place in its Swarm.
    Place,
    /// The Swarm, of managers.
    Swarm,
    /// The node itself; after the Swarm, so that containers are not behind tasks.
    Local,
    /// What the gossip knows.
    Gossip,
}

impl Question {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Place, Self::Swarm, Self::Local, Self::Gossip];
}

/// When each question is due.
pub(super) struct Paces {
    place: Pace,
    rest: Pace,
    tasks: Pace,
    local: Pace,
    gossip: Pace,
}

impl Paces {
    /// Everything at once but the node's place, which has just been told.
    pub(super) fn after_place() -> Self {
        let mut place = Pace::new(PLACE);
        place.done(Instant::now(), Instant::now());
        Self {
            place,
            rest: Pace::new(REST),
            tasks: Pace::new(TASKS),
            local: Pace::new(LOCAL),
            gossip: Pace::new(GOSSIP),
        }
    }

    /// What an event has made worth asking sooner.
    pub(super) fn hurry(&mut self, hint: Hint) {
        let paces = [
            (hint.place, &mut self.place),
            (hint.swarm, &mut self.rest),
            (hint.tasks, &mut self.tasks),
            (hint.local, &mut self.local),
            (hint.local, &mut self.gossip),
        ];
        paces.into_iter().filter(|(is_new, _)| *is_new).for_each(|(_, pace)| pace.hurry());
    }

    /// When the next question is due; `None`: at once.
    pub(super) fn due(&self, is_manager: bool, with_gossip: bool) -> Option<Instant> {
        let asked = [
            (true, &self.place),
            (is_manager, &self.rest),
            (is_manager, &self.tasks),
            (true, &self.local),
            (with_gossip, &self.gossip),
        ];
        let dues = asked.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, pace)| pace.due());
        // `None` is less than any time.
        dues.min().flatten()
    }
}

impl Session {
    /// Asks a question if it is due; whether it was.
    pub(super) async fn ask(
        &mut self,
        question: Question,
        seen: &watch::Sender<Seen>,
        with_gossip: bool,
    ) -> Result<bool, DockerError> {
        match question {
            Question::Place => self.ask_place(seen).await,
            Question::Swarm if self.place.is_manager => self.ask_swarm(seen).await,
            Question::Local => self.ask_local(seen).await,
            Question::Gossip if with_gossip => self.ask_gossip(seen).await,
            Question::Swarm => Ok(forget(seen, |seen| seen.swarm = None)),
            Question::Gossip => Ok(forget(seen, |seen| seen.gossip = None)),
        }
    }

    async fn ask_place(&mut self, seen: &watch::Sender<Seen>) -> Result<bool, DockerError> {
        if !self.paces.place.is_due(Instant::now()) {
            return Ok(false);
        }
        let told = timed(&mut self.paces.place, self.api.info()).await?;
        self.place = Arc::new(place(&told)?);
        let place = Arc::clone(&self.place);
        tell(seen, |seen| seen.place = Some(place));
        Ok(true)
    }

    async fn ask_swarm(&mut self, seen: &watch::Sender<Seen>) -> Result<bool, DockerError> {
        let now = Instant::now();
        let (rest, tasks) = (self.paces.rest.is_due(now), self.paces.tasks.is_due(now));
        if rest {
            timed(&mut self.paces.rest, self.swarm.look_at_rest(&self.api)).await?;
        }
        if tasks {
            timed(&mut self.paces.tasks, self.swarm.look_at_tasks(&self.api)).await?;
        }
        if (rest || tasks) && self.swarm.is_complete() {
            let facts = Arc::new(self.swarm.facts(&self.place));
            tell(seen, |seen| seen.swarm = Some(facts));
        }
        Ok(rest || tasks)
    }

    async fn ask_local(&mut self, seen: &watch::Sender<Seen>) -> Result<bool, DockerError> {
        if !self.paces.local.is_due(Instant::now()) {
            return Ok(false);
        }
        let looked = self.local.look(&self.api, &self.place);
        let local = Arc::new(timed(&mut self.paces.local, looked).await?);
        tell(seen, |seen| {
            let running = |local: &LocalSeen| local.facts.running.clone().unwrap_or_default();
            let before = seen.local.as_deref().map(running).unwrap_or_default();
            seen.ends.looked(&before, &running(&local), Instant::now());
            seen.local = Some(local);
        });
        Ok(true)
    }

    async fn ask_gossip(&mut self, seen: &watch::Sender<Seen>) -> Result<bool, DockerError> {
        let local = seen.borrow().local.clone();
        let Some(local) = local.filter(|_| self.paces.gossip.is_due(Instant::now())) else {
            return Ok(false);
        };
        let port = seen.borrow().gossip.as_ref().and_then(|gossip| gossip.vxlan_port);
        let asked = gossip::ask(&self.api, &local, port);
        let gossip = timed(&mut self.paces.gossip, asked).await?;
        tell(seen, |seen| seen.gossip = Some(Arc::new(gossip)));
        Ok(true)
    }
}

/// Forgets what is not asked any more, so that it is not taken for news later.
fn forget(seen: &watch::Sender<Seen>, change: impl FnOnce(&mut Seen)) -> bool {
    tell(seen, change);
    true
}

async fn timed<T>(
    pace: &mut Pace,
    asked: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, DockerError> {
    let started = Instant::now();
    let answered = asked.await;
    pace.done(started, Instant::now());
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_waits_for_what_it_may_ask() {
        let mut paces = Paces::after_place();
        assert_eq!(paces.due(false, false), None);
        let now = Instant::now();
        paces.local.done(now, now);
        assert_eq!(paces.due(false, false), Some(now + LOCAL));
        assert_eq!(paces.due(true, false), None);
        assert_eq!(paces.due(false, true), None);
    }

    #[test]
    fn a_hint_hurries_what_it_is_about() {
        let mut paces = Paces::after_place();
        let now = Instant::now();
        for pace in [&mut paces.rest, &mut paces.tasks, &mut paces.local, &mut paces.gossip] {
            pace.done(now, now);
        }
        paces.hurry(Hint { local: true, ..Hint::default() });
        assert!(paces.local.is_due(now) && !paces.tasks.is_due(now) && !paces.rest.is_due(now));
    }
}
