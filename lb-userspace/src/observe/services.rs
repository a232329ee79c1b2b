//! `service ls`: one line per service.
use std::collections::BTreeMap;

use lb_common::{
    backend::{STATE_ACTIVE, STATE_DRAINING},
    stats::ServiceStats,
};
use serde::Serialize;

use super::{
    HomeFlow, PortRecord, Snapshot, View,
    flow::count_live,
    view::{bytes, lines, table},
};

/// All services of a node.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ServiceList {
    /// By index.
    pub services: Vec<ServiceLine>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceLine {
    /// Its name.
    pub name: String,
    /// `hash`, `source` or `rr`.
    pub scheduler: &'static str,
    /// `tunnel` or `direct`.
    #[serde(rename = "return")]
    pub return_mode: &'static str,
    /// `PUBLISHED->TARGET/PROTOCOL`.
    pub ports: Vec<String>,
    /// Tasks that take new flows.
    pub tasks_active: usize,
    /// Tasks that keep their flows and take no new ones.
    pub tasks_draining: usize,
    /// Live flows of tasks on this node.
    pub live_flows: u64,
    /// Packets from clients that came in at this node.
    pub entry_packets: u64,
    /// Bytes of them, IP length.
    pub entry_bytes: u64,
    /// Replies of tasks of this node.
    pub reply_packets: u64,
    /// Bytes of them, IP length.
    pub reply_bytes: u64,
}

impl ServiceList {
    /// The list from what is pinned; `stats` by service index.
    #[must_use]
    pub fn new(
        snapshot: &Snapshot,
        stats: &BTreeMap<u16, ServiceStats>,
        flows: &[HomeFlow],
    ) -> Self {
        let live = count_live(flows, |flow| flow.value.service);
        let line = |&index: &u16| {
            let stats = stats.get(&index).copied().unwrap_or_default();
            ServiceLine::new(snapshot, index, stats, live.get(&index).copied().unwrap_or_default())
        };
        Self { services: snapshot.services.keys().filter_map(line).collect() }
    }
}

impl ServiceLine {
    fn new(snapshot: &Snapshot, index: u16, stats: ServiceStats, live_flows: u64) -> Option<Self> {
        let record = snapshot.services.get(&index)?;
        let count = |state| snapshot.tasks_of(index).filter(|(_, t)| t.state == state).count();
        Some(Self {
            name: record.name.clone(),
            scheduler: record.scheduler(),
            return_mode: record.return_mode(),
            ports: snapshot.ports_of(index).map(port_text).collect(),
            tasks_active: count(STATE_ACTIVE),
            tasks_draining: count(STATE_DRAINING),
            live_flows,
            entry_packets: stats.entry_packets,
            entry_bytes: stats.entry_bytes,
            reply_packets: stats.reply_packets,
            reply_bytes: stats.reply_bytes,
        })
    }

    fn cells(&self) -> [String; 9] {
        let draining = match self.tasks_draining {
            0 => String::new(),
            n => format!(" +{n} draining"),
        };
        [
            self.name.clone(),
            self.scheduler.into(),
            self.return_mode.into(),
            self.ports.join(" "),
            format!("{}{draining}", self.tasks_active),
            self.live_flows.to_string(),
            self.entry_packets.to_string(),
            bytes(self.entry_bytes),
            bytes(self.reply_bytes),
        ]
    }
}

/// `80->8080/tcp`.
pub(super) fn port_text(port: &PortRecord) -> String {
    format!("{}->{}/{}", port.port, port.published.target, port.protocol())
}

impl View for ServiceList {
    fn text(&self) -> String {
        let mut table = table(&[
            "NAME",
            "SCHEDULER",
            "RETURN",
            "PORTS",
            "TASKS",
            "FLOWS",
            "PACKETS",
            "IN",
            "OUT",
        ]);
        for service in &self.services {
            table.add_row(service.cells());
        }
        lines(table, &[5, 6, 7, 8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{flow, snapshot};

    fn list() -> ServiceList {
        let stats = ServiceStats { entry_packets: 12, entry_bytes: 3000, ..Default::default() };
        let flows = [flow::sample::flow(1, 0, false), flow::sample::flow(2, 0, true)];
        ServiceList::new(&snapshot::sample::snapshot(), &[(3, stats)].into(), &flows)
    }

    #[test]
    fn json_keeps_its_field_names() {
        let json = serde_json::to_value(list()).unwrap();
        assert_eq!(
            json,
            serde_json::json!([{
                "name": "web", "scheduler": "hash", "return": "tunnel", "ports": ["80->8080/tcp"],
                "tasks_active": 2, "tasks_draining": 1, "live_flows": 1, "entry_packets": 12,
                "entry_bytes": 3000, "reply_packets": 0, "reply_bytes": 0
            }])
        );
    }

    #[test]
    fn text_is_one_line_a_service() {
        let text = list().text();
        let line = text.lines().nth(1).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..6], ["web", "hash", "tunnel", "80->8080/tcp", "2", "+1"]);
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    }
}
