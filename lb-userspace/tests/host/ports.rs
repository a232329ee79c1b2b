//! Published ports reserved, refused and released.

use std::{
    collections::BTreeSet,
    net::{TcpListener, UdpSocket},
};

use lb_userspace::{
    host::ports::{Ports, Reservation, ephemeral_ports},
    model::Protocol,
};

use crate::world::{TestNs, is_root};

/// Awaits a port's release: a child that another test is just starting holds a copy of every
/// socket until it executes its program.
async fn eventually(mut released: impl FnMut() -> bool) {
    let wait = async {
        while !released() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("never released");
}

#[test]
fn reserved_ports_are_taken_until_released() {
    if !is_root() {
        return;
    }
    TestNs::new("node").block_on(async || {
        let mut ports = Ports::default();
        let wanted = BTreeSet::from([(Protocol::Tcp, 8080), (Protocol::Udp, 53)]);
        let held = ports.hold(&wanted);
        assert!(held.values().all(|outcome| *outcome == Reservation::Reserved), "{held:?}");
        assert!(TcpListener::bind("0.0.0.0:8080").is_err());
        assert!(TcpListener::bind("127.0.0.1:8080").is_err());
        assert!(UdpSocket::bind("0.0.0.0:53").is_err());
        assert_eq!(ports.hold(&wanted), held);
        ports.hold(&BTreeSet::from([(Protocol::Udp, 53)]));
        eventually(|| TcpListener::bind("0.0.0.0:8080").is_ok()).await;
        drop(ports);
        eventually(|| UdpSocket::bind("0.0.0.0:53").is_ok()).await;
    });
}

#[test]
fn a_port_in_use_names_its_process_and_is_had_later() {
    if !is_root() {
        return;
    }
    TestNs::new("node").block_on(async || {
        let mut ports = Ports::default();
        let wanted = BTreeSet::from([(Protocol::Tcp, 8080)]);
        let mine = TcpListener::bind("[::]:8080").unwrap();
        let refused = ports.hold(&wanted).remove(&(Protocol::Tcp, 8080)).unwrap();
        let Reservation::InUse(Some(owner)) = refused else { panic!("{refused:?}") };
        assert_eq!(owner.pid.cast_unsigned(), std::process::id());
        drop(mine);
        let port = (Protocol::Tcp, 8080);
        eventually(|| ports.hold(&wanted)[&port] == Reservation::Reserved).await;
        assert!(ephemeral_ports().unwrap().contains(&40000));
    });
}
