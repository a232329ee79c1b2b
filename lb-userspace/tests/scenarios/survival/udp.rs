//! UDP flows: no handshake tells them, so the entry node remembers whom they belong to.

use lb_testbed::{Session as _, Sessions, UdpSession};

use super::stage::{SIX, Stage, expect_none};

#[test]
fn a_udp_flow_stays_while_tasks_come_and_drain_and_moves_when_its_task_goes() {
    let mut stage = Stage::with(&SIX[..2]);
    let mut sessions: Sessions<UdpSession> =
        Sessions::open(stage.client(), &stage.everywhere(), 30).expect("flows");
    stage.change(&SIX);
    expect_none(&sessions.ping_all());
    let mut drained = SIX;
    drained[0].2 = 0;
    stage.change(&drained);
    expect_none(&sessions.ping_all());
    let mut moved = sessions.take_task("t1");
    assert!(!moved.0.is_empty() && !sessions.0.is_empty(), "all flows at one task");
    stage.change(&SIX[1..]);
    for flow in &mut moved.0 {
        // The first datagram after the change finds another task.
        let answer = flow.ask().expect("an answer");
        assert_ne!(answer.task_name(), "t1");
    }
    expect_none(&sessions.ping_all());
}
