//! The paths: which program meets which frame, over how many flows and services, and how it must end.

use lb_ebpf::headers::{ACK, SYN};

use super::{
    cluster::{self, Kind},
    frames::{self, Template},
    stage::Stage,
};
use crate::object::Hook;

/// `XDP_PASS`, `XDP_TX`, `XDP_REDIRECT` (include/uapi/linux/bpf.h).
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;
/// `TCX_REDIRECT`.
const TCX_REDIRECT: u32 = 7;
/// `TCX_NEXT`: -1.
const TCX_NEXT: u32 = u32::MAX;
/// The program that most paths are in.
const XDP_NODE: Target = Target::Production(Kind::Standalone, "xdp_node");

/// Flow counts by the names that figures have.
const ONE: (&str, u64) = ("1", 1);
const FEW: (&str, u64) = ("4k", 1 << 12);
const SOME: (&str, u64) = ("131k", 1 << 17);
const LOTS: (&str, u64) = ("1M", 1 << 20);

/// A measured program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Of the production object, as it is loaded for nodes of this kind.
    Production(Kind, &'static str),
    /// Of the measuring object.
    Floor(&'static str),
}

impl Target {
    /// Where a production program is attached.
    pub(super) fn hook(self) -> Hook {
        match self {
            Self::Production(_, "xdp_node") => Hook::Xdp,
            Self::Production(..) | Self::Floor(_) => Hook::Tc,
        }
    }
}

/// Where a frame comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Nic,
    Leg,
    Client,
    Backend,
}

/// One figure.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) target: Target,
    pub(super) hook: Hook,
    pub(super) at: At,
    pub(super) template: Template,
    pub(super) flows: u64,
    pub(super) services: u32,
    /// What it must return, and by how many bytes the frame must then be longer.
    pub(super) ends: (u32, i32),
    /// Number of the first frame.
    pub(super) first: u64,
    /// Frames that go before in each round, so that the flows are known.
    pub(super) before: Vec<(At, Target, Template)>,
}

impl Case {
    /// Whether each run is a call of its own: `bpf_skb_adjust_room` encapsulates a packet once, since
    /// the kernel keeps in mind that it is encapsulated, and nothing makes it forget.
    pub(super) fn single(&self) -> bool {
        self.hook == Hook::Tc && self.ends.1 > 0
    }

    /// The driver for its frames.
    pub(super) fn driver(&self) -> &'static str {
        driver(self.hook, &self.template)
    }
}

/// The driver for frames of a kind.
pub(super) fn driver(hook: Hook, template: &Template) -> &'static str {
    match (hook, template.tunnelled, template.back) {
        (Hook::Xdp, false, _) => "drive_plain",
        (Hook::Xdp, true, false) => "drive_tunnel",
        (Hook::Xdp, true, true) => "drive_reply",
        (Hook::Tc, false, false) => "drive_send",
        (Hook::Tc, false, true) => "drive_answer",
        (Hook::Tc, true, false) => "drive_arrive",
        (Hook::Tc, true, true) => "drive_arrive_back",
    }
}

/// All of them.
pub(super) fn all(stage: &Stage) -> Vec<Case> {
    [floors(), passing(), entry(), sizes(stage), home(), replies(), vips(), beside_docker()]
        .concat()
}

fn xdp(id: &str, title: &str, template: Template, ends: (u32, i32)) -> Case {
    Case {
        id: format!("packet/{id}"),
        title: title.to_owned(),
        target: XDP_NODE,
        hook: Hook::Xdp,
        at: At::Nic,
        template,
        flows: 1,
        services: 1,
        ends,
        first: 0,
        before: Vec::new(),
    }
}

fn tc(id: &str, title: &str, program: &'static str, template: Template, ends: (u32, i32)) -> Case {
    let target = Target::Production(Kind::Standalone, program);
    Case { target, hook: Hook::Tc, at: At::Leg, ..xdp(id, title, template, ends) }
}

/// The same over several numbers of flows.
fn over(case: &Case, flows: &[(&str, u64)]) -> Vec<Case> {
    let with = |&(name, flows): &(&str, u64)| Case {
        id: format!("{}/{name}", case.id),
        title: format!("{}, {name} flow{}", case.title, if flows == 1 { "" } else { "s" }),
        flows,
        ..case.clone()
    };
    flows.iter().map(with).collect()
}

fn floors() -> Vec<Case> {
    let floor = |case: Case, program| Case { target: Target::Floor(program), ..case };
    let ack = frames::ack(cluster::ENTRY);
    let stateless = xdp("floor/stateless", "least entry, stateless", ack.clone(), (XDP_TX, 50));
    let lru = xdp("floor/lru", "least entry with an LRU", ack, (XDP_TX, 50));
    let nat = tc("floor/tcx-nat", "least NAT in tcx", "", frames::answer(), (TCX_REDIRECT, 0));
    let tunnel =
        Case { id: "packet/floor/tcx-nat-tunnel".into(), ends: (TCX_REDIRECT, 50), ..nat.clone() };
    let tunnel = Case { title: "least NAT in tcx, into a tunnel".into(), ..tunnel };
    [
        over(&floor(stateless, "floor_stateless"), &[ONE, FEW, SOME, LOTS]),
        over(&floor(lru, "floor_lru"), &[ONE, FEW, SOME]),
        over(&floor(nat, "floor_tc_nat"), &[ONE, SOME]),
        over(&floor(tunnel, "floor_tc_tunnel"), &[ONE, SOME]),
    ]
    .concat()
}

fn passing() -> Vec<Case> {
    let pass = (XDP_PASS, 0);
    vec![
        xdp("pass/unpublished", "a port of nobody", frames::ack(cluster::UNPUBLISHED), pass),
        xdp("pass/foreign", "to another host", frames::foreign(), pass),
    ]
}

fn entry() -> Vec<Case> {
    let away = (XDP_REDIRECT, 50);
    let before = |template| vec![(At::Nic, XDP_NODE, template)];
    let tcp = xdp("entry/tcp", "entry, established", frames::ack(cluster::ENTRY), away);
    let syn = xdp("entry/syn", "entry, SYN", frames::syn(cluster::ENTRY), away);
    let udp =
        xdp("entry/udp", "entry, UDP, known flow", frames::datagram(cluster::ENTRY_UDP), away);
    let rr = xdp("entry/rr", "entry, rr, known flow", frames::ack(cluster::ENTRY_RR), away);
    let udp = Case { before: before(udp.template.clone()), ..udp };
    let rr = Case { before: before(frames::syn(cluster::ENTRY_RR)), ..rr };
    [
        over(&tcp, &[ONE, FEW, SOME, LOTS]),
        over(&syn, &[ONE, SOME]),
        over(&udp, &[ONE, FEW, SOME]),
        over(&rr, &[ONE, FEW, SOME]),
    ]
    .concat()
}

/// Many backends, many services.
fn sizes(stage: &Stage) -> Vec<Case> {
    let away = (XDP_REDIRECT, 50);
    let backends = |count, port| {
        let (id, title) = (format!("entry/backends-{count}"), format!("entry, {count} backends"));
        over(&xdp(&id, &title, frames::ack(port), away), &[SOME])
    };
    let services = |name: &str, count: u16| {
        let each = stage.size.backends;
        let title = format!("entry, {name} services with {each} backends each");
        let case = xdp(&format!("entry/services-{name}"), &title, frames::ack(cluster::MANY), away);
        let count = u32::from(count);
        over(&Case { services: count, ..case }, &[SOME])
    };
    let mut cases =
        [backends(100, cluster::ENTRY_100), backends(5000, cluster::ENTRY_5000)].concat();
    if stage.size.services >= 1000 {
        cases.extend(services("1k", 1000));
    }
    if stage.size.services >= 10_000 {
        cases.extend(services("10k", 10_000));
    }
    cases
}

fn home() -> Vec<Case> {
    let deliver = (XDP_REDIRECT, -50);
    let opening = |syn, ack| vec![(At::Nic, XDP_NODE, syn), (At::Nic, XDP_NODE, ack)];
    let known = opening(frames::forwarded(SYN), frames::forwarded(ACK));
    let home = xdp("home", "home, established", frames::forwarded(ACK), deliver);
    let syn = xdp("home-syn", "home, SYN of a known flow", frames::forwarded(SYN), deliver);
    // Beyond the flows that other cases open.
    let flood =
        xdp("home-flood", "home, SYN of a new flow each time", frames::forwarded(SYN), deliver);
    let flood = Case { first: 1 << 20, ..flood };
    let udp = xdp("home-udp", "home, UDP, known flow", frames::forwarded_datagram(), deliver);
    let local = frames::ack(cluster::HOME_ENTRY);
    let both = xdp("home-entry", "entry and home at once", local.clone(), (XDP_REDIRECT, 0));
    [
        over(&Case { before: known.clone(), ..home }, &[ONE, FEW, SOME]),
        over(&Case { before: known, ..syn }, &[ONE]),
        over(&flood, &[("16M", 1 << 24)]),
        over(&Case { before: vec![(At::Nic, XDP_NODE, udp.template.clone())], ..udp }, &[ONE]),
        over(
            &Case { before: opening(frames::syn(cluster::HOME_ENTRY), local), ..both },
            &[ONE, FEW],
        ),
    ]
    .concat()
}

fn replies() -> Vec<Case> {
    let opening = |syn, ack| vec![(At::Nic, XDP_NODE, syn), (At::Nic, XDP_NODE, ack)];
    let tunnel =
        tc("reply/tunnel", "reply into the tunnel", "tc_leg", frames::answer(), (TCX_REDIRECT, 50));
    let known = opening(frames::forwarded(SYN), frames::forwarded(ACK));
    let unpack = xdp(
        "unpack",
        "entry, a reply out of the tunnel",
        frames::reply_in_tunnel(cluster::ENTRY),
        (XDP_REDIRECT, -50),
    );
    [over(&Case { before: known, ..tunnel }, &[ONE, SOME]), over(&unpack, &[ONE, SOME])].concat()
}

fn vips() -> Vec<Case> {
    let out = |at, case: Case, syn| {
        let before = vec![(At::Client, Target::Production(Kind::Standalone, "tc_overlay"), syn)];
        Case { at, before, ..case }
    };
    let redirect = |by| (TCX_REDIRECT, by);
    let (here, there) = (frames::to_vip_here(ACK), frames::to_vip_there(ACK));
    let cases = [
        out(
            At::Client,
            tc("vip/out-local", "to a VIP, task here", "tc_overlay", here, redirect(0)),
            frames::to_vip_here(SYN),
        ),
        out(
            At::Client,
            tc("vip/out-remote", "to a VIP, task elsewhere", "tc_overlay", there, redirect(50)),
            frames::to_vip_there(SYN),
        ),
        out(
            At::Backend,
            tc(
                "vip/in-local",
                "answer of a VIP's task here",
                "tc_overlay",
                frames::from_vip_here(),
                redirect(0),
            ),
            frames::to_vip_here(SYN),
        ),
        out(
            At::Nic,
            tc(
                "vip/in-remote",
                "answer of a VIP's task elsewhere",
                "tc_arrive",
                frames::from_vip_there(),
                redirect(-50),
            ),
            frames::to_vip_there(SYN),
        ),
    ];
    let encap = tc(
        "overlay/encap",
        "to a task elsewhere",
        "tc_overlay",
        frames::to_task_there(),
        redirect(50),
    );
    let decap = tc(
        "overlay/decap",
        "from a task elsewhere",
        "tc_arrive",
        frames::from_task_there(),
        redirect(-50),
    );
    // Two times 131k would fill the table.
    let flows = |case: &Case| {
        if case.id.ends_with("local") { over(case, &[ONE, SOME]) } else { over(case, &[ONE, FEW]) }
    };
    let mut all: Vec<Case> = cases.iter().flat_map(flows).collect();
    all.extend(over(&Case { at: At::Client, ..encap }, &[ONE]));
    all.extend(over(&Case { at: At::Nic, ..decap }, &[ONE]));
    all
}

/// What a Docker Engine on the node makes different.
fn beside_docker() -> Vec<Case> {
    let program = |name| Target::Production(Kind::BesideDocker, name);
    let (out, back) = (frames::to_vip_there(ACK), frames::from_vip_there_bridged());
    let vip = |id, title, name, template| Case {
        target: program(name),
        at: At::Client,
        before: vec![(At::Client, program("tc_vip_out"), frames::to_vip_there(SYN))],
        ..tc(id, title, name, template, (TCX_NEXT, 0))
    };
    let entry = xdp(
        "docker/entry",
        "beside Docker: entry",
        frames::ack(cluster::ENTRY),
        (XDP_REDIRECT, 50),
    );
    let pass = xdp(
        "docker/pass",
        "beside Docker: a port of nobody",
        frames::ack(cluster::UNPUBLISHED),
        (XDP_PASS, 0),
    );
    let on_node = |case: Case| Case { target: program("xdp_node"), ..case };
    [
        over(&on_node(entry), &[ONE]),
        vec![on_node(pass)],
        over(&vip("docker/vip-out", "beside Docker: to a VIP", "tc_vip_out", out), &[ONE, SOME]),
        over(
            &vip("docker/vip-in", "beside Docker: answer of a VIP's task", "tc_vip_in", back),
            &[ONE, SOME],
        ),
    ]
    .concat()
}
