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
    agent::{DockerRecord, Record},
    dataplane::{Inventory, LinkEntry, MapEntry, ProgramEntry},
    names::NameCounts,
    source::docker::Origin,
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
            format!("Applied:  generation {}, {age} s ago", record.generation),
        ];
        lines.splice(1..1, source_text(record));
        lines.extend(names_text(&record.names));
        lines.extend(record.refused.iter().map(|refused| format!("Refused:  {refused}")));
        lines.extend(record.problems.iter().map(|problem| format!("Problem:  {problem}")));
        let warnings = record.warnings.iter();
        lines.extend(warnings.map(|told| format!("Warning:  {}: {}", told.subject, told.text)));
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

/// Where the agent's knowledge comes from.
fn source_text(record: &Record) -> Vec<String> {
    let Some(docker) = &record.docker else {
        return vec![format!("Config:   {}", record.config.display())];
    };
    let now = unix_secs(SystemTime::now());
    let since = |secs: u64| format!("for {} s", now.saturating_sub(secs));
    let role = if docker.origin.is_manager { "manager" } else { "worker" };
    let engine = match docker.origin.engine_answers {
        true => "answers",
        false => "DOES NOT ANSWER; the last good state stays in force",
    };
    let engine_since = since(docker.engine_since_unix_secs);
    let (facts, facts_since) = (facts_text(docker), since(docker.facts_since_unix_secs));
    let mut lines = vec![
        format!("Source:   Docker Swarm {role}, {}", docker.host),
        format!("Engine:   {engine} ({engine_since})"),
        format!("Facts:    {facts} ({facts_since})"),
    ];
    let problems = docker.origin.trouble.iter().chain(&docker.origin.problems);
    lines.extend(problems.map(|problem| format!("Problem:  {problem}")));
    lines
}

/// Who tells about the Swarm.
fn facts_text(docker: &DockerRecord) -> String {
    match &docker.origin {
        Origin { is_gossip: true, .. } => "from the gossip alone: no manager's agent is heard; \
             protocols, labels and stopping tasks are as a manager told them last"
            .to_owned(),
        Origin { is_manager: true, manager: None, engine_answers: true, .. } => {
            "from this manager's API".to_owned()
        }
        Origin { manager: Some(manager), .. } => format!("from the manager's agent at {manager}"),
        Origin { .. } => "from nobody now; the last ones stay in force".to_owned(),
    }
}

fn unix_secs(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Warning;

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
            ..Record::default()
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

    fn beside_docker(origin: Origin) -> Status {
        let mut status = status();
        let record = status.record.as_mut().expect("there");
        let subject = "ingress network".to_owned();
        record.warnings = vec![Warning { subject, text: "it is encrypted".into() }];
        record.docker = Some(DockerRecord::after(None, "unix:///run/docker.sock", origin, 5));
        status
    }

    #[test]
    fn text_says_where_facts_come_from_and_what_is_not_served() {
        let origin = Origin {
            is_manager: true,
            engine_answers: true,
            manager: None,
            is_gossip: false,
            trouble: None,
            problems: Vec::new(),
        };
        let manager = beside_docker(origin.clone()).text();
        let manager_at = Some("198.18.0.1:7950".to_owned());
        let worker = Origin { is_manager: false, manager: manager_at, ..origin };
        let silent = Origin { engine_answers: false, ..worker.clone() };
        let lost = Origin { is_manager: true, ..silent.clone() };
        let alone = Origin { manager: None, ..lost.clone() };
        let gossip = Origin { manager: None, is_gossip: true, ..worker.clone() };
        for (text, part) in [
            (&manager, "Source:   Docker Swarm manager, unix:///run/docker.sock"),
            (&manager, "Engine:   answers (for "),
            (&manager, "Facts:    from this manager's API (for "),
            (&manager, "Warning:  ingress network: it is encrypted"),
            (&beside_docker(worker).text(), "from the manager's agent at 198.18.0.1:7950"),
            (&beside_docker(silent).text(), "Engine:   DOES NOT ANSWER"),
            (&beside_docker(lost).text(), "from the manager's agent at 198.18.0.1:7950"),
            (&beside_docker(alone).text(), "Facts:    from nobody now"),
            (&beside_docker(gossip).text(), "Facts:    from the gossip alone"),
        ] {
            assert!(text.contains(part) && !text.contains("Config:"), "{part} in:\n{text}");
        }
        assert!(status().text().contains("Config:   cluster.toml"));
    }

    #[test]
    fn json_tells_the_source() {
        let manager = Some("m:1".to_owned());
        let origin = Origin {
            is_manager: false,
            engine_answers: true,
            manager,
            is_gossip: false,
            trouble: None,
            problems: Vec::new(),
        };
        let json = serde_json::to_value(beside_docker(origin)).unwrap();
        let docker = serde_json::json!({
            "host": "unix:///run/docker.sock", "is_manager": false, "engine_answers": true,
            "manager": "m:1", "is_gossip": false, "engine_since_unix_secs": 5,
            "facts_since_unix_secs": 5
        });
        assert_eq!(json["record"]["docker"], docker);
        let warning =
            serde_json::json!({ "subject": "ingress network", "text": "it is encrypted" });
        assert_eq!(json["record"]["warnings"][0], warning);
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
