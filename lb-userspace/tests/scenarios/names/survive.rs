//! Names through the troubles of the agent: a broken file, a kill, a namespace that is another one.

use lb_testbed::{Outcome, eventually};

use super::bed::{AMPLE, Bed, lines};

const WEB: &str = "networks = [\"front\"]\nvip = { front = \"10.1.0.10\" }";
const TASKS: [(&str, &str, u16); 1] = [("web.1", "n1", 1)];

fn started() -> (Bed, String) {
    let bed = Bed::new();
    let config = bed.config(&[("web", WEB, &TASKS)], "");
    bed.start(&["web.1"], &config);
    (bed, config)
}

fn expect_answer(bed: &Bed) {
    assert_eq!(bed.ask("web.1", "web"), lines(["NOERROR", "web. 1 IN A 10.1.0.10"]));
}

#[test]
fn the_last_good_names_are_told_while_the_file_is_broken_and_by_a_new_agent_too() {
    let (bed, config) = started();
    let broken = format!("{config}\nnonsense = [\n");
    let outcome = bed.cluster.offer_config(&broken).expect("an outcome");
    assert!(matches!(&outcome["n1"], Outcome::Refused(_)), "{outcome:?}");
    expect_answer(&bed);
    bed.cluster.kill_agent("n1").expect("a kill");
    let none = bed.cluster.sh_in(&bed.ns("web.1"), "dig @127.0.0.11 +tries=1 +time=1 web");
    assert!(none.is_err(), "nobody answers without an agent: {none:?}");
    let agent = bed.cluster.agent_command("n1").expect("a command");
    let agent = bed.cluster.spawn_in(&bed.cluster.node("n1").ns, agent).expect("an agent");
    agent.wait_line(0, AMPLE, |line| line.starts_with("refused").then_some(())).expect("a refusal");
    expect_answer(&bed);
}

#[test]
fn a_new_namespace_of_the_same_name_gets_its_resolver_and_the_old_one_ends() {
    let (bed, _) = started();
    let old = bed.ns("web.1");
    bed.cluster.remove_ns(&old).expect("an end");
    // With lo down, as `ip netns add` leaves it.
    bed.cluster
        .sh_in(&bed.cluster.node("n1").ns, &format!("ip netns add {}", old.name()))
        .expect("a start");
    let told = eventually(AMPLE, "an answer in the new namespace", || {
        let line = "dig @127.0.0.11 +tries=1 +time=1 +short web";
        bed.cluster.sh_in(&old, line).is_ok_and(|text| text.contains("10.1.0.10"))
    });
    told.expect("a resolver");
    expect_answer(&bed);
}

#[test]
fn a_port_that_the_task_itself_holds_is_reported_and_taken_when_free() {
    let bed = Bed::new();
    let ns = bed.cluster.task_ns("web.1").expect("a namespace");
    let holder = lb_testbed::in_ns(&ns, || std::net::TcpListener::bind("0.0.0.0:53"));
    let holder = holder.expect("a namespace").expect("the port");
    bed.start(&[], &bed.config(&[("web", WEB, &TASKS)], ""));
    let agent = bed.cluster.agent("n1").expect("an agent");
    assert!(agent.stderr().contains("task web.1: port 53 is taken"), "{}", agent.tail());
    drop(holder);
    let free = eventually(AMPLE, "the resolver", || {
        let line = "dig @127.0.0.11 +tries=1 +time=1 +short web";
        bed.cluster.sh_in(&ns, line).is_ok_and(|text| text.contains("10.1.0.10"))
    });
    free.expect("a resolver");
}

#[test]
fn without_dns_there_is_no_resolver() {
    let (bed, _) = started();
    let off = bed.config(&[("web", WEB, &TASKS)], "[dns]\nenabled = false\n");
    bed.cluster.apply_config(&off).expect("a change");
    let asked = bed.cluster.sh_in(&bed.ns("web.1"), "dig @127.0.0.11 +tries=1 +time=1 web");
    assert!(asked.is_err(), "{asked:?}");
    assert!(!std::path::Path::new("/etc/netns").join(bed.ns("web.1").name()).exists());
}
