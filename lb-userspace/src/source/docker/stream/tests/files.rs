//! The node's certificate as the engine keeps it: renewed, rotated, half written, locked, absent.
use std::{fs, path::Path};

use super::{
    super::{
        Role, Subject,
        identity::{CERTIFICATE, Identity, KEY, ROOTS},
        own_subject,
    },
    swarm::{CLUSTER, Ca, Swarm, facts, heard, number_heard, numbered, problem, publication},
};

#[tokio::test]
async fn certificates_that_are_renewed_are_used_from_then_on() {
    let swarm = Swarm::new();
    let manager = swarm.manager("m", 1, numbered(&["m", "w"], 1));
    let worker = swarm.worker("w", 5, &[("m", 1)]);
    number_heard(&worker, 1).await;
    // A new root: what is connected stays so; the worker cannot come back before it has it, too.
    let rotated = Ca::new();
    rotated.issue(&swarm.certificates("m"), CLUSTER, Role::Manager, "m");
    manager.publish(publication(numbered(&["m", "w"], 2)));
    number_heard(&worker, 2).await;
    manager.publish(publication(facts(&["m"])));
    heard(&worker, |heard| heard.manager.is_none()).await;
    manager.publish(publication(numbered(&["m", "w"], 3)));
    problem(&worker, "invalid peer certificate").await;
    rotated.issue(&swarm.certificates("w"), CLUSTER, Role::Worker, "w");
    number_heard(&worker, 3).await;
    assert!(worker.problems().borrow().is_empty());
}

#[tokio::test]
async fn both_roots_count_while_one_takes_the_others_place() {
    let swarm = Swarm::new();
    let _manager = swarm.manager("m", 1, facts(&["m", "w"]));
    let rotated = Ca::new();
    let dir = swarm.certificates("w");
    rotated.issue(&dir, CLUSTER, Role::Worker, "w");
    let roots = rotated.pem() + &swarm.ca.pem();
    fs::write(dir.join(ROOTS), &roots).unwrap();
    fs::write(swarm.certificates("m").join(ROOTS), &roots).unwrap();
    let worker = swarm.start_worker("w", 5, &[("m", 1)]);
    number_heard(&worker, 0).await;
}

#[tokio::test]
async fn files_that_do_not_go_together_are_told_and_read_again() {
    let swarm = Swarm::new();
    let manager = swarm.manager("m", 1, facts(&["m", "w"]));
    let other = swarm.member("other", Role::Worker);
    let dir = swarm.member("w", Role::Worker);
    let key = fs::read(dir.join(KEY)).unwrap();
    fs::copy(other.join(KEY), dir.join(KEY)).unwrap();
    let worker = swarm.start_worker("w", 5, &[("m", 1)]);
    problem(&worker, "cannot be used").await;
    fs::write(dir.join(KEY), key).unwrap();
    number_heard(&worker, 0).await;
    assert!(worker.problems().borrow().is_empty());
    drop(manager);
}

#[test]
fn a_locked_key_is_named_and_the_certificate_still_tells_who_we_are() {
    let swarm = Swarm::new();
    let dir = swarm.member("m", Role::Manager);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 13\n\nAAAA\n\
                  -----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(dir.join(KEY), locked).unwrap();
    let error = Identity::read(&dir).unwrap_err().to_string();
    assert!(error.contains("swarm-node.key is locked") && error.contains("autolock"), "{error}");
    let subject = Subject { cluster: CLUSTER.into(), role: Role::Manager, node: "m".into() };
    assert_eq!(own_subject(&dir).unwrap(), subject);
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_name_and_none_of_its_contents() {
    let swarm = Swarm::new();
    for (name, content) in [
        (CERTIFICATE, ""),
        (CERTIFICATE, "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"),
        (KEY, "secret"),
        (KEY, "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"),
        (KEY, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"),
        (ROOTS, "secret"),
    ] {
        let dir = swarm.member("m", Role::Manager);
        fs::write(dir.join(name), content).unwrap();
        let error = wrong(&dir);
        // A key that is none is only known for that with its certificate.
        assert!(error.contains(name) || name == KEY && error.contains("certificates"), "{error}");
        assert!(!error.contains("secret") && !error.contains("c2VjcmV0"), "{error}");
    }
    let dir = swarm.member("m", Role::Manager);
    fs::remove_file(dir.join(KEY)).unwrap();
    assert!(wrong(&dir).contains("cannot read"));
}

fn wrong(dir: &Path) -> String {
    Identity::read(dir).unwrap_err().to_string()
}

#[test]
fn certificates_with_other_subjects_are_none_of_a_swarm_node() {
    let swarm = Swarm::new();
    let dir = swarm.member("m", Role::Manager);
    fs::write(dir.join(CERTIFICATE), swarm.ca.pem()).unwrap();
    let error = own_subject(&dir).unwrap_err().to_string();
    assert!(error.contains("exactly one unit"), "{error}");
}
