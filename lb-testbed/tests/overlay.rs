//! What overlay scenarios stand on: names inside namespaces, a front-end that asks by name, the
//! kernel's own overlay, captures of one network, forged frames. None of it needs an agent.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{
    Cluster, KernelNetwork, KernelPeer, Load, Ns, Session as _, TcpSession, eventually, forge,
    in_ns, leftovers, ping, spawn_thread_in, vni_filter,
};

const SECOND: Duration = Duration::from_secs(1);
/// How long anything awaited may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where the name servers of these tests listen.
const NAME_SERVER: &str = "127.0.0.11";

#[test]
fn processes_see_the_resolver_configuration_of_their_namespace_and_the_machine_does_not() {
    let before = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let cluster = Cluster::builder().nodes(1).build().unwrap();
    let (own, other) = (cluster.task_ns("own").unwrap(), cluster.task_ns("other").unwrap());
    configure_names(&own).unwrap();
    let seen = |ns: &Ns| cluster.sh_in(ns, "cat /etc/resolv.conf").unwrap();
    assert_eq!(seen(&own), format!("nameserver {NAME_SERVER}\n"));
    assert_eq!(seen(&other), before);
    assert_eq!(fs::read_to_string("/etc/resolv.conf").unwrap_or_default(), before);
    // Pins are made after the process's mounts were set apart, and seen nevertheless.
    cluster.sh_in(&own, "ls /sys/fs/bpf").unwrap();
    let prefix = cluster.prefix().clone();
    drop(cluster);
    assert!(leftovers(&prefix).unwrap().is_empty() && !own.resolv_conf().exists());
}

#[test]
fn mongo_express_asks_its_database_by_name_and_says_who_answered() -> Result<()> {
    let cluster = Cluster::builder().nodes(2).build()?;
    let (front, back, client) = (cluster.node("n1"), cluster.node("n2"), cluster.client());
    cluster.start_whoami("mongo.1", &back.ns, &[27017])?;
    let at_front = SocketAddrV4::new(front.address, 8081);
    configure_names(&front.ns)?;
    cluster.start_mongo_express("mongo-express.1", &front.ns)?;
    let unknown = TcpSession::open(&client.ns, at_front, 0).err().context("an answer")?;
    ensure!(format!("{unknown:#}").contains("502 looking up mongo"), "{unknown:#}");
    let stop = answer_names(&front.ns, back.address)?;
    let report = Load::new(&client.ns, [at_front]).total(50).run()?;
    report.expect_clean()?;
    ensure!(report.by_task == [("mongo-express.1".into(), 50)].into(), "{report}");
    ensure!(report.by_behind == [("mongo.1".into(), 50)].into(), "{report}");
    // Without its name server it goes on with the address of last time.
    stop.send_to(&[], (NAME_SERVER, 53))?;
    let session = TcpSession::open(&client.ns, at_front, 0)?;
    let behind = session.first().behind.as_ref().context("nobody behind")?;
    ensure!(behind.asked == SocketAddrV4::new(back.address, 27017), "{behind:?}");
    ensure!(behind.answer.peer.is_some_and(|peer| *peer.ip() == front.address), "{behind:?}");
    Ok(())
}

#[test]
fn two_kernel_peers_make_an_overlay_that_captures_show_by_vni() -> Result<()> {
    let cluster = Cluster::builder().nodes(1).clients(2).build()?;
    let network = KernelNetwork::new(5001, 24);
    let peer = |host: usize, address| {
        let host = &cluster.clients()[host];
        cluster.kernel_peer(host, &format!("{}-task", host.name), network, address)
    };
    let one = peer(0, Ipv4Addr::new(10, 50, 0, 2))?;
    let other = peer(1, Ipv4Addr::new(10, 50, 0, 3))?;
    let learn = |who: &KernelPeer, whom: &KernelPeer, host: usize| {
        who.learn(whom.address, whom.mac(), cluster.clients()[host].address)
    };
    learn(&one, &other, 1)?;
    learn(&other, &one, 0)?;
    let wanted = cluster.capture_wire("c1", &vni_filter(5001))?;
    let unwanted = cluster.capture_wire("c1", &vni_filter(5002))?;
    ping(&one.task, other.address, 100, PATIENCE)?;
    // 1450 bytes are what the tunnel carries.
    ping(&one.task, other.address, 1450 - 28, PATIENCE)?;
    ensure!(ping(&one.task, Ipv4Addr::new(10, 50, 0, 4), 0, SECOND).is_err(), "nobody is there");
    eventually(PATIENCE, "four frames in the capture", || {
        wanted
            .lines(&[])
            .is_ok_and(|lines| lines.iter().filter(|l| l.contains("vni 5001")).count() >= 4)
    })?;
    ensure!(unwanted.stop(&[])?.is_empty(), "frames of another network");
    Ok(())
}

#[test]
fn a_forged_frame_reaches_a_peer_that_checks_nothing() -> Result<()> {
    let cluster = Cluster::builder().nodes(1).clients(2).build()?;
    let host = &cluster.clients()[0];
    let forger = &cluster.clients()[1].ns;
    let network = KernelNetwork::new(5001, 24);
    let peer = cluster.kernel_peer(host, "task", network, Ipv4Addr::new(10, 50, 0, 2))?;
    let socket = in_ns(&peer.task, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 7)))??;
    socket.set_read_timeout(Some(PATIENCE))?;
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 50, 0, 9), 7);
    let inner = forge::datagram(from, SocketAddrV4::new(peer.address, 7), b"hello");
    let macs = forge::Macs { to: peer.mac(), from: [2; 6] };
    let frame = forge::vxlan(network.vni, macs, forge::ETHERTYPE_IPV4, &inner);
    let to = SocketAddrV4::new(host.address, network.port);
    cluster.sh_in(forger, &format!("ping -c 1 -W 5 {}", host.address))?;
    for from in [None, Some(cluster.borrow_address(forger, "n1")?)] {
        forge::send(forger, from, to, &frame)?;
        let mut heard = [0; 16];
        let (len, _) = socket.recv_from(&mut heard)?;
        ensure!(&heard[..len] == b"hello", "{heard:?}");
    }
    Ok(())
}

/// Gives a namespace a name server, as an agent does.
fn configure_names(ns: &Ns) -> Result<()> {
    let file = ns.resolv_conf();
    fs::create_dir_all(file.parent().context("a file at the root")?)?;
    Ok(fs::write(file, format!("nameserver {NAME_SERVER}\n"))?)
}

/// Answers every question about an A record with `address` until an empty datagram comes; returns a
/// socket of the namespace to send that from.
fn answer_names(ns: &Ns, address: Ipv4Addr) -> Result<UdpSocket> {
    let server = in_ns(ns, || UdpSocket::bind((NAME_SERVER, 53)))??;
    let stop = in_ns(ns, || UdpSocket::bind((NAME_SERVER, 0)))??;
    spawn_thread_in(ns, move || {
        let mut question = [0; 512];
        while let (len @ 1.., from) = server.recv_from(&mut question)? {
            server.send_to(&reply(&question[..len], address), from)?;
        }
        Ok(())
    })?;
    Ok(stop)
}

/// A reply to a DNS query with one question (RFC 1035): an address for type A, nothing for others.
fn reply(query: &[u8], address: Ipv4Addr) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap_or(0) + 5;
    let is_a = query[end - 4..end - 2] == [0, 1];
    let head = [&query[..2], &[0x85, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]].concat();
    let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4][..], &address.octets()].concat();
    let record = if is_a { &record[..] } else { &[] };
    [&head[..], &query[12..end], record].concat()
}
