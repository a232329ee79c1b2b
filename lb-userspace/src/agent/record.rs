//! What the agent writes down for `status` and for itself after a restart: `status.json` in its
//! state directory, replaced in one step so that a reader never sees half a record.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::DockerRecord;
use crate::{
    kept::{self, draft_of},
    names::{NameCounts, SAVED_FILE},
    source::{
        Warning,
        docker::{FACTS_FILE, stream::MEMO_FILE},
    },
};

const RECORD_FILE: &str = "status.json";

/// How the agent fared last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Process id of the agent that wrote this.
    pub pid: u32,
    /// The node it is the agent of.
    pub node: String,
    /// The cluster file; empty beside Docker.
    pub config: PathBuf,
    /// Counts successful applies since the pins were made.
    pub generation: u64,
    /// When the last one was, seconds since 1970; 0: never.
    pub applied_at_unix_secs: u64,
    /// Why the cluster file as it stands now was refused; the state before it is still in force.
    pub refused: Option<String>,
    /// What is not as it should be, for people.
    pub problems: Vec<String>,
    /// Of an agent beside Docker, what may surprise and what is not served.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Of an agent beside Docker, where what it knows comes from.
    #[serde(default)]
    pub docker: Option<DockerRecord>,
    /// What the resolvers in its tasks have done since it started.
    #[serde(default)]
    pub names: NameCounts,
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file is out of reach.
    #[error("cannot access {path}: {source}")]
    Io {
        /// The record's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no record.
    #[error("{path} is no agent record ({source}): remove it")]
    Format {
        /// The record's file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Record {
    /// The record in `state_dir`; `None` where no agent ever ran.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn load(state_dir: &Path) -> Result<Option<Self>, RecordError> {
        let path = state_dir.join(RECORD_FILE);
        let text = kept::read(&path);
        let text = text.map_err(|source| RecordError::Io { path: path.clone(), source })?;
        let Some(text) = text else { return Ok(None) };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| RecordError::Format { path, source })
    }

    /// Replaces the record in `state_dir`.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn store(&self, state_dir: &Path) -> Result<(), RecordError> {
        let path = state_dir.join(RECORD_FILE);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| RecordError::Format { path: path.clone(), source })?;
        kept::replace(&path, &text, kept::ANYBODY)
            .map_err(|source| RecordError::Io { path, source })
    }

    /// Removes the agent's files and its state directory; files of others in it stay, and so does
    /// the directory then.
    ///
    /// # Errors
    /// [`RecordError::Io`].
    pub fn remove(state_dir: &Path) -> Result<(), RecordError> {
        let files =
            [RECORD_FILE, SAVED_FILE, MEMO_FILE, FACTS_FILE].map(|name| state_dir.join(name));
        let drafts = files.each_ref().map(|path| draft_of(path));
        let lock = state_dir.join(super::lock::LOCK_FILE);
        for path in files.into_iter().chain(drafts).chain([lock]) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| RecordError::Io { path, source })?,
            }
        }
        match fs::remove_dir(state_dir) {
            Err(error) if is_fine(&error) => Ok(()),
            removed => removed.map_err(|source| RecordError::Io { path: state_dir.into(), source }),
        }
    }
}

fn is_fine(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_stored() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::load(dir.path()).unwrap(), None);
        let record = Record { pid: 7, refused: Some("x".into()), ..Default::default() };
        record.store(dir.path()).unwrap();
        assert_eq!(Record::load(dir.path()).unwrap(), Some(record));
    }

    #[test]
    fn removal_takes_the_directory_unless_others_use_it() {
        let dir = tempfile::tempdir().unwrap();
        let (own, shared) = (dir.path().join("own"), dir.path().join("shared"));
        for dir in [&own, &shared] {
            fs::create_dir(dir).unwrap();
            Record::default().store(dir).unwrap();
            fs::write(draft_of(&dir.join(SAVED_FILE)), "").unwrap();
        }
        fs::write(shared.join("other"), "").unwrap();
        Record::remove(&own).unwrap();
        Record::remove(&shared).unwrap();
        assert_eq!((own.exists(), shared.join("other").exists()), (false, true));
        Record::remove(&own).unwrap();
    }

    #[test]
    fn a_broken_record_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(RECORD_FILE), "{").unwrap();
        let error = Record::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("status.json"), "{error}");
    }
}
