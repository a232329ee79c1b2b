//! `status`: what is pinned and running at this node, and how the agent fares.
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use lb_common::LAYOUT_VERSION;
use serde::Serialize;

use super::{
    View,
    view::{bytes, lines, table},
};
use crate::{
    agent::Record,
    dataplane::{Inventory, LinkEntry, MapEntry, ProgramEntry},
    names::NameCounts,
};

/// The state of one node's data plane and agent.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Where the pins are.
    pub pin_root: PathBuf,
    /// Version of the maps' layout.
    pub layout: u32,
    /// Whether an agent runs.
    pub agent: AgentState,
    /// What the agent wrote down last; `null` where none ever ran.
    pub record: Option<Record>,
    /// Pinned links.
    pub links: Vec<LinkEntry>,
    /// Their programs.
    pub programs: Vec<ProgramEntry>,
    /// Pinned maps.
    pub maps: Vec<MapLine>,
}

/// Whether an agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// It holds its lock.
    Running,
    /// It does not; packets are forwarded all the same.
    Stopped,
}

/// One map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapLine {
    /// Its name.
    pub name: String,
    /// The kernel's id.
    pub id: u32,
    /// Entries it holds; `null` where the packet path does not fill it.
    pub entries: Option<usize>,
    /// Entries it can hold.
    pub capacity: u32,
    /// Kernel memory, bytes; `null` where the kernel does not say.
    pub memory_bytes: Option<u64>,
}

impl MapLine {
    /// A map of the inventory with the number of its entries.
    #[must_use]
    pub fn new(map: &MapEntry, entries: Option<usize>) -> Self {
        let (capacity, memory_bytes) = (map.max_entries, map.memory_bytes);
        Self { name: map.name.clone(), id: map.id, entries, capacity, memory_bytes }
    }
}

impl Status {
    /// Puts together what `pins` and the state directory say.
    #[must_use]
    pub fn new(
        pin_root: PathBuf,
        agent: AgentState,
        record: Option<Record>,
        inventory: Inventory,
        maps: Vec<MapLine>,
    ) -> Self {
        let Inventory { links, programs, .. } = inventory;
        Self { pin_root, layout: LAYOUT_VERSION, agent, record, links, programs, maps }
    }

    fn agent_text(&self) -> Vec<String> {
        let state = match self.agent {
            AgentState::Running => "running",
            AgentState::Stopped => "not running; packets are forwarded all the same",
        };
        let Some(record) = &self.record else { return vec![format!("Agent:    {state}")] };
        let age = unix_secs(SystemTime::now()).saturating_sub(record.applied_at_unix_secs);
        let mut lines = vec![
            format!("Agent:    {state} (pid {}, node {})", record.pid, record.node),
            format!("Config:   {}", record.config.display()),
            format!("Applied:  generation {}, {age} s ago", record.generation),
        ];
        lines.extend(names_text(&record.names));
        lines.extend(record.refused.iter().map(|refused| format!("Refused:  {refused}")));
        lines.extend(record.problems.iter().map(|problem| format!("Problem:  {problem}")));
        lines
    }

    fn links_text(&self) -> String {
        let mut links = table(&["LINK", "PROGRAM", "ID", "TAG", "INSTRUCTIONS"]);
        for link in &self.links {
            let program = self.programs.iter().find(|program| program.id == link.program);
            let instructions = program.and_then(|program| program.verified_instructions);
            links.add_row([
                link.name.clone(),
                program.map(|program| program.name.clone()).unwrap_or_default(),
                link.program.to_string(),
                program.map(|program| program.tag.clone()).unwrap_or_default(),
                instructions.map(|count| count.to_string()).unwrap_or_default(),
            ]);
        }
        lines(links, &[2, 4])
    }

    fn maps_text(&self) -> String {
        let mut maps = table(&["MAP", "ENTRIES", "CAPACITY", "MEMORY"]);
        for map in &self.maps {
            maps.add_row([
                map.name.clone(),
                map.entries.map_or_else(|| "-".into(), |entries| entries.to_string()),
                map.capacity.to_string(),
                map.memory_bytes.map_or_else(|| "-".into(), bytes),
            ]);
        }
        lines(maps, &[1, 2, 3])
    }
}

impl View for Status {
    fn text(&self) -> String {
        let pins = format!("Pins:     {} (layout v{})", self.pin_root.display(), self.layout);
        let head = [vec![pins], self.agent_text()].concat().join("\n");
        [head, self.links_text(), self.maps_text()].join("\n\n")
    }
}

fn names_text(names: &NameCounts) -> Option<String> {
    let NameCounts { tasks, answered, forwarded, failed, refused } = names;
    let text = format!(
        "Names:    {tasks} tasks ask; {answered} answered, {forwarded} by name servers, {failed} not, {refused} refused"
    );
    (*tasks > 0).then_some(text)
}

fn unix_secs(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let record = Record {
            pid: 42,
            node: "n1".into(),
            config: "cluster.toml".into(),
            generation: 7,
            applied_at_unix_secs: 0,
            refused: Some("cluster.toml:3: unknown key".into()),
            problems: vec!["tcp port 80 is in use".into()],
            names: NameCounts { tasks: 2, answered: 7, ..NameCounts::default() },
        };
        let link = LinkEntry { name: "xdp-eth0".into(), id: 3, program: 9 };
        let program = ProgramEntry {
            id: 9,
            name: "xdp_node".into(),
            tag: "00ff".into(),
            loaded_at_unix_secs: Some(1),
            verified_instructions: Some(403),
            translated_instructions: Some(321),
            jited_bytes: 2000,
        };
        let map = MapEntry {
            name: "NAT".into(),
            id: 5,
            kind: "LruHash".into(),
            max_entries: 8,
            memory_bytes: Some(64),
        };
        let maps = vec![MapLine::new(&map, Some(2))];
        let inventory = Inventory { links: vec![link], programs: vec![program], maps: vec![map] };
        Status::new("/p".into(), AgentState::Stopped, Some(record), inventory, maps)
    }

    #[test]
    fn text_says_what_was_refused_and_what_hurts() {
        let text = status().text();
        for part in [
            "not running",
            "Refused:  cluster.toml:3",
            "Problem:  tcp port 80",
            "xdp-eth0",
            "Names:    2 tasks",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }

    #[test]
    fn json_keeps_its_field_names() {
        let json = serde_json::to_value(status()).unwrap();
        assert_eq!(json["agent"], "stopped");
        assert_eq!(json["record"]["generation"], 7);
        assert_eq!(
            json["links"][0],
            serde_json::json!({ "name": "xdp-eth0", "id": 3, "program": 9 })
        );
        assert_eq!(json["maps"][0]["entries"], 2);
    }
}
