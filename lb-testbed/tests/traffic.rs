//! The clients and observers, proven on plain wires: what they report must be what happened.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;
use lb_testbed::{
    Bulk, Cluster, Direction, Load, Server, Session as _, Sessions, TcpSession, UdpSession,
    chi_squared, dial, eventually,
};

const SECOND: Duration = Duration::from_secs(1);
/// How long anything awaited may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PORT: u16 = 80;

/// A cluster whose nodes have a server each, named as the node, and the servers' addresses.
fn served(nodes: u8) -> Result<(Cluster, Vec<Server>, Vec<SocketAddrV4>)> {
    let cluster = Cluster::builder().nodes(nodes).build()?;
    let start = |node: &lb_testbed::Host| cluster.start_whoami(&node.name, &node.ns, &[PORT]);
    let servers = cluster.nodes().iter().map(start).collect::<Result<_>>()?;
    let addresses = cluster.nodes().iter().map(|node| SocketAddrV4::new(node.address, PORT));
    let addresses = addresses.collect();
    Ok((cluster, servers, addresses))
}

#[test]
fn load_counts_tasks_and_sees_the_clients_address() {
    let (cluster, servers, addresses) = served(2).unwrap();
    let report = Load::new(&cluster.client().ns, addresses).total(2000).run().unwrap();
    println!("{report}");
    report.expect_clean().unwrap();
    assert_eq!((report.ok, report.by_task["n1"], report.by_task["n2"]), (2000, 1000, 1000));
    assert_eq!(servers[0].seen().unwrap().len(), 1000, "a new connection each");
    assert!(chi_squared(&[report.by_task["n1"], report.by_task["n2"]], &[1.0; 2]).is_plausible());
}

#[test]
fn load_keeps_its_rate_and_its_connections() {
    let (cluster, servers, addresses) = served(1).unwrap();
    let load = Load::new(&cluster.client().ns, addresses).keep_alive().concurrency(4);
    let report = load.per_second(200.0).run_for(SECOND).unwrap();
    report.expect_clean().unwrap();
    // A busy machine serves fewer.
    assert!((50..=210).contains(&report.ok), "{report}");
    assert!(servers[0].seen().unwrap().len() <= 4);
}

#[test]
fn load_counts_failures_with_reasons_when_a_server_is_killed() {
    let (cluster, servers, addresses) = served(2).unwrap();
    let load = Load::new(&cluster.client().ns, addresses).per_second(500.0).start().unwrap();
    load.wait_more_ok(50, PATIENCE).unwrap();
    assert_eq!(load.failed(), 0);
    servers[1].kill().unwrap();
    eventually(PATIENCE, "failures", || load.failed() >= 40).unwrap();
    let report = load.stop().unwrap();
    assert!(report.reasons["connect: connection refused"] >= 20, "{report}");
    assert!(report.examples[0].contains("198.18.0.2:80"), "{report}");
    assert!(report.expect_clean().is_err());
}

#[test]
fn a_request_without_an_answer_fails_in_time() {
    let (cluster, _servers, addresses) = served(1).unwrap();
    let load = Load::new(&cluster.client().ns, addresses).path("/slow?ms=60000").total(2);
    let start = Instant::now();
    let report = load.request_limit(SECOND / 5).run().unwrap();
    assert_eq!(report.reasons["request: timed out"], 2, "{report}");
    assert!(start.elapsed() < PATIENCE / 2, "the answer was awaited");
}

#[test]
fn fifty_megabytes_pass_both_ways_unharmed() {
    let (cluster, _servers, addresses) = served(1).unwrap();
    for direction in [Direction::Download, Direction::Upload] {
        let transfer =
            Bulk::run(&cluster.client().ns, addresses[0], direction, 50_000_000).unwrap();
        println!("{direction:?} {:.2} Gbit/s", transfer.gbit_per_s());
    }
}

#[test]
fn a_transfer_cut_short_is_an_error() {
    let (cluster, servers, addresses) = served(1).unwrap();
    let ns = &cluster.client().ns;
    let bulk = Bulk::start(ns, addresses[0], Direction::Download, 1 << 40).unwrap();
    eventually(PATIENCE, "first bytes", || bulk.moved_bytes() > 0).unwrap();
    servers[0].kill().unwrap();
    assert!(bulk.finish().is_err());
}

#[test]
fn sessions_notice_which_of_them_died() {
    let (cluster, servers, addresses) = served(2).unwrap();
    let ns = &cluster.client().ns;
    let mut tcp = Sessions::<TcpSession>::open(ns, &addresses, 40).unwrap();
    let mut udp = Sessions::<UdpSession>::open(ns, &addresses, 10).unwrap();
    assert_eq!(tcp.by_task(), [("n1".into(), 20), ("n2".into(), 20)].into());
    assert_eq!(tcp.0[0].first().peer, Some(tcp.0[0].local()));
    assert_eq!(tcp.ping_all(), Vec::<String>::new());
    assert_eq!(udp.ping_all(), Vec::<String>::new());
    servers[0].kill().unwrap();
    assert_eq!(tcp.ping_all().len(), 20);
    let failed = udp.ping_all();
    assert_eq!(failed.len(), 5);
    assert!(failed[0].contains("refused"), "{failed:?}");
    assert_eq!(tcp.take_task("n2").ping_all(), Vec::<String>::new());
}

#[test]
fn one_client_port_serves_two_addresses() {
    let (cluster, _servers, addresses) = served(2).unwrap();
    let ns = &cluster.client().ns;
    let mut first = TcpSession::open(ns, addresses[0], 40_000).unwrap();
    let second = TcpSession::open(ns, addresses[1], 40_000).unwrap();
    assert_eq!((first.local(), first.to()), (second.local(), addresses[0]));
    assert_eq!(second.first().peer.unwrap().port(), 40_000);
    first.ping().unwrap();
}

#[test]
fn dial_tells_a_refusal_at_once() {
    let (cluster, _servers, addresses) = served(1).unwrap();
    let closed = SocketAddrV4::new(*addresses[0].ip(), 81);
    let error = dial(&cluster.client().ns, closed, 0, PATIENCE).unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let nobody = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 77), PORT);
    assert!(dial(&cluster.client().ns, nobody, 0, SECOND / 5).unwrap().is_err());
}

#[test]
fn a_server_that_is_asked_to_end_finishes_its_request() {
    let (cluster, servers, addresses) = served(1).unwrap();
    let ns = &cluster.client().ns;
    let slow = Load::new(ns, addresses.clone()).path("/slow?ms=700").total(1).concurrency(1);
    let slow = slow.start().unwrap();
    eventually(PATIENCE, "the request", || !servers[0].seen().unwrap().is_empty()).unwrap();
    servers[0].terminate().unwrap();
    assert_eq!(slow.stop().unwrap().ok, 1);
    let refused = dial(ns, addresses[0], 0, PATIENCE).unwrap().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_capture_on_the_wire_holds_the_packets() {
    let (cluster, _servers, addresses) = served(1).unwrap();
    let capture = cluster.capture_wire("n1", "tcp port 80").unwrap();
    let session = TcpSession::open(&cluster.client().ns, addresses[0], 0).unwrap();
    let syn = format!(
        "IP {}.{} > 198.18.0.1.80: Flags [S]",
        session.local().ip(),
        session.local().port()
    );
    let seen = || capture.lines(&[]).unwrap().iter().any(|line| line.starts_with(&syn));
    eventually(PATIENCE, "the SYN in the file", seen).unwrap();
    assert!(capture.stop(&["-e"]).unwrap()[0].contains("ethertype IPv4"));
}

#[test]
fn snapshots_differ_by_what_was_changed() {
    let cluster = Cluster::builder().nodes(1).build().unwrap();
    let node = cluster.node("n1");
    let before = cluster.snapshot("n1").unwrap();
    assert_eq!(before.difference(&cluster.snapshot("n1").unwrap()), Vec::<String>::new());
    for line in [
        "ip addr add 10.1.1.1/32 dev lo",
        "sysctl -qw net.ipv4.ip_local_reserved_ports=8080",
        "ethtool -K eth0 gro on",
        "nft add table ip swarmlb",
    ] {
        cluster.sh_in(&node.ns, line).unwrap();
    }
    std::fs::create_dir_all(cluster.pin_root("n1").join("v1")).unwrap();
    let difference = before.difference(&cluster.snapshot("n1").unwrap()).join("\n");
    for wanted in [
        "10.1.1.1",
        "reserved_ports = 8080",
        "eth0 generic-receive-offload: on",
        "nft table ip swarmlb",
        "+ pin root",
    ] {
        assert!(difference.contains(wanted), "{wanted} is not in\n{difference}");
    }
}

#[test]
fn a_command_that_hangs_is_killed_with_the_cluster() {
    let cluster = Cluster::builder().nodes(1).clients(0).build().unwrap();
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let process = cluster.spawn_in(&cluster.node("n1").ns, sleep).unwrap();
    drop(cluster);
    assert!(!process.is_running());
}
