//! The cases: a two-node cluster with one task and one established connection, and for each case
//! the program it is about and a frame that was seen there.

use std::{net::SocketAddrV4, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use lb_common::wire;
use lb_testbed::{Capture, Cluster, Ns, Session as _, TcpSession, eventually_some};

use crate::{
    frames,
    program::{Hook, Program},
};

/// Port that the client dials.
const PUBLISHED: u16 = 8080;
/// Port that the task listens on.
const TARGET: u16 = 80;
/// A port that is not published.
const OTHER: u16 = 22;
/// The task's node.
const HOME: &str = "n1";
/// The node that the client dials.
const ENTRY: &str = "n2";
/// How long frames may take into a capture's file.
const CAPTURE_LIMIT: Duration = Duration::from_secs(5);
/// Offset of `ifindex` in `struct __sk_buff`, and the size of what the kernel takes of it.
const SKB_IFINDEX: (usize, usize) = (40, 192);
/// `XDP_PASS`, `XDP_REDIRECT` (include/uapi/linux/bpf.h).
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;
/// `TCX_REDIRECT`.
const TCX_REDIRECT: u32 = 7;

/// What is measured.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) hook: Hook,
    /// `None`: the empty program.
    pub(crate) expected: Option<u32>,
    pub(crate) program: Program,
    pub(crate) frame: Vec<u8>,
    pub(crate) context: Option<Vec<u8>>,
}

/// The cases with the cluster that they need.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) cases: Vec<Case>,
    cluster: Cluster,
    _session: TcpSession,
}

/// Frames of one connection.
struct Frames {
    client: Vec<u8>,
    tunnel: Vec<u8>,
    reply: Vec<u8>,
}

impl Bench {
    /// Makes the cluster and the cases.
    pub(crate) fn build() -> Result<Self> {
        let cluster = Cluster::builder().nodes(2).clients(1).build()?;
        let task = cluster.task_ns("task")?;
        cluster.start_whoami("web.1", &task, &[TARGET])?;
        cluster.write_config(&file(&cluster, &task))?;
        cluster.start_agents()?;
        let to = SocketAddrV4::new(cluster.address(ENTRY), PUBLISHED);
        let mut session = TcpSession::open(&cluster.client().ns, to, 0)?;
        let leg = leg(&cluster)?;
        let frames = frames(&cluster, &leg.0, &mut session)?;
        let cases = cases(&cluster, &leg, &frames)?;
        Ok(Self { cases, cluster, _session: session })
    }

    /// The namespace to measure in: programs on legs are told an interface of it.
    pub(crate) fn node_ns(&self) -> Ns {
        self.cluster.node(HOME).ns.clone()
    }
}

fn file(cluster: &Cluster, task: &Ns) -> String {
    format!(
        "[cluster]\nseed = \"bench\"\n{}[[service]]\nname = \"web\"\n\
         publish = [{{ published = {PUBLISHED}, target = {TARGET} }}]\n\
         [[service.task]]\nname = \"web.1\"\nnode = \"{HOME}\"\nnetns = \"{}\"\n",
        cluster.node_tables(),
        task.name()
    )
}

/// Name and index of the one leg's host end.
fn leg(cluster: &Cluster) -> Result<(String, u32)> {
    let links = cluster.sh_in(&cluster.node(HOME).ns, "ip -json link show")?;
    let links: serde_json::Value = serde_json::from_str(&links)?;
    let is_leg = |link: &&serde_json::Value| {
        link["ifname"].as_str().is_some_and(|name| !matches!(name, "lo" | "eth0"))
    };
    let leg = links.as_array().and_then(|links| links.iter().find(is_leg)).context("no leg")?;
    let name = leg["ifname"].as_str().context("a leg without a name")?;
    let index = leg["ifindex"].as_u64().context("a leg without an index")?;
    Ok((name.to_owned(), u32::try_from(index)?))
}

/// Has the connection exchange something and takes its frames on their three ways.
fn frames(cluster: &Cluster, leg: &str, session: &mut TcpSession) -> Result<Frames> {
    let node = cluster.node(HOME);
    let wire = cluster.capture_wire(ENTRY, "")?;
    let at_leg = cluster.capture(&node.ns, leg, "tcp")?;
    session.ping()?;
    Ok(Frames {
        client: seen(&wire, |frame| frames::is_to(frame, PUBLISHED))?,
        tunnel: seen(&wire, |frame| frames::is_tunnel(frame, wire::MESH_VNI))?,
        reply: seen(&at_leg, |frame| frames::is_from(frame, TARGET))?,
    })
}

fn seen(capture: &Capture, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    eventually_some(CAPTURE_LIMIT, "a frame of the connection", || {
        frames::read(capture.file()).ok()?.into_iter().find(|frame| wanted(frame))
    })
}

fn cases(cluster: &Cluster, leg: &(String, u32), frames: &Frames) -> Result<Vec<Case>> {
    let (entry, home) = (cluster.pin_root(ENTRY), cluster.pin_root(HOME));
    let xdp = |root: &Path| Program::attached(&root.join("v1/links/xdp-eth0"), Hook::Xdp, root);
    let empty = |hook| Program::empty(hook, &home);
    let tc_leg =
        Program::attached(&home.join(format!("v1/links/tcx-{}", leg.0)), Hook::Tcx, &home)?;
    let unpublished = frames::to_port(&frames.client, OTHER);
    let (client, tunnel, reply) = (&frames.client, &frames.tunnel, &frames.reply);
    let case = |name, about, expected, program, frame: &Vec<u8>| Case {
        name,
        about,
        hook: Hook::Xdp,
        expected,
        program,
        frame: frame.clone(),
        context: None,
    };
    let on_leg = |case: Case| Case { hook: Hook::Tcx, context: Some(context(leg.1)), ..case };
    Ok(vec![
        case("empty xdp", "baseline of the next three", None, empty(Hook::Xdp)?, client),
        case("pass", "port not published", Some(XDP_PASS), xdp(&entry)?, &unpublished),
        case("entry", "established, task elsewhere", Some(XDP_REDIRECT), xdp(&entry)?, client),
        case("home", "from the tunnel, NAT hit", Some(XDP_REDIRECT), xdp(&home)?, tunnel),
        on_leg(case("empty tcx", "baseline of the last", None, empty(Hook::Tcx)?, reply)),
        on_leg(case("reply", "NAT hit, into the tunnel", Some(TCX_REDIRECT), tc_leg, reply)),
    ])
}

/// `struct __sk_buff` with nothing but the interface.
fn context(ifindex: u32) -> Vec<u8> {
    let (at, len) = SKB_IFINDEX;
    let mut context = vec![0; len];
    context[at..at + 4].copy_from_slice(&ifindex.to_ne_bytes());
    context
}
