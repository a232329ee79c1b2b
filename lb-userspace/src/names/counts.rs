//! What the resolvers of a node have done since the agent started.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// Counters that all resolvers of the node share.
#[derive(Debug, Default)]
pub(super) struct Counts {
    answered: AtomicU64,
    forwarded: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameCounts {
    /// Tasks that have a resolver.
    pub tasks: u64,
    /// Questions answered from the cluster's own names.
    pub answered: u64,
    /// Questions that a name server answered.
    pub forwarded: u64,
    /// Questions that no name server answered: SERVFAIL.
    pub failed: u64,
    /// Questions beyond the limit of those that may wait: REFUSED.
    pub refused: u64,
}

impl Counts {
    pub(super) fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn forwarded(&self, had_reply: bool) {
        let counter = if had_reply { &self.forwarded } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }

    /// What has been counted so far, with the number of tasks that are served.
    pub(super) fn read(&self, tasks: usize) -> NameCounts {
        NameCounts {
            tasks: tasks as u64,
            answered: self.answered.load(Relaxed),
            forwarded: self.forwarded.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}
