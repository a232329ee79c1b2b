//! The last facts about the Swarm, kept in the agent's state directory so that a worker that starts
//! without a manager knows what the gossip does not tell. Readable by the agent alone and replaced in
//! one step.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{error::DockerError, facts::SwarmFacts};
use crate::kept;

/// The file, in the agent's state directory.
pub const FACTS_FILE: &str = "swarm-facts.json";

/// The facts kept in `dir`, where there are any about this Swarm.
///
/// # Errors
/// When the file is there and cannot be read; one in a form of another version counts as none.
pub(super) fn load(dir: &Path, cluster_id: &str) -> Result<Option<SwarmFacts>, DockerError> {
    let path = dir.join(FACTS_FILE);
    let Some(text) = kept::read(&path).map_err(failed("read", &path))? else { return Ok(None) };
    let facts = serde_json::from_slice(&text).ok();
    Ok(facts.filter(|facts: &SwarmFacts| facts.cluster_id == cluster_id))
}

/// Keeps `facts` in `dir`.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn store(dir: &Path, facts: &SwarmFacts) -> Result<(), DockerError> {
    let path = dir.join(FACTS_FILE);
    let written = serde_json::to_vec(facts).map_err(io::Error::from).and_then(|text| {
        fs::create_dir_all(dir)?;
        kept::replace_durably(&path, &text)
    });
    written.map_err(failed("write", &path))
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
