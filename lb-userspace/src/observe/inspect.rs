//! `service inspect NAME`: everything that is pinned of one service, but never the hash key or the
//! seed, with which a client could aim its flows.
use std::collections::BTreeMap;

use lb_common::{
    backend::Backend,
    row::{BackendNumber, ROW_LEN, Row},
    service::{FLAG_CLIENT_IP, Range},
    stats::ServiceStats,
};
use serde::Serialize;

use super::{
    ObserveError, RowShares, ServiceRecord, Snapshot, TaskRecord, View, Vip, VipLine,
    services::port_text,
    view::{bytes, lines, percent, table},
};
use crate::source::Warning;

/// One service in full.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceDetail {
    /// Its name.
    pub name: String,
    /// Index into `SERVICES`.
    pub index: u16,
    /// `hash`, `source` or `rr`.
    pub scheduler: &'static str,
    /// `tunnel` or `direct`.
    #[serde(rename = "return")]
    pub return_mode: &'static str,
    /// Beside Docker, what the service's labels `swarmlb.*` come to, defaults among them.
    pub labels: BTreeMap<&'static str, String>,
    /// What is wrong with its labels or ports.
    pub complaints: Vec<String>,
    /// `PUBLISHED->TARGET/PROTOCOL`.
    pub ports: Vec<String>,
    /// Its virtual IPs, each a service of its own in the maps.
    pub vips: Vec<VipDetail>,
    /// Its range in `ROWS`; none where no backend takes new flows.
    pub rows: Option<RangeDetail>,
    /// Its range in `BACKENDS`.
    pub backend_range: Option<RangeDetail>,
    /// Rows by number of former owners they remember: none, one, two, three.
    pub history_depth: [u32; ROW_LEN],
    /// By number.
    pub backends: Vec<BackendDetail>,
    /// Counters of this node, those of virtual IPs not among them.
    pub stats: StatsDetail,
}

/// A virtual IP. `service inspect NAME@NETWORK` says the rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VipDetail {
    /// Network and address.
    #[serde(flatten)]
    pub vip: VipLine,
    /// Index into `SERVICES`.
    pub index: u16,
    /// Its range in `ROWS`; none where no backend takes new flows.
    pub rows: Option<RangeDetail>,
    /// Its range in `BACKENDS`.
    pub backend_range: Option<RangeDetail>,
    /// Counters of this node.
    pub stats: StatsDetail,
}

/// A range in a flat map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RangeDetail {
    /// First element.
    pub base: u32,
    /// Elements.
    pub count: u32,
    /// Counts changes.
    pub generation: u16,
    /// Memory of the range.
    pub memory_bytes: u64,
}

/// One backend in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendDetail {
    /// Its number.
    pub number: BackendNumber,
    /// Name of the task.
    pub task: String,
    /// Name of its node.
    pub node: String,
    /// `active`, `draining` or `no leg`.
    pub state: &'static str,
    /// Weight; 0 drains.
    pub weight: u16,
    /// Rows that it owns.
    pub rows: u32,
    /// The same in per cent: its share of new flows.
    pub share_percent: f64,
    /// Rows that remember it as a former owner.
    pub former_rows: u32,
    /// Counts the lives of this number.
    pub generation: u8,
}

/// Counters of one service at one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatsDetail {
    /// Packets from clients that came in here.
    pub entry_packets: u64,
    /// Bytes of them, IP length.
    pub entry_bytes: u64,
    /// New flows among them.
    pub entry_flows: u64,
    /// Packets handed to tasks of this node.
    pub home_packets: u64,
    /// Replies of tasks of this node.
    pub reply_packets: u64,
    /// Bytes of them, IP length.
    pub reply_bytes: u64,
    /// Segments sent on to a former owner.
    pub second_chances: u64,
    /// Flows rebuilt from a task's socket table.
    pub rebuilt: u64,
}

impl ServiceDetail {
    /// The detail from what is pinned; `rows` and `backends` are the service's, `stats` by service
    /// index. `warnings` are the agent's, of any service.
    ///
    /// # Errors
    /// [`ObserveError::UnknownService`].
    pub fn new(
        snapshot: &Snapshot,
        name: &str,
        rows: &[Row],
        backends: &BTreeMap<BackendNumber, Backend>,
        stats: &BTreeMap<u16, ServiceStats>,
        warnings: &[Warning],
    ) -> Result<Self, ObserveError> {
        let (index, record) = snapshot.service(name)?;
        let complaints = warnings.iter().filter(|warning| warning.is_of_service(name));
        let shares = RowShares::of(rows);
        let (here, attached) = (snapshot.self_name(), snapshot.attached());
        let detail = |(number, task): (BackendNumber, &TaskRecord)| {
            let state = task.state_name(here, attached.contains(task.name.as_str()));
            BackendDetail::new(number, task, state, &shares, backends)
        };
        let stats_of = |index: u16| stats.get(&index).copied().unwrap_or_default().into();
        let vip = |vip: Vip<'_>| VipDetail::new(&vip, stats_of(vip.index));
        Ok(Self {
            name: record.name.clone(),
            index,
            scheduler: record.scheduler(),
            return_mode: record.return_mode(),
            labels: labels(snapshot, index, record),
            complaints: complaints.map(|warning| warning.text.clone()).collect(),
            ports: snapshot.ports_of(index).map(port_text).collect(),
            vips: snapshot.vips_of(&record.name).map(vip).collect(),
            rows: RangeDetail::of::<Row>(record.service.rows),
            backend_range: RangeDetail::of::<Backend>(record.service.backends),
            history_depth: shares.depth,
            backends: snapshot.tasks_of(index).map(detail).collect(),
            stats: stats_of(index),
        })
    }
}

/// The labels that would give what is in force.
fn labels(
    snapshot: &Snapshot,
    index: u16,
    record: &ServiceRecord,
) -> BTreeMap<&'static str, String> {
    if !snapshot.is_beside_docker() {
        return BTreeMap::new();
    }
    let affinity = if record.service.flags & FLAG_CLIENT_IP == 0 { "none" } else { "client-ip" };
    let weight = snapshot.tasks_of(index).map(|(_, task)| task.weight).max();
    let weight = weight.map(|weight| ("swarmlb.weight", weight.to_string()));
    let labels = [
        ("swarmlb.scheduler", record.scheduler().to_owned()),
        ("swarmlb.affinity", affinity.to_owned()),
        ("swarmlb.return", record.return_mode().to_owned()),
    ];
    labels.into_iter().chain(weight).collect()
}

impl VipDetail {
    fn new(vip: &Vip<'_>, stats: StatsDetail) -> Self {
        Self {
            vip: VipLine::new(vip),
            index: vip.index,
            rows: RangeDetail::of::<Row>(vip.record.service.rows),
            backend_range: RangeDetail::of::<Backend>(vip.record.service.backends),
            stats,
        }
    }

    fn text(&self) -> String {
        let rows = self.rows.map_or(0, |rows| rows.count);
        let StatsDetail { entry_packets, entry_flows, .. } = self.stats;
        let (address, network) = (self.vip.text(), &self.vip.network);
        format!(
            "Virtual IP: {address} in {network}, {rows} rows; {entry_packets} packets from tasks \
             here, {entry_flows} flows"
        )
    }
}

impl RangeDetail {
    /// The range that `word` packs, of elements of type `T`.
    fn of<T>(word: u64) -> Option<Self> {
        let range = Range::unpack(word)?;
        Some(Self {
            base: range.base,
            count: range.len(),
            generation: range.generation,
            memory_bytes: u64::from(range.len()) * size_of::<T>() as u64,
        })
    }
}

impl BackendDetail {
    fn new(
        number: BackendNumber,
        task: &TaskRecord,
        state: &'static str,
        shares: &RowShares,
        backends: &BTreeMap<BackendNumber, Backend>,
    ) -> Self {
        let rows = shares.owned_by(number);
        Self {
            number,
            task: task.name.clone(),
            node: task.node.clone(),
            state,
            weight: task.weight,
            rows,
            share_percent: percent(rows, shares.total),
            former_rows: shares.former.get(&number).copied().unwrap_or_default(),
            generation: backends.get(&number).copied().unwrap_or_default().generation,
        }
    }

    fn cells(&self) -> [String; 8] {
        [
            self.number.to_string(),
            self.task.clone(),
            self.node.clone(),
            self.state.into(),
            self.weight.to_string(),
            self.rows.to_string(),
            format!("{:.1} %", self.share_percent),
            self.former_rows.to_string(),
        ]
    }
}

impl From<ServiceStats> for StatsDetail {
    fn from(stats: ServiceStats) -> Self {
        Self {
            entry_packets: stats.entry_packets,
            entry_bytes: stats.entry_bytes,
            entry_flows: stats.entry_flows,
            home_packets: stats.home_packets,
            reply_packets: stats.reply_packets,
            reply_bytes: stats.reply_bytes,
            second_chances: stats.second_chances,
            rebuilt: stats.rebuilt,
        }
    }
}

impl View for ServiceDetail {
    fn text(&self) -> String {
        let range = |range: Option<RangeDetail>| range.map_or_else(|| "none".into(), range_text);
        let [none, one, two, three] = self.history_depth;
        let mut backends =
            table(&["NUMBER", "TASK", "NODE", "STATE", "WEIGHT", "ROWS", "SHARE", "FORMER"]);
        for backend in &self.backends {
            backends.add_row(backend.cells());
        }
        let ports = if self.ports.is_empty() { "none".into() } else { self.ports.join(" ") };
        let mut text = vec![
            format!("Name:       {} (index {})", self.name, self.index),
            format!("Scheduler:  {}", self.scheduler),
            format!("Return:     {}", self.return_mode),
            format!("Ports:      {ports}"),
        ];
        if !self.labels.is_empty() {
            let label = |(label, value): (&&str, &String)| format!("{label}={value}");
            let labels: Vec<_> = self.labels.iter().map(label).collect();
            text.push(format!("Labels:     {}", labels.join(" ")));
        }
        text.extend(self.complaints.iter().map(|complaint| format!("Complaint:  {complaint}")));
        text.extend(self.vips.iter().map(VipDetail::text));
        text.extend([
            format!("Rows:       {}", range(self.rows)),
            format!("Backends:   {}", range(self.backend_range)),
            format!("History:    {none} rows remember nobody, {one} one, {two} two, {three} three"),
            stats_text(self.stats),
            String::new(),
            lines(backends, &[0, 4, 5, 6, 7]),
        ]);
        text.join("\n")
    }
}

fn range_text(range: RangeDetail) -> String {
    let RangeDetail { base, count, generation, memory_bytes } = range;
    let last = base + (count - 1);
    format!("{count} ({base}..={last}), generation {generation}, {}", bytes(memory_bytes))
}

fn stats_text(stats: StatsDetail) -> String {
    format!(
        "In here:    {} packets, {}, {} flows\nTo tasks:   {} packets here\nReplies:    {} packets, {}\nRescued:    {} sent on to a former owner, {} rebuilt from sockets",
        stats.entry_packets,
        bytes(stats.entry_bytes),
        stats.entry_flows,
        stats.home_packets,
        stats.reply_packets,
        bytes(stats.reply_bytes),
        stats.second_chances,
        stats.rebuilt,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sample;

    fn detail() -> ServiceDetail {
        detail_of(&sample::snapshot(), &[])
    }

    fn detail_of(snapshot: &Snapshot, warnings: &[Warning]) -> ServiceDetail {
        let rows = [Row::of(1), Row::of(2), Row { backends: [1, 3, 0, 0] }, Row::of(2)];
        let backends = BTreeMap::from([(2, Backend { generation: 5, ..Default::default() })]);
        let stats = |entry_flows| ServiceStats { entry_flows, ..Default::default() };
        let stats = [(3, stats(4)), (4, stats(7))].into();
        ServiceDetail::new(snapshot, "web", &rows, &backends, &stats, warnings).unwrap()
    }

    #[test]
    fn rows_and_shares_are_counted() {
        let detail = detail();
        let range = RangeDetail { base: 256, count: 4, generation: 9, memory_bytes: 32 };
        assert_eq!(detail.rows, Some(range));
        assert_eq!(detail.history_depth, [3, 1, 0, 0]);
        let two = &detail.backends[1];
        assert_eq!((two.rows, two.share_percent, two.generation), (2, 50.0, 5));
        assert_eq!(detail.backends[2].former_rows, 1);
    }

    #[test]
    fn virtual_ips_are_told_with_their_own_counters() {
        let detail = detail();
        assert_eq!((detail.stats.entry_flows, detail.vips[0].stats.entry_flows), (4, 7));
        let json = serde_json::to_value(&detail).unwrap();
        assert_eq!(json["vips"][0]["address"], "10.20.0.9");
        assert_eq!(json["vips"][0]["rows"]["base"], 512);
        assert!(detail.text().contains("Virtual IP: 10.20.0.9 in net, 4 rows"));
    }

    #[test]
    fn labels_in_force_and_complaints_about_wrong_ones_are_shown() {
        let warnings = ["web", "cli"].map(|name| Warning::of_service(name, "label x=y is wrong"));
        let detail = detail_of(&sample::beside_docker(), &warnings);
        let json = serde_json::to_value(&detail).unwrap();
        let labels = serde_json::json!({
            "swarmlb.scheduler": "hash", "swarmlb.affinity": "none", "swarmlb.return": "tunnel",
            "swarmlb.weight": "1"
        });
        assert_eq!((&json["labels"], json["complaints"].as_array().unwrap().len()), (&labels, 1));
        let text = detail.text();
        assert!(text.contains("Complaint:  label x=y is wrong"), "{text}");
        assert!(text.contains("swarmlb.scheduler=hash"), "{text}");
        assert!(!self::detail().text().contains("swarmlb."));
    }

    #[test]
    fn the_seed_is_never_shown() {
        let detail = detail();
        let seed = 0xdead_beef_u32;
        for shown in [serde_json::to_string(&detail).unwrap(), detail.text()] {
            assert!(!shown.contains("seed") && !shown.contains(&seed.to_string()), "{shown}");
            assert!(!shown.contains(&format!("{seed:x}")), "{shown}");
        }
    }

    #[test]
    fn text_says_where_the_rows_lie() {
        assert!(detail().text().contains("4 (256..=259), generation 9, 32 B"));
    }
}
