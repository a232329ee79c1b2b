//! What overlay scenarios stand on: names inside namespaces, a front-end that asks by name, the
//! kernel's own overlay, captures of one network, forged frames. None of it needs an agent.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{
    Cluster, KernelNetwork, KernelPeer, Load, NameServer, Ns, Session as _, TcpSession, eventually,
    forge, in_ns, leftovers, ping, vni_filter,
};

const SECOND: Duration = Duration::from_secs(1);
/// How long anything awaited may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the name servers of these tests listen.
const NAME_SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 53);

#[test]
fn processes_see_the_resolver_configuration_of_their_namespace_and_the_machine_does_not() {
    let before = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let cluster = Cluster::builder().nodes(1).build().unwrap();
    let (own, other) = (cluster.task_ns("own").unwrap(), cluster.task_ns("other").unwrap());
    configure_names(&own).unwrap();
    let seen = |ns: &Ns| cluster.sh_in(ns, "cat /etc/resolv.conf").unwrap();
    assert_eq!(seen(&own), format!("nameserver {}\n", NAME_SERVER.ip()));
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
    let names = NameServer::start(&front.ns, NAME_SERVER, back.address)?;
    let report = Load::new(&client.ns, [at_front]).total(50).run()?;
    report.expect_clean()?;
    ensure!(report.by_task == [("mongo-express.1".into(), 50)].into(), "{report}");
    ensure!(report.by_behind == [("mongo.1".into(), 50)].into(), "{report}");
    // Without its name server it goes on with the address of last time.
    drop(names);
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
    Ok(fs::write(file, format!("nameserver {}\n", NAME_SERVER.ip()))?)
}
