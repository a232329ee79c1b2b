//! What the stream leaves on disk: who was there, for the next agent, and where to say goodbye, for
//! `detach`. Nothing secret.
use std::{
    collections::BTreeSet,
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Manager, Present, Station, StreamError, StreamOptions, complaints::Complaints};
use crate::kept;

/// Name of the file in the state directory.
pub const MEMO_FILE: &str = "stream.json";
/// What complaints are about.
const ABOUT: &str = "the stream's file";

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memo {
    pub(super) certificates: PathBuf,
    pub(super) port: u16,
    pub(super) listen: Option<Ipv4Addr>,
    pub(super) managers: BTreeSet<Manager>,
    pub(super) present: Present,
}

impl Memo {
    /// Reads it; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read or makes no sense.
    pub(super) fn load(state_dir: &Path) -> Result<Option<Self>, StreamError> {
        let path = state_dir.join(MEMO_FILE);
        let Some(text) = kept::read(&path).map_err(StreamError::file("read", &path))? else {
            return Ok(None);
        };
        let memo = serde_json::from_slice(&text).map_err(io::Error::from);
        memo.map(Some).map_err(StreamError::file("understand", &path))
    }

    /// Replaces it in one step.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn store(&self, state_dir: &Path) -> Result<(), StreamError> {
        let path = state_dir.join(MEMO_FILE);
        let text = serde_json::to_vec(self).map_err(io::Error::from);
        let written = text.and_then(|text| kept::replace(&path, &text, kept::OWNER_ONLY));
        written.map_err(StreamError::file("write", &path))
    }
}

/// Keeps the file true until the stream ends.
pub(super) async fn keep(
    options: Arc<StreamOptions>,
    mut station: watch::Receiver<Station>,
    mut present: watch::Receiver<Present>,
    complaints: Complaints,
) {
    loop {
        tokio::select! {
            changed = station.changed() => if changed.is_err() { return },
            changed = present.changed() => if changed.is_err() { return },
        }
        match memo(&options, &station.borrow_and_update(), &present.borrow_and_update())
            .store(&options.state_dir)
        {
            Ok(()) => complaints.settle(ABOUT),
            Err(error) => complaints.raise(ABOUT, error.to_string()),
        }
    }
}

fn memo(options: &StreamOptions, station: &Station, present: &Present) -> Memo {
    Memo {
        certificates: options.certificates.clone(),
        port: options.port,
        listen: station.listen,
        managers: station.managers.clone(),
        present: present.clone(),
    }
}
