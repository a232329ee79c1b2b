//! Ten thousand questions while services grow, shrink and drain: none is answered wrongly, none late.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use lb_testbed::{eventually, spawn_thread_in};

use super::bed::{AMPLE, Bed};

/// Questions to be answered before the test ends.
const QUESTIONS: u64 = 10_000;
/// Threads that ask.
const ASKERS: usize = 3;
const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
const WEB: &str = "networks = [\"front\"]\nvip = { front = \"10.1.0.10\" }";
const POOL: &str = "networks = [\"front\"]\nmode = \"dnsrr\"";
/// Further lines: a hold that shows in answers.
const LINES: &str = "hold_ms = 200";

/// Tasks of both services with their nodes and weights: n2's are held for a while when they are new.
const STEPS: [&[(u8, &str, u16)]; 6] = [
    &[(1, "n1", 1), (2, "n2", 1)],
    &[(1, "n1", 1), (2, "n2", 1), (3, "n1", 1), (4, "n2", 1)],
    &[(1, "n1", 1), (2, "n2", 0), (3, "n1", 1), (4, "n2", 1)],
    &[(1, "n1", 0), (3, "n1", 1), (4, "n2", 1)],
    &[(1, "n1", 1), (5, "n2", 3)],
    &[(1, "n1", 0), (5, "n2", 0)],
];

/// Last octets of the tasks that take new clients; of those that drain where there are no others.
fn live(step: &[(u8, &str, u16)]) -> BTreeSet<u8> {
    let with = |wanted: fn(u16) -> bool| {
        step.iter().filter(move |task| wanted(task.2)).map(|task| task.0).collect::<BTreeSet<u8>>()
    };
    let live = with(|weight| weight > 0);
    if live.is_empty() { with(|_| true) } else { live }
}

/// What may be told at the moment: between what all allowed steps have and what any has.
#[derive(Clone, Debug)]
struct Allowed {
    at_least: BTreeSet<u8>,
    at_most: BTreeSet<u8>,
}

impl Allowed {
    fn one(step: &[(u8, &str, u16)]) -> Self {
        Self { at_least: live(step), at_most: live(step) }
    }

    fn either(&self, other: &Self) -> Self {
        Self { at_least: &self.at_least & &other.at_least, at_most: &self.at_most | &other.at_most }
    }
}

/// What askers and the test share.
struct Shared {
    allowed: Mutex<Allowed>,
    asked: AtomicU64,
    ended: AtomicBool,
}

impl Shared {
    fn allowed(&self) -> Allowed {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn allow(&self, allowed: Allowed) {
        *self.allowed.lock().unwrap_or_else(PoisonError::into_inner) = allowed;
    }

    /// Asks for all names in turn until the end.
    fn ask(&self) -> Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect("127.0.0.11:53")?;
        socket.set_read_timeout(Some(AMPLE))?;
        while !self.ended.load(Ordering::Relaxed) {
            let web = question(&socket, "web.")?;
            ensure!(web == [VIP].into(), "web: {web:?}");
            for (name, third) in [("pool.", 20), ("tasks.pool.front.", 20), ("tasks.web.", 10)] {
                let before = self.allowed();
                let told = question(&socket, name)?;
                let allowed = before.either(&self.allowed());
                check(name, third, &told, &allowed)?;
            }
            self.asked.fetch_add(4, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn check(name: &str, base: u8, told: &BTreeSet<Ipv4Addr>, allowed: &Allowed) -> Result<()> {
    let tasks: BTreeSet<u8> =
        told.iter().map(|address| address.octets()[3].wrapping_sub(base * 4)).collect();
    let right = tasks.is_superset(&allowed.at_least) && tasks.is_subset(&allowed.at_most);
    ensure!(right && !tasks.is_empty(), "{name}: told {told:?}, allowed {allowed:?}");
    Ok(())
}

fn question(socket: &UdpSocket, name: &str) -> Result<BTreeSet<Ipv4Addr>> {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name)?, RecordType::A));
    socket.send(&query.to_vec()?)?;
    let mut buffer = [0; 512];
    let len = socket.recv(&mut buffer).with_context(|| format!("no answer about {name}"))?;
    let reply = Message::from_vec(&buffer[..len])?;
    ensure!(reply.id == query.id, "an answer to another question");
    ensure!(reply.response_code == ResponseCode::NoError, "{name}: {}", reply.response_code);
    let address = |record: &hickory_proto::rr::Record| match record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    };
    Ok(reply.answers.iter().filter_map(address).collect())
}

/// The cluster file of a step. Task N has the address 10.1.0.40+N in `web` and 10.1.0.80+N in `pool`.
fn config(bed: &Bed, step: &[(u8, &str, u16)]) -> String {
    let tasks = |service: &str, base: u8| -> String {
        let task = |(number, node, weight): &(u8, &str, u16)| {
            let name = format!("{service}.{number}");
            format!(
                "[[service.task]]\nname = \"{name}\"\nnode = \"{node}\"\nnetns = \"{}\"\n\
                 weight = {weight}\naddresses = {{ front = \"10.1.0.{}\" }}\n",
                bed.ns(&name).name(),
                base * 4 + number
            )
        };
        step.iter().map(task).collect()
    };
    let service = |name: &str, lines: &str, base| {
        format!("[[service]]\nname = \"{name}\"\n{lines}\n{}", tasks(name, base))
    };
    let asker = ("asker", "networks = [\"front\"]", &[("asker.1", "n1", 1)][..]);
    format!(
        "{}{}{}",
        bed.config(&[asker], LINES),
        service("web", WEB, 10),
        service("pool", POOL, 20)
    )
}

#[test]
fn ten_thousand_questions_are_answered_rightly_while_services_change() {
    let bed = Bed::new();
    bed.start(&["asker.1"], &config(&bed, STEPS[0]));
    let shared = Arc::new(Shared {
        allowed: Mutex::new(Allowed::one(STEPS[0])),
        asked: AtomicU64::new(0),
        ended: AtomicBool::new(false),
    });
    let ask = || {
        let shared = shared.clone();
        spawn_thread_in(&bed.ns("asker.1"), move || {
            let outcome = shared.ask();
            shared.ended.store(true, Ordering::Relaxed);
            outcome
        })
    };
    let askers: Vec<_> = (0..ASKERS).map(|_| ask().expect("an asker")).collect();
    let go_on = || !shared.ended.load(Ordering::Relaxed);
    let mut step = 0;
    while shared.asked.load(Ordering::Relaxed) < QUESTIONS && go_on() || step < STEPS.len() {
        if !go_on() {
            break;
        }
        step += 1;
        let (before, after) = (STEPS[(step - 1) % STEPS.len()], STEPS[step % STEPS.len()]);
        shared.allow(Allowed::one(before).either(&Allowed::one(after)));
        bed.cluster.apply_config(&config(&bed, after)).expect("a change");
        shared.allow(Allowed::one(after));
        // Some are asked when nothing changes: then there is one right answer only.
        let asked = shared.asked.load(Ordering::Relaxed);
        let more = || shared.asked.load(Ordering::Relaxed) > asked + 200 || !go_on();
        eventually(AMPLE, "answers", more).expect("answers");
    }
    shared.ended.store(true, Ordering::Relaxed);
    for asker in askers {
        asker.join().expect("an asker").expect("right answers only");
    }
    println!("{} questions over {step} changes", shared.asked.load(Ordering::Relaxed));
}
