//! What does not work at present, by what it is about: shown in `status`, and logged when it begins,
//! becomes another problem or ends.
use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;
use tracing::{info, warn};

/// Where problems are told. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaints(Arc<watch::Sender<BTreeMap<String, String>>>);

impl Complaints {
    /// What is told, live.
    pub(super) fn subscribe(&self) -> watch::Receiver<BTreeMap<String, String>> {
        self.0.subscribe()
    }

    /// `about` does not work because of `problem`.
    pub(super) fn raise(&self, about: &str, problem: String) {
        self.0.send_if_modified(|told| {
            let is_new = told.get(about) != Some(&problem);
            if is_new {
                warn!("{about}: {problem}");
                told.insert(about.to_owned(), problem);
            }
            is_new
        });
    }

    /// `about` works.
    pub(super) fn settle(&self, about: &str) {
        let was_told = self.0.send_if_modified(|told| told.remove(about).is_some());
        if was_told {
            info!("{about}: works now");
        }
    }

    /// `about` is of no concern any more.
    pub(super) fn forget(&self, about: &str) {
        self.0.send_if_modified(|told| told.remove(about).is_some());
    }
}
