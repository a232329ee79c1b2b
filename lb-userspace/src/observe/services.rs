//! `service ls`: one line per service.
use std::{collections::BTreeMap, net::Ipv4Addr};

use lb_common::{
    backend::{STATE_ACTIVE, STATE_DRAINING},
    stats::ServiceStats,
};
use serde::Serialize;

use super::{
    HomeFlow, PortRecord, Snapshot, View, Vip,
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
    /// Its virtual IPs; what goes to them counts as what goes to published ports.
    pub vips: Vec<VipLine>,
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

/// A virtual IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VipLine {
    /// Its network.
    pub network: String,
    /// The address; `null` where nobody has it (yet).
    pub address: Option<Ipv4Addr>,
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
            ServiceLine::new(snapshot, index, stats, live.get(&index).copied().unwrap_or_default())
        };
        Self { services: snapshot.services.keys().filter_map(line).collect() }
    }
}

impl ServiceLine {
    /// The line of a service that is no virtual IP.
    fn new(
        snapshot: &Snapshot,
        index: u16,
        stats: &BTreeMap<u16, ServiceStats>,
        live_flows: u64,
    ) -> Option<Self> {
        let record = snapshot.services.get(&index).filter(|record| record.vip_of().is_none())?;
        let vips: Vec<_> = snapshot.vips_of(&record.name).collect();
        let counted = || vips.iter().map(|vip| vip.index).chain([index]);
        let sum = |field: fn(&ServiceStats) -> u64| {
            counted().filter_map(|index| stats.get(&index)).map(field).sum()
        };
        let count = |state| snapshot.tasks_of(index).filter(|(_, t)| t.state == state).count();
        Some(Self {
            name: record.name.clone(),
            scheduler: record.scheduler(),
            return_mode: record.return_mode(),
            vips: vips.iter().map(VipLine::new).collect(),
            ports: snapshot.ports_of(index).map(port_text).collect(),
            tasks_active: count(STATE_ACTIVE),
            tasks_draining: count(STATE_DRAINING),
            live_flows,
            entry_packets: sum(|stats| stats.entry_packets),
            entry_bytes: sum(|stats| stats.entry_bytes),
            reply_packets: sum(|stats| stats.reply_packets),
            reply_bytes: sum(|stats| stats.reply_bytes),
        })
    }

    fn cells(&self) -> [String; 10] {
        let draining = match self.tasks_draining {
            0 => String::new(),
            n => format!(" +{n} draining"),
        };
        [
            self.name.clone(),
            self.scheduler.into(),
            self.return_mode.into(),
            self.vips.iter().map(VipLine::text).collect::<Vec<_>>().join(" "),
            self.ports.join(" "),
            format!("{}{draining}", self.tasks_active),
            self.live_flows.to_string(),
            self.entry_packets.to_string(),
            bytes(self.entry_bytes),
            bytes(self.reply_bytes),
        ]
    }
}

impl VipLine {
    /// The line of a virtual IP.
    pub(super) fn new(vip: &Vip<'_>) -> Self {
        Self { network: vip.network.into(), address: vip.address }
    }

    /// The address, `-` without one.
    pub(super) fn text(&self) -> String {
        self.address.map_or_else(|| "-".into(), |address| address.to_string())
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
            "VIRTUAL IP",
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
        lines(table, &[6, 7, 8, 9])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{flow, sample};

    fn list() -> ServiceList {
        let stats = ServiceStats { entry_packets: 12, entry_bytes: 3000, ..Default::default() };
        let flows = [flow::sample::flow(1, 0, false), flow::sample::flow(2, 0, true)];
        let dialled = ServiceStats { entry_packets: 5, entry_bytes: 500, ..Default::default() };
        ServiceList::new(&sample::snapshot(), &[(3, stats), (4, dialled)].into(), &flows)
    }

    #[test]
    fn json_keeps_its_field_names() {
        let json = serde_json::to_value(list()).unwrap();
        assert_eq!(
            json[0],
            serde_json::json!({
                "name": "web", "scheduler": "hash", "return": "tunnel", "ports": ["80->8080/tcp"],
                "vips": [{ "network": "net", "address": "10.20.0.9" }],
                "tasks_active": 2, "tasks_draining": 1, "live_flows": 1, "entry_packets": 17,
                "entry_bytes": 3500, "reply_packets": 0, "reply_bytes": 0
            })
        );
    }

    #[test]
    fn virtual_ips_are_no_services_of_their_own() {
        let names: Vec<_> = list().services.into_iter().map(|service| service.name).collect();
        assert_eq!(names, ["web", "cli"]);
    }

    #[test]
    fn text_is_one_line_a_service() {
        let text = list().text();
        let line = text.lines().nth(1).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..6], ["web", "hash", "tunnel", "10.20.0.9", "80->8080/tcp", "2"]);
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    }
}
