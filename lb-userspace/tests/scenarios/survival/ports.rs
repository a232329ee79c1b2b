//! One client port towards several published ports: flows that the mesh must keep apart though they
//! meet at one task.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, SocketAddrV4, UdpSocket},
};

use lb_testbed::{Session as _, Sessions, TcpSession, in_ns};

use super::stage::{AMPLE, SIX, Stage, expect_none};

/// Towards two nodes, and towards two published ports of one target.
fn dialled(stage: &Stage) -> [SocketAddrV4; 3] {
    [stage.at("n1", 80), stage.at("n2", 80), stage.at("n1", 81)]
}

#[test]
fn one_client_port_keeps_three_tcp_connections() {
    let stage = Stage::with(&SIX[..3]);
    // Several ports, so that homes are on entry nodes and elsewhere.
    for port in 40_001..=40_006 {
        let open = || dialled(&stage).map(|to| TcpSession::open_here(to, port).expect("a flow"));
        let mut sessions = Sessions(in_ns(stage.client(), open).expect("a namespace").into());
        assert!(sessions.0.iter().all(|session| session.local().port() == port));
        assert_eq!(sessions.by_task().len(), 1, "the port alone says which task");
        expect_none(&sessions.ping_all());
        expect_none(&sessions.ping_all());
    }
}

#[test]
fn one_client_port_keeps_three_udp_flows() {
    let stage = Stage::with(&SIX[..3]);
    for port in 40_001..=40_006 {
        let socket = in_ns(stage.client(), || UdpSocket::bind(("0.0.0.0", port)));
        let socket = socket.expect("a namespace").expect("a socket");
        socket.set_read_timeout(Some(AMPLE)).expect("a limit");
        for _ in 0..2 {
            let dialled: BTreeSet<SocketAddr> = dialled(&stage).map(Into::into).into();
            for to in &dialled {
                socket.send_to(b"who?", to).expect("sent");
            }
            assert_eq!(answering(&socket, dialled.len()), dialled);
        }
    }
}

/// Once its row has moved, a client port's second connection has another home than its first: the new
/// owner must not take the first one's segments for the second's.
#[test]
fn one_client_port_keeps_connections_to_two_tasks() {
    let mut stage = Stage::with(&SIX[..2]);
    let ports = 40_001..=40_030;
    let open = |stage: &Stage, node: &str| -> Vec<TcpSession> {
        let to = stage.at(node, 80);
        let open = |port| TcpSession::open(stage.client(), to, port).expect("a flow");
        ports.clone().map(open).collect()
    };
    let mut first = Sessions(open(&stage, "n1"));
    stage.change(&SIX);
    let mut second = Sessions(open(&stage, "n2"));
    let moved = |(a, b): (&TcpSession, &TcpSession)| a.first().task != b.first().task;
    assert!(first.0.iter().zip(&second.0).any(moved), "no row moved");
    for _ in 0..2 {
        expect_none(&first.ping_all());
        expect_none(&second.ping_all());
    }
}

/// Where `count` answers come from.
fn answering(socket: &UdpSocket, count: usize) -> BTreeSet<SocketAddr> {
    let mut buffer = [0; 2048];
    (0..count).map(|_| socket.recv_from(&mut buffer).expect("an answer").1).collect()
}
