//! What Docker has made on a node, for comparison before and after: the node's own namespace, the
//! hidden ones of its networks, those of its containers.

use std::{collections::BTreeMap, fs};

use anyhow::Result;

use super::Swarm;
use crate::{netns::Ns, snapshot::Snapshot};

impl Swarm {
    /// The state of a node and of every namespace of its engine, by name.
    ///
    /// # Errors
    /// A tool is missing or fails.
    pub fn snapshots(&self, node: &str) -> Result<BTreeMap<String, Snapshot>> {
        let mut all = BTreeMap::from([(node.to_owned(), self.cluster.snapshot(node)?)]);
        for entry in fs::read_dir(self.engine(node).exec_root().join("netns"))? {
            let entry = entry?;
            let name = format!("{node}-{}", entry.file_name().to_string_lossy());
            let snapshot = self.cluster.snapshot_ns(&Ns::at(&name, entry.path()))?;
            all.insert(name, snapshot);
        }
        Ok(all)
    }
}
