//! `network ls`: each network with its subnets.
use std::{collections::BTreeMap, net::Ipv4Addr};

use lb_common::endpoint::{ENDPOINT_TASK, ENDPOINT_VIP};
use serde::Serialize;

use super::{
    NetworkRecord, Snapshot, View,
    view::{lines, table},
};

/// All networks.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct NetworkList {
    /// By name.
    pub networks: Vec<NetworkLine>,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkLine {
    /// Its name.
    pub name: String,
    /// By address.
    pub subnets: Vec<SubnetLine>,
    /// No way out.
    pub internal: bool,
    /// Virtual IPs in it.
    pub vips: usize,
    /// Tasks in it, on all nodes.
    pub tasks: usize,
}

/// A subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubnetLine {
    /// VXLAN network identifier.
    pub vni: u32,
    /// In CIDR notation.
    pub subnet: String,
    /// The address that answers as its gateway.
    pub gateway: Ipv4Addr,
}

impl NetworkList {
    /// The list from what is pinned.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut networks: BTreeMap<&str, NetworkLine> = BTreeMap::new();
        let mut parts: Vec<_> = snapshot.networks.iter().collect();
        parts.sort_by_key(|(_, record)| record.subnet);
        for (&vni, record) in parts {
            let empty = || NetworkLine::empty(record);
            let network = networks.entry(&record.name).or_insert_with(empty);
            network.subnets.push(SubnetLine::new(vni, record));
        }
        for (_, member) in snapshot.members() {
            let record = snapshot.networks.get(&member.endpoint.vni);
            let network = record.and_then(|record| networks.get_mut(record.name.as_str()));
            match (network, member.endpoint.kind) {
                (Some(network), ENDPOINT_VIP) => network.vips += 1,
                (Some(network), ENDPOINT_TASK) => network.tasks += 1,
                _ => {}
            }
        }
        Self { networks: networks.into_values().collect() }
    }
}

impl NetworkLine {
    fn empty(record: &NetworkRecord) -> Self {
        let (name, internal) = (record.name.clone(), record.internal);
        Self { name, subnets: Vec::new(), internal, vips: 0, tasks: 0 }
    }
}

impl SubnetLine {
    /// The line of the subnet with that VNI.
    pub(super) fn new(vni: u32, record: &NetworkRecord) -> Self {
        Self { vni, subnet: record.subnet.to_string(), gateway: record.gateway }
    }
}

/// `yes` or `no`.
pub(super) const fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

impl View for NetworkList {
    fn text(&self) -> String {
        let mut table =
            table(&["NAME", "VNI", "SUBNET", "GATEWAY", "INTERNAL", "VIRTUAL IPS", "TASKS"]);
        for network in &self.networks {
            let (vips, tasks) = (network.vips.to_string(), network.tasks.to_string());
            for (i, part) in network.subnets.iter().enumerate() {
                let (vni, gateway) = (part.vni.to_string(), part.gateway.to_string());
                let [name, internal, vips, tasks] = match i {
                    0 => [network.name.as_str(), yes(network.internal), &vips, &tasks],
                    _ => [""; 4],
                };
                table.add_row([name, &vni, &part.subnet, &gateway, internal, vips, tasks]);
            }
        }
        lines(table, &[1, 5, 6])
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn json_keeps_its_field_names() {
        let json = serde_json::to_value(NetworkList::new(&sample::snapshot())).unwrap();
        assert_eq!(
            json,
            serde_json::json!([{
                "name": "net", "internal": false, "vips": 1, "tasks": 3, "subnets": [
                    { "vni": 5001, "subnet": "10.20.0.0/24", "gateway": "10.20.0.1" },
                    { "vni": 5000, "subnet": "10.20.1.0/24", "gateway": "10.20.1.1" }
                ]
            }])
        );
    }

    #[test]
    fn text_is_one_line_a_subnet() {
        let text = NetworkList::new(&sample::snapshot()).text();
        let words = |line: usize| -> Vec<&str> {
            text.lines().nth(line).unwrap_or_default().split_whitespace().collect()
        };
        assert_eq!(words(1), ["net", "5001", "10.20.0.0/24", "10.20.0.1", "no", "1", "3"]);
        assert_eq!(words(2), ["5000", "10.20.1.0/24", "10.20.1.1"]);
    }
}
