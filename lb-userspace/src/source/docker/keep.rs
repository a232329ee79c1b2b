//! The last facts about the Swarm, kept in the agent's state directory so that a worker that starts
//! without a manager knows what the gossip does not tell. Readable by the agent alone and replaced in
//! one step.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{error::DockerError, facts::SwarmFacts};
use crate::names::DRAFT_EXTENSION;

/// The file, in the agent's state directory.
pub const FACTS_FILE: &str = "swarm-facts.json";

/// The facts kept in `dir`, where there are any about this Swarm.
///
/// # Errors
/// When the file is there and cannot be read; one in a form of another version counts as none.
pub(super) fn load(dir: &Path, cluster_id: &str) -> Result<Option<SwarmFacts>, DockerError> {
    let path = dir.join(FACTS_FILE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(failed("read", &path))?,
    };
    let facts = serde_json::from_slice(&text).ok();
    Ok(facts.filter(|facts: &SwarmFacts| facts.cluster_id == cluster_id))
}

/// Keeps `facts` in `dir`.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn store(dir: &Path, facts: &SwarmFacts) -> Result<(), DockerError> {
    let path = dir.join(FACTS_FILE);
    let draft = path.with_extension(DRAFT_EXTENSION);
    let written = serde_json::to_vec(facts).map_err(io::Error::from).and_then(|text| {
        fs::create_dir_all(dir)?;
        write(&draft, &text)?;
        fs::rename(&draft, &path)
    });
    written.map_err(failed("write", &path))
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    // A draft of before may have other rights.
    let _ = fs::remove_file(path);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DockerError {
    let path: PathBuf = path.into();
    move |source| DockerError::Kept { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn facts() -> SwarmFacts {
        SwarmFacts { cluster_id: "abc".into(), vxlan_port: 4789, ..SwarmFacts::default() }
    }

    #[test]
    fn facts_come_back_and_are_nobody_elses_business() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("state");
        assert!(matches!(load(&state, "abc"), Ok(None)));
        for _ in 0..2 {
            store(&state, &facts()).expect("stored");
        }
        assert_eq!(load(&state, "abc").expect("read"), Some(facts()));
        let mode = fs::metadata(state.join(FACTS_FILE)).expect("a file").mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn facts_of_another_swarm_and_other_texts_count_as_none() {
        let dir = tempfile::tempdir().expect("a directory");
        store(dir.path(), &facts()).expect("stored");
        assert!(matches!(load(dir.path(), "xyz"), Ok(None)));
        fs::write(dir.path().join(FACTS_FILE), "{").expect("written");
        assert!(matches!(load(dir.path(), "abc"), Ok(None)));
    }
}
