//! The plan as tables for people.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use comfy_table::{Table, presets::NOTHING};

use super::{
    memory::{MapUse, Memory},
    plan::{Elements, Plan, PortPlan, ServicePlan, TaskState},
};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "tunnel  {}/udp, VNI {} (replies {})",
            self.vxlan_port,
            self.mesh_vni,
            self.mesh_vni + 1
        )?;
        writeln!(f, "gateway {}\nhold    {} ms", self.gateway_subnet, self.hold_ms)?;
        section(f, "Nodes", nodes(self))?;
        section(f, "Networks", networks(self))?;
        section(f, "Services", services(self))?;
        section(f, "Virtual IPs", vips(self))?;
        section(f, "Tasks", tasks(self))?;
        section(f, "Memory on each node", memory(&self.memory))?;
        if !self.warnings.is_empty() {
            writeln!(f)?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "{warning}"))
    }
}

/// A titled table; nothing at all where it has no rows.
fn section(f: &mut fmt::Formatter<'_>, title: &str, table: Table) -> fmt::Result {
    if table.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    table.lines().try_for_each(|line| writeln!(f, " {}", line.trim_end()))
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header);
    table
}

fn nodes(plan: &Plan) -> Table {
    let mut table = table(["NODE", "ADDRESS", "INTERFACES", "TASKS"]);
    for node in &plan.nodes {
        let interfaces = match node.interfaces.is_empty() {
            true => "that of the address".to_owned(),
            false => node.interfaces.join(", "),
        };
        table.add_row([
            &node.name,
            &node.address.to_string(),
            &interfaces,
            &node.tasks.to_string(),
        ]);
    }
    table
}

/// A line per subnet.
fn networks(plan: &Plan) -> Table {
    let mut table = table(["NETWORK", "SUBNET", "VNI", "GATEWAY", "INTERNAL", "MTU"]);
    for network in &plan.networks {
        let internal = if network.internal { "yes" } else { "no" };
        let mtu = network.mtu.map_or_else(|| "the tunnel's".to_owned(), |mtu| mtu.to_string());
        for (i, part) in network.subnets.iter().enumerate() {
            let (vni, gateway) = (part.vni.to_string(), part.gateway.to_string());
            let [name, internal, mtu] = match i {
                0 => [&network.name, internal, &mtu],
                _ => [""; 3],
            };
            table.add_row([name, &part.subnet, &vni, &gateway, internal, mtu]);
        }
    }
    table
}

fn services(plan: &Plan) -> Table {
    let mut table =
        table(["SERVICE", "MODE", "SCHEDULER", "RETURN", "PORTS", "TASKS", "ROWS", "BACKENDS"]);
    for service in &plan.services {
        let ports: Vec<String> = service.ports.iter().map(port).collect();
        table.add_row([
            service.name.clone(),
            service.mode.to_owned(),
            scheduler(service),
            service.return_mode.to_owned(),
            ports.join(", "),
            service.tasks.len().to_string(),
            elements(service.rows),
            elements(service.backends),
        ]);
    }
    table
}

fn port(port: &PortPlan) -> String {
    format!("{}->{}/{} {}", port.published, port.target, port.protocol, port.mode)
}

fn elements(elements: Option<Elements>) -> String {
    elements
        .map_or_else(String::new, |Elements { first, len }| format!("{first}-{}", first + len - 1))
}

fn scheduler(service: &ServicePlan) -> String {
    let affinity = if service.client_ip_affinity { " (client-ip)" } else { "" };
    format!("{}{affinity}", service.scheduler)
}

fn vips(plan: &Plan) -> Table {
    let mut table = table(["VIRTUAL IP", "SERVICE@NETWORK", "ROWS", "BACKENDS"]);
    for vip in plan.services.iter().flat_map(|service| &service.vips) {
        let (rows, backends) = (elements(vip.rows), elements(vip.backends));
        table.add_row([&vip.address.to_string(), &vip.name, &rows, &backends]);
    }
    table
}

fn tasks(plan: &Plan) -> Table {
    let mut table = table(["TASK", "NODE", "NAMESPACE", "NUMBER", "WEIGHT", "STATE", "ADDRESSES"]);
    for task in plan.services.iter().flat_map(|service| &service.tasks) {
        let state = match task.state {
            TaskState::Active => "active",
            TaskState::Draining => "draining",
        };
        let (number, weight) = (task.number.to_string(), task.weight.to_string());
        let addresses = addresses(&task.addresses);
        table.add_row([&task.name, &task.node, &task.netns, &number, &weight, state, &addresses]);
    }
    table
}

fn addresses(addresses: &BTreeMap<String, Ipv4Addr>) -> String {
    let each: Vec<_> = addresses.iter().map(|(net, address)| format!("{net} {address}")).collect();
    each.join(", ")
}

fn memory(memory: &Memory) -> Table {
    let mut table = table(["MAP", "USED", "OF", "MEMORY USED"]);
    let maps = memory.maps();
    for (name, MapUse { used, capacity, used_bytes }) in maps {
        table.add_row([name, &used.to_string(), &capacity.to_string(), &bytes(used_bytes)]);
    }
    table.add_row(["all arrays", "", "", &bytes(memory.array_bytes)]);
    table.add_row(["flow tables", "", "", &bytes(memory.flow_bytes)]);
    table
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{} MiB", bytes.div_ceil(1_048_576)),
    }
}
