//! The cluster itself: it comes up fast, it pings, its servers answer, and it leaves nothing.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lb_testbed::{
    Answer, Cluster, Ns, Prefix, eventually, in_ns, leftovers, ping, processes_inside,
};

const SECOND: Duration = Duration::from_secs(1);
/// How long anything awaited may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn get(ns: &Ns, to: SocketAddr) -> Result<Answer> {
    let text = in_ns(ns, || -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    })??;
    Ok(Answer::parse(text.split_once("\r\n\r\n").context("no body")?.1))
}

#[test]
fn three_nodes_and_a_client_are_soon_up_and_ping() {
    let start = Instant::now();
    let cluster = Cluster::builder().nodes(3).underlay_mtu(1500).build().unwrap();
    let took = start.elapsed();
    println!("up in {took:?}");
    assert!(took < 20 * SECOND, "took {took:?}");
    for node in cluster.nodes() {
        ping(&cluster.client().ns, node.address, 1472, PATIENCE).unwrap();
    }
    ping(&cluster.node("n1").ns, cluster.address("n3"), 0, PATIENCE).unwrap();
}

/// What XDP gets from another node must look as if it came from a wire.
#[test]
fn wires_have_whole_checksums_and_nodes_keep_their_offloads() {
    let cluster = Cluster::builder().nodes(1).build().unwrap();
    for port in ["n1", "c1"] {
        let features = cluster.sh_in(cluster.bridge_ns(), &format!("ethtool -k {port}")).unwrap();
        for wanted in
            ["tx-checksumming: off", "tx-tcp-segmentation: off", "generic-receive-offload: on"]
        {
            assert!(features.contains(wanted), "{port}: no {wanted} in {features}");
        }
    }
    let features = cluster.sh_in(&cluster.node("n1").ns, "ethtool -k eth0").unwrap();
    assert!(features.contains("tcp-segmentation-offload: on"), "{features}");
}

#[test]
fn a_router_stands_between_client_and_nodes() {
    let cluster = Cluster::builder().nodes(2).clients(2).client_behind_router().build().unwrap();
    for client in cluster.clients() {
        ping(&client.ns, cluster.address("n2"), 100, PATIENCE).unwrap();
        let route =
            cluster.sh_in(&cluster.node("n1").ns, &format!("ip route get {}", client.address));
        assert!(route.unwrap().contains("via 198.18.0.254"));
    }
}

#[test]
fn whoami_answers_over_tcp_and_udp_and_notes_its_peers() {
    let cluster = Cluster::builder().nodes(1).build().unwrap();
    let node = cluster.node("n1");
    let server = cluster.start_whoami("me.1", &node.ns, &[8081, 8082]).unwrap();
    let client = cluster.client();
    let answer = get(&client.ns, (node.address, 8082).into()).unwrap();
    assert_eq!(answer.task_name(), "me.1");
    assert_eq!(answer.local.unwrap().to_string(), "198.18.0.1:8082");
    assert_eq!(*answer.peer.unwrap().ip(), client.address);
    let udp = in_ns(&client.ns, || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(b"hello", (node.address, 8081)).unwrap();
        let mut buffer = [0; 200];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    })
    .unwrap();
    assert!(udp.ends_with("len=5 hello"), "{udp}");
    let seen = server.seen().unwrap();
    assert_eq!(seen[0].peer, answer.peer.unwrap());
    assert_eq!((seen.len(), seen[1].protocol.as_str()), (2, "udp"));
}

#[test]
fn drop_leaves_nothing() {
    let cluster = Cluster::builder().nodes(2).build().unwrap();
    let task = cluster.task_ns("me-1").unwrap();
    cluster.start_whoami("me.1", &task, &[80]).unwrap();
    // A grandchild that no handle knows.
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 1000 & wait"]);
    cluster.spawn_in(&task, shell).unwrap();
    std::fs::create_dir_all(cluster.pin_root("n1").join("v1/maps")).unwrap();
    let prefix = cluster.prefix().clone();
    assert!(leftovers(&prefix).unwrap().len() >= 7, "{:?}", leftovers(&prefix));
    let inside = || processes_inside(&[task.name().to_owned()]).unwrap();
    eventually(PATIENCE, "server, shell and sleep", || inside().len() == 3).unwrap();
    let inside = inside();
    drop(cluster);
    assert_eq!(leftovers(&prefix).unwrap(), Vec::<PathBuf>::new());
    for pid in inside {
        assert!(!Path::new(&format!("/proc/{pid}/exe")).exists(), "{pid} lives");
    }
}

#[test]
fn a_panic_cleans_up_as_well() {
    let prefix = std::thread::spawn(|| {
        let cluster = Cluster::builder().nodes(1).build().unwrap();
        std::panic::panic_any(cluster.prefix().clone());
    })
    .join()
    .unwrap_err();
    let prefix = prefix.downcast::<Prefix>().unwrap();
    assert_eq!(leftovers(&prefix).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn two_clusters_live_side_by_side() {
    let clusters: Vec<Cluster> = std::thread::scope(|scope| {
        let build = || Cluster::builder().nodes(2).build();
        let both = [scope.spawn(build), scope.spawn(build)];
        both.into_iter().map(|one| one.join().unwrap().unwrap()).collect()
    });
    let start = |cluster: &Cluster, name| cluster.start_whoami(name, &cluster.node("n1").ns, &[80]);
    start(&clusters[0], "first").unwrap();
    start(&clusters[1], "second").unwrap();
    for (cluster, name) in clusters.iter().zip(["first", "second"]) {
        let answer = get(&cluster.client().ns, (cluster.address("n1"), 80).into()).unwrap();
        assert_eq!(answer.task_name(), name);
    }
}

#[test]
fn a_killed_process_leaves_no_children_and_the_next_one_sweeps() {
    let mut maker = Command::new(env!("CARGO_BIN_EXE_testbed"));
    let mut maker = maker.args(["up", "--nodes", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines =
        BufReader::new(maker.stdout.take().unwrap()).lines().map_while(|line| line.ok());
    assert!(lines.any(|line| line.starts_with("Ctrl-C")), "it comes up");
    let prefix = Prefix::of(&format!("slbt{}-0", maker.id())).unwrap();
    let inside = || processes_inside(&[prefix.name("n1")]).unwrap();
    assert_eq!(inside().len(), 1, "its server");
    maker.kill().unwrap();
    maker.wait().unwrap();
    eventually(PATIENCE, "end of the server", || inside().is_empty()).unwrap();
    Cluster::sweep().unwrap();
    assert_eq!(leftovers(&prefix).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn a_kept_cluster_outlives_its_maker_until_it_is_removed() {
    let testbed = env!("CARGO_BIN_EXE_testbed");
    let maker = Command::new(testbed).args(["up", "--nodes", "1", "--keep"]).output().unwrap();
    let said = String::from_utf8_lossy(&maker.stderr).into_owned();
    let prefix = said.lines().find_map(|line| line.trim().strip_prefix("remove it: ")).unwrap();
    let prefix = Prefix::of(prefix.rsplit(' ').next().unwrap()).unwrap();
    Cluster::sweep().unwrap();
    let answer = get(&Ns::named(prefix.name("c1")), "198.18.0.1:80".parse().unwrap());
    let removed = Command::new(testbed).args(["remove", &prefix.to_string()]).status().unwrap();
    assert!(removed.success());
    assert_eq!(answer.unwrap().task_name(), "n1");
    assert_eq!(leftovers(&prefix).unwrap(), Vec::<PathBuf>::new());
}
