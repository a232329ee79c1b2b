//! Names that the cluster does not know: asked of name servers in the underlay, whatever those do.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use lb_testbed::{BIG, in_ns};

use super::bed::{AMPLE, Bed, SERVER_PORT, lines};

const FIRST: [u8; 4] = [203, 0, 113, 1];
const SECOND: [u8; 4] = [203, 0, 113, 2];
const OUTSIDE: (&str, &str, &[(&str, &str, u16)]) =
    ("out", "networks = [\"front\", \"back\"]", &[("out.1", "n1", 1)]);
const INSIDE: (&str, &str, &[(&str, &str, u16)]) =
    ("inside", "networks = [\"back\"]", &[("in.1", "n1", 1)]);
/// How long a name server may take before the next one is asked.
const TURN: Duration = Duration::from_secs(4);

/// A cluster whose resolver asks the ports in turn.
fn asking(ports: &[u16], lines: &str) -> Bed {
    let bed = Bed::new();
    let config = bed.config(&[OUTSIDE, INSIDE], &format!("{}\n{lines}", bed.upstream(ports)));
    bed.start(&["out.1", "in.1"], &config);
    bed
}

#[test]
fn replies_of_name_servers_are_passed_on_as_they_are() {
    let bed = asking(&[SERVER_PORT], "");
    let server = bed.name_server(SERVER_PORT, FIRST);
    let told = lines(["NOERROR", "www.example. 321 IN A 203.0.113.1"]);
    assert_eq!(bed.ask("out.1", "www.example"), told);
    assert_eq!(bed.ask("out.1", "+tcp www.example"), told);
    assert_eq!(bed.ask("out.1", "no.example"), ["NXDOMAIN"]);
    assert_eq!(bed.ask("out.1", "fail.example"), ["SERVFAIL"]);
    assert_eq!(bed.ask("out.1", "www.example TXT").first().map(String::as_str), Some("NOERROR"));
    // Cut short for those who take little, in one piece over TCP.
    let cut = bed.dig("out.1", "+ignore +noedns big.example");
    assert!(cut.contains(" tc "), "{cut}");
    assert_eq!(bed.addresses("out.1", "big.example").len(), usize::from(BIG));
    let asked = server.asked();
    assert!(asked.contains(&"tcp A big.example.".to_owned()), "{asked:?}");
    // What the cluster knows is asked of nobody.
    bed.ask("out.1", "out");
    bed.ask("out.1", "in.1.back AAAA");
    assert!(server.asked().iter().all(|line| line.ends_with(".example.")), "{:?}", server.asked());
}

#[test]
fn a_server_that_fails_refuses_or_says_nothing_is_followed_by_the_next() {
    let bed = asking(&[SERVER_PORT, SERVER_PORT + 1], "");
    assert_eq!(bed.ask("out.1", "www.example"), ["SERVFAIL"], "nobody is there");
    let second = bed.name_server(SERVER_PORT + 1, SECOND);
    let told = lines(["NOERROR", "www.example. 321 IN A 203.0.113.2"]);
    assert_eq!(bed.ask("out.1", "www.example"), told, "the first is not there");
    let first = bed.name_server(SERVER_PORT, FIRST);
    assert_eq!(bed.addresses("out.1", "www.example"), [FIRST.into()].into());
    for name in ["fail.example", "refused.example"] {
        assert_eq!(bed.ask("out.1", name), ["SERVFAIL"]);
        let line = format!("udp A {name}.");
        assert!(first.asked().contains(&line) && second.asked().contains(&line), "{name}");
    }
    let started = Instant::now();
    assert_eq!(bed.ask("out.1", "silent.example"), ["SERVFAIL"]);
    assert!(started.elapsed() >= 2 * TURN, "{:?}", started.elapsed());
    let asked = second.asked().iter().filter(|line| line.contains("silent")).count();
    assert_eq!(asked, 1, "each server is asked once");
}

#[test]
fn questions_beyond_the_limit_are_refused_and_the_clusters_names_answered_all_the_same() {
    const LIMIT: usize = 1024;
    const EXCESS: usize = 100;
    // Silent three times over: a slow machine has so much longer to ask all of them.
    let bed = asking(&[SERVER_PORT; 3], "");
    let _server = bed.name_server(SERVER_PORT, FIRST);
    let refused = in_ns(&bed.ns("out.1"), || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect("127.0.0.11:53")?;
        socket.set_read_timeout(Some(AMPLE))?;
        let mut refused = 0;
        for id in 0..u16::try_from(LIMIT + EXCESS).expect("few") {
            socket.send(&silent_question(id))?;
            // A name of the cluster now and then, to keep in step with the resolver's socket.
            if id % 64 == 63 || usize::from(id) >= LIMIT {
                socket.send(&known_question())?;
                refused += refused_until_known(&socket)?;
            }
        }
        // Refusals may come later than what was asked after them; give-ups come in between.
        let mut reply = [0; 512];
        while refused < EXCESS {
            socket.recv(&mut reply)?;
            refused += usize::from(is_refusal(&reply));
        }
        Ok::<_, std::io::Error>(refused)
    });
    let refused = refused.expect("a namespace").expect("replies");
    assert_eq!(refused, EXCESS);
    assert_eq!(bed.addresses("out.1", "out").len(), 1);
}

/// Reads replies up to the one about a name of the cluster; returns how many were refusals.
fn refused_until_known(socket: &UdpSocket) -> std::io::Result<usize> {
    let mut reply = [0; 512];
    let mut refused = 0;
    loop {
        socket.recv(&mut reply)?;
        if reply[..2] == KNOWN.to_be_bytes() {
            assert_eq!(reply[3] & 0x0f, 0, "a name of the cluster");
            return Ok(refused);
        }
        refused += usize::from(is_refusal(&reply));
    }
}

fn is_refusal(reply: &[u8; 512]) -> bool {
    reply[3] & 0x0f == 5
}

/// Id of the questions about a name of the cluster.
const KNOWN: u16 = 0xffff;

fn silent_question(id: u16) -> Vec<u8> {
    question(id, &["silent", "example"])
}

fn known_question() -> Vec<u8> {
    question(KNOWN, &["out"])
}

fn question(id: u16, labels: &[&str]) -> Vec<u8> {
    let mut bytes = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in labels {
        bytes.push(u8::try_from(label.len()).expect("a label"));
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

#[test]
fn nothing_leaks_from_internal_networks() {
    let bed = asking(&[SERVER_PORT], "");
    let server = bed.name_server(SERVER_PORT, FIRST);
    let wire = bed.cluster.capture_wire("n1", "port 5353 or port 53").expect("a capture");
    for words in ["www.example", "+tcp www.example", "www.example MX", "nobody", "-x 9.9.9.9"] {
        assert_eq!(bed.ask("in.1", words), ["SERVFAIL"], "{words}");
    }
    assert_eq!(bed.addresses("in.1", "inside").len(), 1, "its own names are known");
    assert_eq!(server.asked(), [""; 0]);
    // The capture sees what does leave: a question of a task with a way out.
    assert_eq!(bed.addresses("out.1", "control.example"), [FIRST.into()].into());
    let seen = |lines: &[String]| lines.iter().any(|line| line.contains("control.example"));
    let mut last = Vec::new();
    let found = lb_testbed::eventually(AMPLE, "the question in the capture", || {
        last = wire.lines(&[]).unwrap_or_default();
        seen(&last)
    });
    found.expect("a capture that sees");
    let leaked: Vec<_> = last
        .iter()
        .filter(|line| !line.contains("control.example") && line.contains('?'))
        .collect();
    assert!(leaked.is_empty(), "{leaked:#?}");
}

#[test]
fn with_ndots_names_of_one_label_are_not_asked_outside() {
    let bed = asking(&[SERVER_PORT], "ndots = 1\nsearch = [\"example\"]");
    let server = bed.name_server(SERVER_PORT, FIRST);
    assert_eq!(bed.ask("out.1", "nobody"), ["NOERROR"]);
    assert_eq!(bed.ask("out.1", "nobody AAAA"), ["NOERROR"]);
    assert_eq!(server.asked(), [""; 0]);
    assert_eq!(bed.addresses("out.1", "nobody.example"), [FIRST.into()].into());
}
