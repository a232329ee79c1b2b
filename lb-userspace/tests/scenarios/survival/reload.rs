//! A running agent and what changes under it: its file, and the namespaces of its tasks.

use std::collections::BTreeMap;

use lb_testbed::{Outcome, Session as _, Sessions, TcpSession, eventually};

use super::stage::{AMPLE, SIX, Stage, expect_none};

#[test]
fn a_bad_file_is_refused_with_its_place_and_forwarding_goes_on() {
    let mut stage = Stage::with(&SIX[..2]);
    let mut sessions: Sessions<TcpSession> =
        Sessions::open(stage.client(), &stage.everywhere(), 12).expect("sessions");
    let bad = stage.config(&SIX[..2]).replace("[[service]]", "[[service]]\ncolour = \"red\"");
    let line = 1 + bad.lines().position(|line| line.starts_with("colour")).expect("the bad line");
    for (node, outcome) in stage.offer(&bad) {
        let Outcome::Refused(reason) = outcome else { panic!("{node} took it") };
        assert!(reason.contains(&format!("cluster.toml:{line}")), "{node}: {reason}");
        assert!(reason.contains("colour"), "{node}: {reason}");
        let refused = &stage.json(&node, "status")["record"]["refused"];
        assert!(refused.as_str().is_some_and(|text| text.contains("colour")), "{refused}");
    }
    expect_none(&sessions.ping_all());
    let new: Sessions<TcpSession> =
        Sessions::open(stage.client(), &stage.everywhere(), 12).expect("new sessions");
    assert_eq!(new.by_task().len(), 2);
    // A good file, by SIGHUP; then SIGHUP without any change.
    stage.change(&SIX[..3]);
    assert!(stage.json("n1", "status")["record"]["refused"].is_null());
    expect_none(&sessions.ping_all());
    assert!(matches!(stage.cluster.reload("n1").expect("an outcome"), Outcome::Ready(_)));
}

#[test]
fn a_changed_file_is_followed_without_being_told() {
    let mut stage = Stage::with(&SIX[..1]);
    let config = stage.prepare(&[("t1", "n1", 0), SIX[1]]);
    stage.cluster.write_config(&config).expect("a cluster file");
    let tasks = || -> BTreeMap<String, u64> {
        Sessions::<TcpSession>::open(stage.client(), &stage.everywhere(), 3)
            .map(|sessions| sessions.by_task())
            .unwrap_or_default()
    };
    eventually(AMPLE, "new flows at the new task", || tasks() == [("t2".to_owned(), 3)].into())
        .expect("the change");
}

#[test]
fn a_namespace_is_attached_when_it_appears_and_its_legs_go_when_it_goes() {
    let stage = Stage::bare();
    // The file names a task whose namespace does not exist.
    let config = stage.config(&SIX[..1]);
    stage.cluster.write_config(&config).expect("a cluster file");
    stage.cluster.start_agents().expect("agents");
    let before = stage.link_names("n1");
    let links = stage.cluster.sh_in(&stage.cluster.node("n1").ns, "ip -br link").expect("links");
    for _ in 0..2 {
        let ns = stage.cluster.task_ns("t1").expect("a namespace");
        let server = stage.cluster.start_whoami("t1", &ns, &[8080]).expect("a server");
        for to in stage.everywhere() {
            eventually(AMPLE, "service at the new task", || {
                TcpSession::open(stage.client(), to, 0).is_ok()
            })
            .expect("an answer");
        }
        server.kill().expect("the server's end");
        stage.cluster.remove_ns(&ns).expect("the namespace's end");
        eventually(AMPLE, "the end of its legs", || stage.link_names("n1") == before)
            .expect("no leg");
        let now = stage.cluster.sh_in(&stage.cluster.node("n1").ns, "ip -br link");
        assert_eq!(now.expect("links"), links);
    }
}
