//! Who is not let in, or cut; and that those who belong are served meanwhile.
use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{
    super::{Role, Stream, session::HANDSHAKE},
    swarm::{Ca, Swarm, facts, heard, number_heard, numbered, present_are, problem, publication},
};

/// A limit for what must happen, far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Swarm with a manager that knows nodes `m` and `w`.
fn swarm() -> (Swarm, Stream) {
    let swarm = Swarm::new();
    let manager = swarm.manager("m", 1, facts(&["m", "w"]));
    (swarm, manager)
}

/// Reads until the other side ends that. The end may be a reset, where it did not read all.
async fn ended(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("still connected"));
}

/// Those who belong are served, and nobody else is there.
async fn serves(swarm: &Swarm, manager: &Stream) {
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    number_heard(&worker, 0).await;
    present_are(manager, &[("w", 5)]).await;
}

#[tokio::test]
async fn certificates_of_another_authority_are_worth_nothing_on_either_side() {
    let (swarm, manager) = swarm();
    Ca::new().issue(&swarm.certificates("w"), "swarm", Role::Worker, "w");
    let worker = swarm.start_worker("w", 5, &[("m", 1)]);
    problem(&worker, "invalid peer certificate").await;
    drop(worker);
    // One that trusts the manager, but is not trusted.
    std::fs::write(swarm.certificates("w").join("swarm-root-ca.crt"), swarm.ca.pem()).unwrap();
    let worker = swarm.start_worker("w", 5, &[("m", 1)]);
    problem(&worker, "received fatal alert").await;
    assert!(manager.present().borrow().is_empty() && worker.heard().borrow().facts.is_none());
    drop(worker);
    serves(&swarm, &manager).await;
}

#[tokio::test]
async fn another_swarms_nodes_are_not_let_in() {
    let (swarm, manager) = swarm();
    swarm.ca.issue(&swarm.certificates("w"), "other", Role::Worker, "w");
    let worker = swarm.start_worker("w", 5, &[("m", 1)]);
    problem(&worker, "another Swarm").await;
    drop(worker);
    // The client looks at it as well, so this one does not.
    ended(swarm.connect("w", 1).await).await;
    assert!(manager.present().borrow().is_empty());
    serves(&swarm, &manager).await;
}

#[tokio::test]
async fn nodes_that_the_manager_does_not_know_are_told_so() {
    let (swarm, manager) = swarm();
    let stranger = swarm.worker("x", 5, &[("m", 1)]);
    problem(&stranger, "is no node of the Swarm").await;
    assert!(manager.present().borrow().is_empty() && stranger.heard().borrow().facts.is_none());
    serves(&swarm, &manager).await;
}

#[tokio::test]
async fn a_node_that_is_removed_is_cut() {
    let (swarm, manager) = swarm();
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    number_heard(&worker, 0).await;
    manager.publish(publication(numbered(&["m"], 1)));
    let cut = heard(&worker, |heard| heard.manager.is_none()).await;
    assert_eq!(cut.facts.unwrap().vxlan_port, 0);
    problem(&worker, "removed").await;
}

#[tokio::test]
async fn nobody_is_believed_but_the_manager_that_is_expected() {
    let swarm = Swarm::new();
    swarm.member("a", Role::Worker);
    let pretender = swarm.start_manager("a", 1, facts(&["a", "m", "w"]));
    let other = swarm.manager("m", 2, facts(&["a", "m", "w"]));
    let worker = swarm.worker("w", 5, &[("a", 1)]);
    problem(&worker, "not valid for name").await;
    worker.stand(super::swarm::calls(5, &[("b", 2)]));
    problem(&worker, "is not the manager b").await;
    assert!(worker.heard().borrow().facts.is_none());
    // Where the engine does not know the manager's id yet, any manager will do.
    worker.stand(super::swarm::calls(5, &[("", 2)]));
    number_heard(&worker, 0).await;
    drop((pretender, other));
}

#[tokio::test]
async fn facts_of_another_swarm_are_not_believed() {
    let swarm = Swarm::new();
    let mut foreign = facts(&["m", "w"]);
    foreign.cluster_id = "other".into();
    let _manager = swarm.manager("m", 1, foreign);
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    problem(&worker, "facts of another Swarm").await;
    assert!(worker.heard().borrow().facts.is_none());
}

#[tokio::test]
async fn noise_is_cut() {
    let (swarm, manager) = swarm();
    swarm.member("w", Role::Worker);
    let mut plain = swarm.tcp(1).await;
    plain.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    ended(plain).await;
    let frames: [&[u8]; 4] = [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05hello",
        b"\x00\x00\x00\x11{\"frame\":\"alive\"}",
        b"\x00\x00\x00\x23{\"frame\":\"greeting\",\"protocol\":9999}",
    ];
    for frame in frames {
        let mut stream = swarm.connect("w", 1).await;
        stream.write_all(frame).await.unwrap();
        ended(stream).await;
    }
    assert!(manager.present().borrow().is_empty());
    serves(&swarm, &manager).await;
}

#[tokio::test]
async fn those_who_hesitate_hold_up_nobody_and_are_cut() {
    let (swarm, manager) = swarm();
    swarm.member("w", Role::Worker);
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(swarm.tcp(1).await);
    }
    serves(&swarm, &manager).await;
    for stream in slow {
        ended(stream).await;
    }
    // One that has a certificate, and sends a frame byte by byte without end.
    let mut stream = swarm.connect("w", 1).await;
    stream.write_all(b"\0\0\x10\0").await.unwrap();
    let mut dripping = tokio::time::interval(Duration::from_millis(500));
    let drip = async {
        loop {
            dripping.tick().await;
            if stream.write_all(b"\0").await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    };
    timeout(PATIENCE, drip).await.expect("it may drip on");
}

#[tokio::test]
async fn one_address_has_few_connections() {
    let (swarm, manager) = swarm();
    swarm.member("w", Role::Worker);
    let (mut open, began) = (Vec::new(), Instant::now());
    for _ in 0..8 {
        open.push(swarm.tcp(1).await);
    }
    ended(swarm.tcp(1).await).await;
    // The ninth is refused at once, not only when the handshake takes too long as with the others.
    let others = open.iter().all(|stream| stream.try_read(&mut [0; 1]).is_err());
    assert!(others || began.elapsed() > HANDSHAKE);
    drop(open);
    serves(&swarm, &manager).await;
}
