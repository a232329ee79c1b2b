//! Established TCP flows through changes of the service's tasks, and of the entry node.

use std::{net::SocketAddrV4, time::Instant};

use lb_testbed::{Session as _, Sessions, TcpSession, eventually};

use super::stage::{AMPLE, SHARED, SIX, Stage, Task, expect_none};

/// So many that any change of owners moves the rows of some.
const FLOWS: usize = 60;

fn open(stage: &Stage) -> Sessions<TcpSession> {
    let sessions = Sessions::open(stage.client(), &stage.everywhere(), FLOWS).expect("sessions");
    assert!(sessions.by_task().len() > 1 || sessions.0.len() < 2, "{:?}", sessions.by_task());
    sessions
}

#[test]
fn flows_survive_scale_up_and_the_removal_of_other_tasks() {
    let mut stage = Stage::with(&SIX[..2]);
    let mut old = open(&stage);
    stage.change(&SIX);
    expect_none(&old.ping_all());
    assert!(stage.count("second_chances") > 0, "no flow's row moved");
    let mut new = open(&stage);
    assert!(new.by_task().len() > 3, "{:?}", new.by_task());
    let _ends = (new.take_task("t5"), new.take_task("t6"));
    stage.change(&SIX[..4]);
    expect_none(&old.ping_all());
    expect_none(&new.ping_all());
}

#[test]
fn flows_survive_two_changes_in_a_row() {
    let mut stage = Stage::with(&SIX[..2]);
    let mut sessions = open(&stage);
    stage.change(&SIX[..4]);
    stage.change(&SIX);
    expect_none(&sessions.ping_all());
}

#[test]
fn a_draining_task_keeps_its_flows_and_gets_no_new_ones() {
    let mut stage = Stage::with(&SIX[..2]);
    let mut sessions = open(&stage);
    stage.change(&[("t1", "n1", 0), SIX[1]]);
    expect_none(&sessions.ping_all());
    let mut later: Sessions<TcpSession> =
        Sessions::open(stage.client(), &stage.everywhere(), 30).expect("sessions");
    assert_eq!(later.by_task(), [("t2".to_owned(), 30)].into());
    // The last one drains as well: nobody takes new flows, all old ones go on.
    stage.change(&[("t1", "n1", 0), ("t2", "n2", 0)]);
    for to in stage.everywhere() {
        assert!(stage.refuses(to), "{to} takes a new flow though all tasks drain");
    }
    expect_none(&sessions.ping_all());
    expect_none(&later.ping_all());
    stage.change(&SIX[..2]);
    expect_none(&sessions.ping_all());
    expect_none(&later.ping_all());
}

#[test]
fn a_removed_tasks_flows_end_promptly_and_no_others() {
    let mut stage = Stage::with(&SIX[..3]);
    let mut sessions = open(&stage);
    let mut ended = sessions.take_task("t2");
    assert!(!ended.0.is_empty());
    let left: [Task; 2] = [SIX[0], SIX[2]];
    let change = Instant::now();
    stage.change(&left);
    eventually(AMPLE, "the end of the removed task's flows", || {
        ended.0.retain_mut(|session| session.ping().is_ok());
        ended.0.is_empty()
    })
    .expect("an end");
    assert!(change.elapsed() < AMPLE, "took {:?}", change.elapsed());
    expect_none(&sessions.ping_all());
}

#[test]
fn a_flow_survives_the_move_of_its_address_to_another_node() {
    let stage = Stage::with(&SIX[..3]);
    move_shared(&stage, None, "n1");
    let to = SocketAddrV4::new(SHARED, 80);
    eventually(AMPLE, "service at the shared address", || {
        TcpSession::open(stage.client(), to, 0).is_ok()
    })
    .expect("a listener");
    let mut sessions: Sessions<TcpSession> =
        Sessions::open(stage.client(), &[to], 20).expect("sessions");
    move_shared(&stage, Some("n1"), "n2");
    expect_none(&sessions.ping_all());
}

/// Gives the shared address to a node, and to the client the news that an ARP announcement would
/// bring.
fn move_shared(stage: &Stage, from: Option<&str>, to: &str) {
    let ip = |node: &str, verb: &str| {
        let line = format!("ip addr {verb} {SHARED}/32 dev eth0");
        stage.cluster.sh_in(&stage.cluster.node(node).ns, &line).expect("ip addr");
    };
    if let Some(node) = from {
        ip(node, "del");
    }
    ip(to, "add");
    stage.cluster.sh_in(stage.client(), "ip neigh flush all").expect("ip neigh");
}
