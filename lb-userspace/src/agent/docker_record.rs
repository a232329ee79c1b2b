//! What the agent writes down of a Docker source: where its knowledge comes from, and since when.

use serde::{Deserialize, Serialize};

use crate::source::docker::Origin;

/// A Docker source, as part of the agent's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerRecord {
    /// The engine's socket.
    pub host: String,
    /// Where the last reading came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// Since when the engine answers, or does not, seconds since 1970.
    pub engine_since_unix_secs: u64,
    /// Since when facts about the Swarm come from that place, seconds since 1970.
    pub facts_since_unix_secs: u64,
}

impl DockerRecord {
    /// The record of a reading of `origin` that came at `now_unix_secs`, after `before`.
    #[must_use]
    pub fn after(before: Option<&Self>, host: &str, origin: Origin, now_unix_secs: u64) -> Self {
        let same_engine =
            before.filter(|before| before.origin.engine_answers == origin.engine_answers);
        let same_place = before.filter(|before| place(&before.origin) == place(&origin));
        Self {
            host: host.to_owned(),
            engine_since_unix_secs: same_engine
                .map_or(now_unix_secs, |before| before.engine_since_unix_secs),
            facts_since_unix_secs: same_place
                .map_or(now_unix_secs, |before| before.facts_since_unix_secs),
            origin,
        }
    }
}

/// Who tells about the Swarm.
fn place(origin: &Origin) -> (bool, Option<&str>, bool) {
    (origin.is_manager, origin.manager.as_deref(), origin.is_gossip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_tell_when_something_changed() {
        let heard = Origin {
            is_manager: false,
            engine_answers: true,
            manager: Some("198.18.0.1:7950".into()),
            is_gossip: false,
            trouble: None,
            problems: Vec::new(),
        };
        let first = DockerRecord::after(None, "unix:///s", heard.clone(), 10);
        let same = DockerRecord::after(Some(&first), "unix:///s", heard.clone(), 20);
        assert_eq!(same, first);
        let silent = Origin { engine_answers: false, ..heard.clone() };
        let after = DockerRecord::after(Some(&first), "unix:///s", silent, 20);
        assert_eq!((after.engine_since_unix_secs, after.facts_since_unix_secs), (20, 10));
        let gossip = Origin { manager: None, is_gossip: true, ..heard };
        let after = DockerRecord::after(Some(&first), "unix:///s", gossip, 20);
        assert_eq!((after.engine_since_unix_secs, after.facts_since_unix_secs), (10, 20));
        let json = serde_json::to_value(&after).unwrap();
        assert_eq!(
            (&json["is_gossip"], &json["manager"]),
            (&true.into(), &serde_json::Value::Null)
        );
    }
}
