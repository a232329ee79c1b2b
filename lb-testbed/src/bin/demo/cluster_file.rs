//! The cluster file that the demo writes: the nodes, one service, and the tasks it has by then.

use std::fmt::Write as _;

/// Name of the service.
pub(crate) const SERVICE: &str = "web";
/// Port that clients dial, on every node.
pub(crate) const PUBLISHED: u16 = 8080;
/// Port that the tasks listen on.
pub(crate) const TARGET: u16 = 80;

/// A task in the cluster file.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) task: String,
    /// Where it runs.
    pub(crate) node: String,
    /// Its namespace under `/run/netns`.
    pub(crate) netns: String,
    /// Its share; 0 drains.
    pub(crate) weight: u16,
}

impl Member {
    /// Its table in the file.
    pub(crate) fn table(&self) -> String {
        let Self { task, node, netns, weight } = self;
        let table = format!("name = \"{task}\"\nnode = \"{node}\"\nnetns = \"{netns}\"\n");
        let weight = if *weight == 1 { String::new() } else { format!("weight = {weight}\n") };
        format!("[[service.task]]\n{table}{weight}")
    }
}

/// The whole file.
pub(crate) fn text(nodes: &str, members: &[Member]) -> String {
    let mut text = format!(
        "[cluster]\nseed = \"keyed, so that nobody can aim at one task\"\n\n{nodes}\n\
         [[service]]\nname = \"{SERVICE}\"\n\
         publish = [{{ published = {PUBLISHED}, target = {TARGET}, protocol = \"tcp\" }}]\n"
    );
    for member in members {
        let _ = write!(text, "\n{}", member.table());
    }
    text
}
