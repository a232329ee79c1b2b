//! From TOML tables to entries: which keys there are, their types, ranges and defaults.

use toml::de::DeTable;

use super::{
    dns,
    entry::{ClusterEntry, FileEntry, NodeEntry, PublishEntry, ServiceEntry, TaskEntry},
    netns, read_network,
    report::{At, Place, Report},
    section::{Section, Unread},
};
use crate::{
    model::{EndpointMode, Protocol, PublishMode, ReturnMode, Scheduler, Subnet},
    source::{HOLD_MS, MAX_WEIGHT},
};

use lb_common::wire::{MESH_VNI, VXLAN_PORT};

/// Longest hold, a minute, ms.
const MAX_HOLD_MS: u64 = 60_000;
/// Default subnet of gateway legs.
const GATEWAY: Subnet = Subnet { addr: std::net::Ipv4Addr::new(172, 31, 0, 0), prefix: 16 };

/// Reads the whole file.
pub(super) fn file(root: &DeTable<'_>, report: &mut Report) -> FileEntry {
    let place = Place::entry(1, "");
    let known = ["cluster", "node", "network", "service", "dns"];
    let mut section = Unread { table: root, place: place.clone() }.open(&known, report);
    let (cluster_table, dns_table) = (section.table("cluster"), section.table("dns"));
    let (nodes, networks) = (section.tables("node"), section.tables("network"));
    let services = section.tables("service");
    let empty = DeTable::new();
    let or_empty =
        |table: Option<_>| table.unwrap_or_else(|| Unread { table: &empty, place: place.clone() });
    FileEntry {
        cluster: cluster(or_empty(cluster_table), report),
        nodes: each(nodes, report, node),
        networks: each(networks, report, read_network::network),
        services: each(services, report, service),
        dns: dns::dns(or_empty(dns_table), report),
    }
}

/// Reads each of several tables; those that lack what all else hangs on have been reported.
fn each<'t, 'i, T>(
    tables: Vec<Unread<'t, 'i>>,
    report: &mut Report,
    read: fn(Unread<'t, 'i>, &mut Report) -> Option<T>,
) -> Vec<T> {
    tables.into_iter().filter_map(|table| read(table, report)).collect()
}

fn cluster(table: Unread<'_, '_>, report: &mut Report) -> ClusterEntry {
    let known = ["vxlan_port", "seed", "seed_file", "mesh_vni", "gateway_subnet", "hold_ms"];
    let table = Unread { place: Place::entry(table.place.line, "[cluster]"), ..table };
    let mut section = table.open(&known, report);
    ClusterEntry {
        vxlan_port: integer_or(&mut section, "vxlan_port", 1024..=49151, VXLAN_PORT),
        mesh_vni: integer_or(&mut section, "mesh_vni", 1..=4094, MESH_VNI),
        gateway: section
            .subnet("gateway_subnet", 16..=29)
            .unwrap_or_else(|| section.default(GATEWAY)),
        hold_ms: integer_or(&mut section, "hold_ms", 0..=MAX_HOLD_MS, HOLD_MS).value,
        seed: section.string("seed"),
        seed_file: section.string("seed_file"),
    }
}

fn node(table: Unread<'_, '_>, report: &mut Report) -> Option<NodeEntry> {
    let mut section = table.named("node").open(&["name", "address", "interfaces"], report);
    let name = section.required_string("name");
    let address = section.required_address("address");
    let interfaces = section.strings("interfaces");
    Some(NodeEntry { name: name?, address, interfaces })
}

fn service(table: Unread<'_, '_>, report: &mut Report) -> Option<ServiceEntry> {
    let known = [
        "name",
        "aliases",
        "networks",
        "mode",
        "scheduler",
        "affinity",
        "return",
        "publish",
        "vip",
        "task",
    ];
    let mut section = table.named("service").open(&known, report);
    let name = section.required_string("name");
    let (aliases, networks) = (section.strings("aliases"), section.strings("networks"));
    let vip = section.addresses("vip");
    let (mode, return_mode) = (endpoint_mode(&mut section), return_mode(&mut section));
    let scheduler = scheduler(&mut section);
    let affinity = section.choice("affinity", &[("client-ip", ())]).map(|affinity| affinity.place);
    let (publish, tasks) = (section.tables("publish"), section.tables("task"));
    let service = section.place.entry_name().to_owned();
    let tasks = tasks.into_iter().map(|table| within(&service, table)).collect();
    let (publish, tasks) = (each(publish, report, published), each(tasks, report, task));
    Some(ServiceEntry {
        name: name?,
        aliases,
        networks,
        mode,
        scheduler,
        affinity,
        return_mode,
        publish,
        vip,
        tasks,
    })
}

/// The task's place: `service "web", task "web.1"`.
fn within<'t, 'i>(service: &str, table: Unread<'t, 'i>) -> Unread<'t, 'i> {
    let anonymous = table.place.to_string();
    let named = table.named("task");
    if named.place.to_string() == anonymous {
        return named;
    }
    let entry = match service {
        "" => named.place.entry_name().to_owned(),
        service => format!("{service}, {}", named.place.entry_name()),
    };
    Unread { place: Place::entry(named.place.line, entry), ..named }
}

fn published(table: Unread<'_, '_>, report: &mut Report) -> Option<PublishEntry> {
    let mut section = table.open(&["published", "target", "protocol", "mode"], report);
    let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
    let modes = [("ingress", PublishMode::Ingress), ("host", PublishMode::Host)];
    let published = required_port(&mut section, "published");
    let target = required_port(&mut section, "target");
    let protocol = section.choice("protocol", &protocols).map_or(Protocol::Tcp, |at| at.value);
    let mode = section.choice("mode", &modes).map_or(PublishMode::Ingress, |at| at.value);
    let place = section.place;
    Some(PublishEntry { place, published: published?, target: target?.value, protocol, mode })
}

fn task(table: Unread<'_, '_>, report: &mut Report) -> Option<TaskEntry> {
    let known = ["name", "node", "netns", "weight", "addresses", "macs", "number"];
    let mut section = table.open(&known, report);
    let name = section.required_string("name");
    let node = section.required_string("node");
    let netns = section.required_string("netns");
    let netns = netns.and_then(|text| netns::parse(text, section.report));
    let weight = integer_or(&mut section, "weight", 0..=MAX_WEIGHT, 1).value;
    let number = section.integer("number", 1..=u16::MAX);
    let (addresses, macs) = (section.addresses("addresses"), section.macs("macs"));
    Some(TaskEntry { name: name?, node, netns, weight, addresses, macs, number })
}

fn endpoint_mode(section: &mut Section<'_, '_, '_>) -> EndpointMode {
    let words = [("vip", EndpointMode::Vip), ("dnsrr", EndpointMode::Dnsrr)];
    section.choice("mode", &words).map_or(EndpointMode::Vip, |mode| mode.value)
}

fn scheduler(section: &mut Section<'_, '_, '_>) -> Scheduler {
    let words =
        [("hash", Scheduler::Hash), ("source", Scheduler::Source), ("rr", Scheduler::RoundRobin)];
    section.choice("scheduler", &words).map_or(Scheduler::Hash, |scheduler| scheduler.value)
}

fn return_mode(section: &mut Section<'_, '_, '_>) -> ReturnMode {
    let words = [("tunnel", ReturnMode::Tunnel), ("direct", ReturnMode::Direct)];
    section.choice("return", &words).map_or(ReturnMode::Tunnel, |mode| mode.value)
}

fn required_port(section: &mut Section<'_, '_, '_>, key: &str) -> Option<At<u16>> {
    if !section.has(key) {
        section.report.add(
            &section.place,
            format!("{key} is missing"),
            format!("add {key} = PORT"),
        );
    }
    section.integer(key, 1..=u16::MAX)
}

fn integer_or<T>(
    section: &mut Section<'_, '_, '_>,
    key: &str,
    range: std::ops::RangeInclusive<T>,
    default: T,
) -> At<T>
where
    T: Copy + std::fmt::Display + PartialOrd + TryFrom<i128>,
{
    section.integer(key, range).unwrap_or_else(|| section.default(default))
}
