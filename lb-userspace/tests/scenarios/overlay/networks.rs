//! Several networks, several subnets, networks without a way out, and networks whose every value is
//! given.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{
    NetworkTable, Ns, ServiceTable, Session as _, Sessions, TcpSession, dial, eventually, ping,
};

use super::bed::{Bed, PATIENCE, PORT};

/// How long nothing has to come.
const A_MOMENT: Duration = Duration::from_secs(1);

#[test]
fn a_service_in_two_networks_bridges_neither() -> Result<()> {
    let networks = [("front", "10.60.0.0/24", 6001), ("back", "10.61.0.0/24", 6101)];
    let networks = networks.map(|(name, subnet, vni)| NetworkTable::new(name).subnet(subnet, vni));
    let services = [("web", &["front"][..]), ("app", &["front", "back"]), ("db", &["back"])];
    let tables = services.map(|(name, networks)| {
        networks.iter().fold(ServiceTable::new(name), |table, network| table.network(network))
    });
    let tasks: [(&str, &[&str]); 3] = [("web", &["n1"]), ("app", &["n2"]), ("db", &["n3"])];
    let bed = Bed::with(networks.into(), tables.into(), &tasks, |_, _| None)?;
    let at = |task: &str, within: &str| own(&bed, task, within);
    let (front, back) = (at("app.1", "10.60.")?, at("app.1", "10.61.")?);
    let db = at("db.1", "10.61.")?;
    for (from, to) in [("web.1", front), ("db.1", back), ("app.1", db)] {
        reach(bed.task(from), to)?;
    }
    for to in [back, db] {
        let dialled = dial(bed.task("web.1"), to, 0, A_MOMENT)?;
        ensure!(dialled.is_err(), "web.1 reaches {to}, which is in another network");
    }
    Ok(())
}

#[test]
fn tasks_in_different_subnets_of_a_network_reach_each_other() -> Result<()> {
    let subnets = [("10.62.0.0/24", 6201), ("10.63.0.0/24", 6301)];
    let network = NetworkTable::new("wide").subnets(&subnets);
    let tables = ["a", "b"].map(|name| ServiceTable::new(name).network("wide"));
    let tables: Vec<_> = tables
        .into_iter()
        .zip(["10.62.0.100", "10.63.0.100"])
        .map(|(table, vip)| table.key("vip", format_args!("{{ wide = \"{vip}\" }}")))
        .collect();
    let tasks: [(&str, &[&str]); 2] = [("a", &["n1", "n2"]), ("b", &["n2", "n3"])];
    let bed = Bed::with(vec![network], tables, &tasks, |_, task| {
        let last = match task {
            "a.1" => [62, 0, 11],
            "a.2" => [62, 0, 12],
            "b.1" => [63, 0, 11],
            _ => [63, 0, 12],
        };
        Some(("wide", Ipv4Addr::new(10, last[0], last[1], last[2])))
    })?;
    let targets =
        ["10.62.0.11", "10.62.0.12", "10.63.0.11", "10.63.0.12", "10.62.0.100", "10.63.0.100"];
    for task in ["a.1", "a.2", "b.1", "b.2"] {
        for to in targets {
            reach(bed.task(task), SocketAddrV4::new(to.parse()?, PORT))?;
        }
        ping(bed.task(task), [10, 62, 0, 1].into(), 56, PATIENCE)?;
        ping(bed.task(task), [10, 63, 0, 1].into(), 56, PATIENCE)?;
    }
    Ok(())
}

#[test]
fn an_internal_network_has_no_way_out() -> Result<()> {
    let network = NetworkTable::new("inner").subnet("10.64.0.0/24", 6401).internal();
    let table = ServiceTable::new("db").network("inner");
    let bed = Bed::with(vec![network], vec![table], &[("db", &["n1", "n2"])], |_, _| None)?;
    reach(bed.task("db.1"), own(&bed, "db.2", "10.64.")?)?;
    let routes = bed.cluster.sh_in(bed.task("db.1"), "ip route")?;
    ensure!(!routes.contains("default"), "{routes}");
    for outside in [bed.cluster.client().address, bed.cluster.address("n1")] {
        let out = dial(bed.task("db.1"), SocketAddrV4::new(outside, 80), 0, A_MOMENT)?;
        let error = out.err().context("a way out")?;
        ensure!(error.kind() == std::io::ErrorKind::NetworkUnreachable, "{error}");
    }
    Ok(())
}

#[test]
fn port_mac_gateway_and_range_are_as_the_file_gives_them() -> Result<()> {
    let mac = "02:5a:00:00:00:07";
    let bed = with_given_values(mac)?;
    let wire = bed.cluster.capture_wire("n1", "udp port 5789 or udp port 4789")?;
    bed.start()?;
    let (app, web) = (bed.task("app.1"), bed.address("web.1"));
    let vip = SocketAddrV4::new(Ipv4Addr::new(10, 65, 0, 140), PORT);
    eventually(PATIENCE, "both tasks behind the virtual IP", || {
        Sessions::<TcpSession>::open(app, &[vip], 40).is_ok_and(|all| all.by_task().len() == 2)
    })?;
    ping(app, [10, 65, 0, 254].into(), 56, PATIENCE)?;
    reach(app, bed.at("web.1"))?;
    let links = bed.cluster.sh_in(bed.task("web.1"), "ip -oneline link")?;
    ensure!(links.contains(mac), "{links}");
    let neighbours = bed.cluster.sh_in(app, &format!("ip neigh show {web}"))?;
    ensure!(neighbours.contains(mac), "{neighbours}");
    let assigned = *own(&bed, "web.2", "10.65.")?.ip();
    ensure!((128..192).contains(&assigned.octets()[3]), "{assigned} is not of the range");
    let lines = wire.stop(&[])?;
    let is_given = |line: &String| line.contains(".5789: ");
    ensure!(!lines.is_empty() && lines.iter().all(is_given), "{lines:#?}");
    Ok(())
}

/// Nothing here is as it would be by default: the tunnel's port, the gateway, the range that
/// addresses are taken from, and address (outside of the range) and MAC of the first task.
fn with_given_values(mac: &str) -> Result<Bed> {
    let network = NetworkTable::new("given").subnet("10.65.0.0/24", 6501);
    let network = network.key("gateway", "\"10.65.0.254\"").key("range", "\"10.65.0.128/26\"");
    let web = ServiceTable::new("web").network("given").key("vip", "{ given = \"10.65.0.140\" }");
    let tables = vec![web, ServiceTable::new("app").network("given")];
    let tasks: [(&str, &[&str]); 2] = [("web", &["n1", "n2"]), ("app", &["n3"])];
    let mut bed = Bed::without_agents(vec![network], tables, &tasks, |_, task| {
        (task == "web.1").then_some(("given", Ipv4Addr::new(10, 65, 0, 9)))
    })?;
    bed.file = bed.file.key("vxlan_port", 5789);
    let task = bed.file.service_mut("web").task_mut("web.1");
    *task = task.clone().mac("given", mac);
    Ok(bed)
}

/// Waits until a task answers there.
fn reach(from: &Ns, to: SocketAddrV4) -> Result<()> {
    eventually(PATIENCE, &format!("{} to reach {to}", from.name()), || {
        TcpSession::open(from, to, 0).is_ok()
    })
}

/// The server's address of a task in the subnet that begins so.
fn own(bed: &Bed, task: &str, within: &str) -> Result<SocketAddrV4> {
    let shown = bed.cluster.sh_in(bed.task(task), "ip -4 -oneline address")?;
    let mut words = shown.split_whitespace().filter(|word| word.starts_with(within));
    let address = words.next().with_context(|| format!("no {within} in {shown}"))?;
    let address = address.split('/').next().unwrap_or_default();
    Ok(SocketAddrV4::new(address.parse()?, PORT))
}
