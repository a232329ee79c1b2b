//! What a node's resolvers should do, from the desired state alone, and its copy on disk: an agent that
//! starts while the cluster file is broken answers from that, as the maps go on from their pins.
use std::{collections::BTreeSet, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{NamesError, Zone};
use crate::{
    kept,
    model::{DesiredState, Dns, Netns},
};

/// The copy, in the agent's own directory.
pub const SAVED_FILE: &str = "names.json";

/// What one node's resolvers should do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesPlan {
    /// All names.
    pub zone: Zone,
    /// The tasks to have a resolver.
    pub places: Vec<Place>,
    /// How.
    pub dns: Dns,
}

/// A task that has a resolver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its name.
    pub task: String,
    /// Its namespace on this node.
    pub netns: Netns,
}

impl NamesPlan {
    /// The plan of `node`: its tasks that are in a network have resolvers. Tasks in `held` are not
    /// used yet.
    #[must_use]
    pub fn new(desired: &DesiredState, held: &BTreeSet<String>, node: &str) -> Self {
        let services = desired.services.iter().filter(|service| !service.networks.is_empty());
        let here = services.flat_map(|service| &service.tasks).filter(|task| task.node == node);
        let place = |task: &crate::model::Task| Place {
            task: task.name.clone(),
            netns: task.netns.clone(),
        };
        let places = here.filter(|_| desired.dns.enabled).map(place).collect();
        Self { zone: Zone::new(desired, held), places, dns: desired.dns.clone() }
    }

    /// Reads the copy in `dir`; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read or makes no sense.
    pub fn load(dir: &Path) -> Result<Option<Self>, NamesError> {
        let path = dir.join(SAVED_FILE);
        let Some(text) = kept::read(&path).map_err(NamesError::file("read", &path))? else {
            return Ok(None);
        };
        let plan = serde_json::from_slice(&text).map_err(io::Error::from);
        plan.map(Some).map_err(NamesError::file("understand", &path))
    }

    /// Replaces the copy in `dir` in one step.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn store(&self, dir: &Path) -> Result<(), NamesError> {
        let path = dir.join(SAVED_FILE);
        let text = serde_json::to_vec(self).map_err(io::Error::from);
        let written = text.and_then(|text| kept::replace(&path, &text, kept::OWNER_ONLY));
        written.map_err(NamesError::file("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::file;

    const FILE: &str = r#"
[[node]]
name = "n1"
address = "198.18.0.1"
[[node]]
name = "n2"
address = "198.18.0.2"
[[network]]
name = "net"
[[service]]
name = "web"
networks = ["net"]
[[service.task]]
name = "web.1"
node = "n1"
netns = "web-1"
[[service.task]]
name = "web.2"
node = "n2"
netns = "web-2"
[[service]]
name = "plain"
[[service.task]]
name = "plain.1"
node = "n1"
netns = "plain-1"
"#;

    fn plan(text: &str) -> NamesPlan {
        let (desired, _) = file::parse(Path::new("cluster.toml"), text).unwrap();
        NamesPlan::new(&desired, &BTreeSet::new(), "n1")
    }

    #[test]
    fn tasks_of_this_node_in_a_network_have_resolvers() {
        let places = plan(FILE).places;
        let netns = Netns::Path("/run/netns/web-1".into());
        assert_eq!(places, [Place { task: "web.1".into(), netns }]);
        assert_eq!(plan(&format!("{FILE}[dns]\nenabled = false\n")).places, []);
    }

    #[test]
    fn a_copy_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(NamesPlan::load(dir.path()).unwrap(), None);
        plan(FILE).store(dir.path()).unwrap();
        assert_eq!(NamesPlan::load(dir.path()).unwrap(), Some(plan(FILE)));
        fs::write(dir.path().join(SAVED_FILE), "{").unwrap();
        let error = NamesPlan::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(SAVED_FILE), "{error}");
    }
}
