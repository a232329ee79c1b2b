//! What agents of one Swarm tell each other, and what they make of silence and goodbyes.
use std::time::Instant;

use super::{
    super::{Publication, Station, farewell, frame::SILENCE},
    swarm::{
        Swarm, address, calls, facts, heard, hello, number_heard, numbered, present, present_are,
        problem, publication,
    },
};
use crate::source::docker::stream::Role;

#[tokio::test]
async fn facts_go_out_and_hellos_come_in_whenever_they_change() {
    let swarm = Swarm::new();
    let manager = swarm.manager("m", 1, numbered(&["m", "w"], 1));
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    let first = number_heard(&worker, 1).await;
    assert_eq!(first.manager, Some(format!("127.0.0.1:{}", swarm.port)));
    present_are(&manager, &[("w", 5)]).await;
    manager.publish(publication(numbered(&["m", "w"], 2)));
    worker.stand(calls(6, &[("m", 1)]));
    number_heard(&worker, 2).await;
    present_are(&manager, &[("w", 6)]).await;
    assert!(worker.problems().borrow().is_empty() && manager.problems().borrow().is_empty());
}

#[tokio::test]
async fn those_with_nothing_new_to_say_stay_connected() {
    let swarm = Swarm::new();
    let manager = swarm.manager("m", 1, facts(&["m", "w"]));
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    number_heard(&worker, 0).await;
    let (mut changes, began) = (worker.heard(), Instant::now());
    changes.mark_unchanged();
    // Nothing must happen, so there is nothing to wait for but time.
    drop(tokio::time::timeout(SILENCE * 3 / 2, changes.changed()).await);
    assert!(began.elapsed() > SILENCE, "{:?}", worker.heard().borrow());
    present_are(&manager, &[("w", 5)]).await;
}

#[tokio::test]
async fn a_worker_changes_over_to_another_manager_and_keeps_the_last_facts() {
    let swarm = Swarm::new();
    let nodes = ["a", "b", "w"];
    let (a, b) =
        (swarm.manager("a", 1, numbered(&nodes, 1)), swarm.manager("b", 2, numbered(&nodes, 2)));
    let worker = swarm.worker("w", 5, &[("a", 1)]);
    number_heard(&worker, 1).await;
    worker.stand(calls(5, &[("a", 1), ("b", 2)]));
    present_are(&b, &[("w", 5)]).await;
    present_are(&a, &[("w", 5)]).await;
    let facts = numbered(&nodes, 3).into();
    a.publish(Publication { facts, engine_answers: false });
    number_heard(&worker, 2).await;
    a.publish(publication(numbered(&nodes, 4)));
    drop(b);
    number_heard(&worker, 4).await;
    drop(a);
    let silent = heard(&worker, |heard| heard.manager.is_none()).await;
    assert_eq!(silent.facts.unwrap().vxlan_port, 4);
    problem(&worker, "cannot connect").await;
}

#[tokio::test]
async fn managers_speak_with_each_other_but_not_with_themselves() {
    let swarm = Swarm::new();
    let nodes = ["a", "b"];
    let (a, b) =
        (swarm.manager("a", 1, numbered(&nodes, 1)), swarm.manager("b", 2, numbered(&nodes, 2)));
    let both = [("a", 1), ("b", 2)];
    a.stand(Station { listen: Some(address(1)), ..calls(11, &both) });
    b.stand(Station { listen: Some(address(2)), ..calls(12, &both) });
    present_are(&a, &[("b", 12)]).await;
    present_are(&b, &[("a", 11)]).await;
    number_heard(&a, 2).await;
    number_heard(&b, 1).await;
    assert!(a.problems().borrow().is_empty(), "{:?}", a.problems().borrow());
}

#[tokio::test]
async fn those_who_were_there_count_after_a_restart_of_the_manager_and_its_appointment() {
    let swarm = Swarm::new();
    let manager = swarm.manager("m", 1, facts(&["m", "w"]));
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    present_are(&manager, &[("w", 5)]).await;
    swarm.remembered("m", &[("w", 5)]).await;
    drop(manager);
    drop(worker);
    let manager = swarm.start("m");
    assert_eq!(*manager.present().borrow(), present(&[("w", 5)]));

    // One that has only heard of others so far.
    let mut told = facts(&["m", "w"]);
    told.nodes.get_mut("w").unwrap().address = Some(hello(5).address);
    drop(manager);
    let manager = swarm.start_manager("m", 1, told);
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    number_heard(&worker, 0).await;
    worker.stand(Station { listen: Some(address(2)), ..Station::default() });
    present_are(&worker, &[("w", 5)]).await;
    drop(manager);
}

#[tokio::test]
async fn a_goodbye_counts_at_once() {
    let swarm = Swarm::new();
    let manager = swarm.manager("m", 1, facts(&["m", "w", "v"]));
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    let other = swarm.worker("v", 6, &[("m", 1)]);
    present_are(&manager, &[("v", 6), ("w", 5)]).await;
    // What a farewell goes by is written down a moment after it is known.
    swarm.remembered("w", &[]).await;
    drop(worker);
    assert_eq!(farewell(&swarm.state_dir("w")).await.unwrap(), Vec::<String>::new());
    present_are(&manager, &[("v", 6)]).await;

    // The manager's own: nobody is left to publish it, so those that call it hear it from itself. Who
    // has heard nothing before has nothing to put right.
    number_heard(&other, 0).await;
    swarm.remembered("m", &[("v", 6)]).await;
    drop(manager);
    assert_eq!(farewell(&swarm.state_dir("m")).await.unwrap(), Vec::<String>::new());
    let known = heard(&other, |heard| {
        heard.facts.as_ref().is_some_and(|facts| !facts.nodes["m"].has_agent)
    });
    assert!(known.await.facts.unwrap().nodes["v"].has_agent);
}

#[tokio::test]
async fn a_goodbye_that_nobody_hears_is_told() {
    let swarm = Swarm::new();
    assert_eq!(farewell(&swarm.state_dir("w")).await.unwrap(), Vec::<String>::new());
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    problem(&worker, "cannot connect").await;
    swarm.remembered("w", &[]).await;
    drop(worker);
    let untold = farewell(&swarm.state_dir("w")).await.unwrap();
    assert!(untold[0].contains("127.0.0.1") && untold[0].contains("cannot connect"), "{untold:?}");
    std::fs::write(swarm.state_dir("w").join(super::super::MEMO_FILE), "{").unwrap();
    assert!(farewell(&swarm.state_dir("w")).await.unwrap_err().to_string().contains("stream.json"));
}

#[tokio::test]
async fn an_address_that_is_another_agents_is_taken_over_when_it_is_free() {
    let swarm = Swarm::new();
    swarm.member("w", Role::Worker);
    let taken = std::net::TcpListener::bind((address(1), swarm.port)).unwrap();
    let manager = swarm.manager("m", 1, facts(&["m", "w"]));
    problem(&manager, "cannot listen").await;
    drop(taken);
    let worker = swarm.start_worker("w", 5, &[("m", 1)]);
    number_heard(&worker, 0).await;
    assert!(manager.problems().borrow().is_empty());
}
