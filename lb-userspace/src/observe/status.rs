//! `status`: what is pinned and running at this node, and how the agent fares.
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use aya::programs::ProgramInfo;
use lb_common::LAYOUT_VERSION;
use serde::Serialize;

use super::{
    MapUse, PinnedLink, View,
    view::{bytes, lines, table},
};
use crate::agent::Record;

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
    pub links: Vec<PinnedLink>,
    /// Their programs.
    pub programs: Vec<ProgramLine>,
    /// Large maps and maps that fill up.
    pub maps: Vec<MapUse>,
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

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgramLine {
    /// The kernel's id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The kernel's hash of its instructions.
    pub tag: String,
    /// When it was loaded, seconds since 1970.
    pub loaded_at_unix_secs: Option<u64>,
    /// Instructions that the verifier walked.
    pub verified_instructions: Option<u32>,
}

impl ProgramLine {
    /// From what the kernel says.
    pub(super) fn from_info(info: &ProgramInfo) -> Self {
        Self {
            id: info.id(),
            name: info.name_as_str().unwrap_or_default().into(),
            tag: format!("{:016x}", info.tag().swap_bytes()),
            loaded_at_unix_secs: info.loaded_at().map(unix_secs),
            verified_instructions: info.verified_instruction_count(),
        }
    }
}

impl Status {
    /// Puts together what `pins` and the state directory say.
    #[must_use]
    pub const fn new(
        pin_root: PathBuf,
        agent: AgentState,
        record: Option<Record>,
        links: Vec<PinnedLink>,
        programs: Vec<ProgramLine>,
        maps: Vec<MapUse>,
    ) -> Self {
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
        lines.extend(record.refused.iter().map(|refused| format!("Refused:  {refused}")));
        lines.extend(record.problems.iter().map(|problem| format!("Problem:  {problem}")));
        lines
    }

    fn links_text(&self) -> String {
        let mut links = table(&["LINK", "PROGRAM", "ID", "TAG", "INSTRUCTIONS"]);
        for link in &self.links {
            let program = self.programs.iter().find(|program| program.id == link.program_id);
            let instructions = program.and_then(|program| program.verified_instructions);
            links.add_row([
                link.name.clone(),
                program.map(|program| program.name.clone()).unwrap_or_default(),
                link.program_id.to_string(),
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
                map.name.to_string(),
                map.entries.map_or_else(|| "-".into(), |entries| entries.to_string()),
                map.capacity.to_string(),
                bytes(map.memory_bytes),
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
        };
        let link = PinnedLink { name: "xdp-eth0".into(), program_id: 9 };
        let program = ProgramLine {
            id: 9,
            name: "xdp_node".into(),
            tag: "00ff".into(),
            loaded_at_unix_secs: Some(1),
            verified_instructions: Some(403),
        };
        let map = MapUse { name: "NAT", capacity: 8, entries: Some(2), memory_bytes: 64 };
        Status::new(
            "/p".into(),
            AgentState::Stopped,
            Some(record),
            vec![link],
            vec![program],
            vec![map],
        )
    }

    #[test]
    fn text_says_what_was_refused_and_what_hurts() {
        let text = status().text();
        for part in ["not running", "Refused:  cluster.toml:3", "Problem:  tcp port 80", "xdp-eth0"]
        {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }

    #[test]
    fn json_keeps_its_field_names() {
        let json = serde_json::to_value(status()).unwrap();
        assert_eq!(json["agent"], "stopped");
        assert_eq!(json["record"]["generation"], 7);
        assert_eq!(json["links"][0], serde_json::json!({ "name": "xdp-eth0", "program_id": 9 }));
        assert_eq!(json["maps"][0]["entries"], 2);
    }
}
