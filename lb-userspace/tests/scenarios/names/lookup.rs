//! What tasks are told about the cluster's own names, row by row of what Swarm's resolver does.

use std::collections::BTreeSet;

use super::bed::{Bed, lines};

const WEB: &str =
    "networks = [\"front\", \"back\"]\nvip = { front = \"10.1.0.10\", back = \"10.2.0.10\" }";
const POOL: &str = "networks = [\"back\", \"front\"]\nmode = \"dnsrr\"\naliases = [\"db\"]";
const WIDE: &str = "networks = [\"front\"]\nmode = \"dnsrr\"";
const WIDE_TASKS: usize = 60;

fn started() -> Bed {
    let bed = Bed::new();
    let wide: Vec<String> = (0..WIDE_TASKS).map(|i| format!("wide.{i}")).collect();
    let wide: Vec<(&str, &str, u16)> = wide.iter().map(|name| (name.as_str(), "n2", 1)).collect();
    let config = bed.config(
        &[
            ("web", WEB, &[("web.1", "n1", 1), ("web.2", "n2", 1)]),
            ("pool", POOL, &[("pool.1", "n1", 1), ("pool.2", "n2", 1), ("pool.3", "n2", 0)]),
            ("wide", WIDE, &wide),
            ("apart", "networks = [\"other\"]", &[("apart.1", "n1", 1)]),
        ],
        "[dns]\nupstream = [\"198.18.0.101:5353\"]",
    );
    bed.start(&["web.1", "pool.1", "apart.1"], &config);
    bed
}

#[test]
fn tasks_look_up_services_tasks_networks_and_addresses() {
    let bed = started();
    let web = lines(["NOERROR", "web. 1 IN A 10.1.0.10"]);
    assert_eq!(bed.ask("web.1", "web"), web);
    assert_eq!(bed.ask("web.1", "+tcp web"), web);
    assert_eq!(bed.ask("web.1", "WEB"), lines(["NOERROR", "WEB. 1 IN A 10.1.0.10"]));
    assert_eq!(bed.ask("pool.1", "web"), lines(["NOERROR", "web. 1 IN A 10.2.0.10"]));
    assert_eq!(bed.ask("pool.1", "web.front"), lines(["NOERROR", "web.front. 1 IN A 10.1.0.10"]));
    // A known name without such a record is no error, and nobody is asked about it.
    for kind in ["AAAA", "MX", "TXT", "SRV"] {
        assert_eq!(bed.ask("web.1", &format!("web {kind}")), ["NOERROR"], "{kind}");
    }
    let named = |words: &str| bed.dig("web.1", &format!("+short {words}")).trim().to_owned();
    assert_eq!(named("-x 10.1.0.10"), "web.front.");
    let one = bed.addresses("web.1", "web.2.back");
    assert_eq!(named(&format!("-x {}", one.first().expect("an address"))), "web.2.back.");
    assert_eq!(bed.ask("web.1", "-x 10.1.0.254"), ["NXDOMAIN"]);
    assert_eq!(bed.addresses("web.1", "web.1"), bed.addresses("web.1", "web.1.front"));
}

#[test]
fn all_tasks_have_a_name_together_in_random_order_without_those_that_drain() {
    let bed = started();
    let live: BTreeSet<_> = ["pool.1.back", "pool.2.back"]
        .map(|name| *bed.addresses("pool.1", name).first().expect("an address"))
        .into();
    for name in ["pool", "tasks.pool", "db", "tasks.db", "tasks.pool.back", "Tasks.Pool.Back"] {
        assert_eq!(bed.addresses("pool.1", name), live, "{name}");
    }
    assert_eq!(bed.addresses("pool.1", "pool.3").len(), 1, "a task that drains keeps its own name");
    let words = ["pool"; 40].join(" ");
    let answers = bed.dig("pool.1", &format!("+short {words}"));
    let firsts: BTreeSet<_> = answers.lines().step_by(2).collect();
    assert_eq!(firsts.len(), 2, "in 40 answers each has been the first: {answers}");
}

#[test]
fn names_of_networks_that_a_task_is_not_in_are_unknown_to_it() {
    let bed = started();
    let server = bed.name_server(super::bed::SERVER_PORT, [203, 0, 113, 9]);
    for name in ["web", "web.front", "tasks.web", "web.1"] {
        let told = bed.ask("apart.1", name);
        assert_eq!(told, ["NOERROR".into(), format!("{name}. 321 IN A {}", server.marker)]);
    }
}

#[test]
fn an_answer_that_does_not_fit_is_cut_and_comes_whole_over_tcp() {
    let bed = started();
    let cut = bed.dig("web.1", "+ignore +noedns wide");
    assert!(cut.contains(" tc ") && cut.contains("status: NOERROR"), "{cut}");
    let size = cut.split("MSG SIZE  rcvd: ").nth(1).and_then(|text| text.trim().parse().ok());
    assert!(size.is_some_and(|size: usize| (300..=512).contains(&size)), "{cut}");
    let whole = bed.dig("web.1", "+noedns wide");
    assert!(whole.contains("(TCP)"), "dig came back over TCP: {whole}");
    assert_eq!(bed.addresses("web.1", "+noedns wide").len(), WIDE_TASKS);
    let large = bed.dig("web.1", "+bufsize=4096 wide");
    assert!(large.contains("(UDP)") && large.contains(&format!("ANSWER: {WIDE_TASKS}")), "{large}");
}
