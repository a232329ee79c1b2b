//! Keeps connected with the agents of all other managers, as the list of managers changes, and tells
//! what the one that is believed says.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{
    Heard, Manager, Station, StreamError, backoff::Backoff, choice::Choice, complaints::Complaints,
    credentials::Credentials, frame::SILENCE, replace,
};

/// What all calls share.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) credentials: Arc<Credentials>,
    pub(super) complaints: Complaints,
    pub(super) heard: watch::Sender<Heard>,
    pub(super) choice: Mutex<Choice>,
    pub(super) port: u16,
}

/// Calls the managers that the station names, until the stream ends.
pub(super) async fn call_all(caller: Arc<Caller>, mut station: watch::Receiver<Station>) {
    // All calls end with this one.
    let mut running = JoinSet::new();
    let mut calls: BTreeMap<Manager, AbortHandle> = BTreeMap::new();
    loop {
        let managers = others(&station.borrow_and_update());
        calls.retain(|manager, call| {
            managers.contains(manager) || {
                call.abort();
                false
            }
        });
        for manager in managers {
            let call = |manager: &Manager| {
                running.spawn(keep_calling(caller.clone(), manager.clone(), station.clone()))
            };
            calls.entry(manager).or_insert_with_key(call);
        }
        tokio::select! {
            changed = station.changed() => if changed.is_err() { return },
            Some(_) = running.join_next() => {}
        }
    }
}

fn others(station: &Station) -> BTreeSet<Manager> {
    let is_other = |manager: &&Manager| Some(manager.address) != station.listen;
    station.managers.iter().filter(is_other).cloned().collect()
}

/// Ends by being aborted.
async fn keep_calling(caller: Arc<Caller>, manager: Manager, station: watch::Receiver<Station>) {
    let line = Line { caller, manager };
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let ended = line.caller.call(&line.manager, station.clone()).await;
        line.caller.change(|choice| choice.lost(line.manager.address));
        line.complain(ended.err());
        if began.elapsed() > SILENCE {
            backoff = Backoff::default();
        }
        sleep(backoff.pause(rand::random())).await;
    }
}

/// A manager that is to be called. When it is none any more, nothing of it stays.
struct Line {
    caller: Arc<Caller>,
    manager: Manager,
}

impl Line {
    fn complain(&self, error: Option<StreamError>) {
        let about = self.caller.about(&self.manager);
        match error {
            Some(StreamError::NoIdentity) | None => self.caller.complaints.forget(&about),
            Some(error) => self.caller.complaints.raise(&about, error.to_string()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.caller.change(|choice| choice.lost(self.manager.address));
        self.complain(None);
    }
}

impl Caller {
    /// What complaints about a manager are called.
    pub(super) fn about(&self, manager: &Manager) -> String {
        format!("agent of manager {}:{}", manager.address, self.port)
    }

    /// Follows what a manager said, and tells if that makes a difference.
    pub(super) fn change(&self, change: impl FnOnce(&mut Choice)) {
        let mut choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut choice);
        let manager = choice.believed().map(|address| format!("{address}:{}", self.port));
        let heard = Heard { facts: choice.facts().cloned(), manager };
        self.heard.send_if_modified(|before| replace(before, heard));
    }
}
