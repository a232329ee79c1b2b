//! The object's packet programs, loaded with unpinned maps of their own, and single runs of them.

use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions,
    programs::{SchedClassifier, Xdp},
};
use lb_common::addr::V4;
use lb_ebpf::testing::{End, Hook, Interfaces, Ran, World};
use lb_userspace::dataplane::Object;

use crate::maps::Maps;

/// Larger than any frame of the tables.
const FRAME_LEN: usize = 2048;
/// `struct xdp_md` and `struct __sk_buff`, include/uapi/linux/bpf.h.
const XDP_MD_LEN: usize = 24;
const SK_BUFF_LEN: usize = 192;

const TC_PROGRAMS: [&str; 8] = [
    "tc_own",
    "tc_leg",
    "tc_client",
    "tc_node",
    "tc_arrive",
    "tc_overlay",
    "tc_vip_out",
    "tc_vip_in",
];

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;
const TCX_NEXT: u32 = u32::MAX;
const TCX_DROP: u32 = 2;
const TCX_REDIRECT: u32 = 7;

/// How a program ended; the interface of a redirection cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// On to the kernel.
    Pass,
    /// Dropped.
    Drop,
    /// Sent somewhere.
    Send,
    /// Nothing that a program of ours returns.
    Unknown(u32),
}

impl From<End> for Return {
    fn from(end: End) -> Self {
        match end {
            End::Pass => Self::Pass,
            End::Drop => Self::Drop,
            End::Send(_) | End::Deliver(_) | End::Ask(_) => Self::Send,
        }
    }
}

/// The loaded object.
pub(crate) struct Loaded {
    /// Programs and maps.
    pub(crate) ebpf: Ebpf,
    nic: u32,
    shape: Shape,
}

/// The constants in which the tables' nodes differ: beside Docker; the ingress network, the
/// node's address there and its MTU.
type Shape = (bool, u32, V4, u16);

fn shape(world: &World) -> Shape {
    (world.beside_docker, world.ingress_vni, world.ingress_addr, world.ingress_mtu)
}

impl Loaded {
    /// Loads the embedded object with the constants of `world`.
    pub(crate) fn new(world: &World, interfaces: &Interfaces) -> Self {
        let bytes = Object::Embedded.bytes().expect("the object");
        let beside_docker = u32::from(world.beside_docker);
        let ingress_mtu = u32::from(world.ingress_mtu);
        let mut ebpf = EbpfLoader::new()
            .override_global("NODE_ADDR", &world.node_addr, true)
            .override_global("VXLAN_PORT", &world.vxlan_port, true)
            .override_global("MESH_VNI", &world.mesh_vni, true)
            .override_global("HASH_KEY", &world.hash_key, true)
            .override_global("GATEWAY_ADDR", &world.gateway_addr, true)
            .override_global("GATEWAY_MASK", &world.gateway_mask, true)
            .override_global("BESIDE_DOCKER", &beside_docker, true)
            .override_global("INGRESS_VNI", &world.ingress_vni, false)
            .override_global("INGRESS_ADDR", &world.ingress_addr, false)
            .override_global("INGRESS_MTU", &ingress_mtu, false)
            .load(&bytes)
            .expect("a loadable object");
        xdp(&mut ebpf).load().expect("xdp_node");
        for name in TC_PROGRAMS {
            tc(&mut ebpf, name).load().expect(name);
        }
        Maps(&mut ebpf).devices(interfaces);
        Self { ebpf, nic: interfaces.nic, shape: shape(world) }
    }

    /// Loads the object anew where `world` needs other constants.
    pub(crate) fn suit(&mut self, world: &World, interfaces: &Interfaces) {
        if self.shape != shape(world) {
            *self = Self::new(world, interfaces);
        }
    }

    /// Lets a frame arrive.
    pub(crate) fn arrive(&mut self, hook: Hook, frame: &[u8]) -> (Return, Vec<u8>) {
        match hook {
            Hook::Nic => self.on_nic(frame),
            Hook::NicLate => self.on_skb("tc_node", self.nic, frame),
            Hook::NicOut => self.on_skb("tc_own", self.nic, frame),
            Hook::NicOverlay => self.on_skb("tc_arrive", self.nic, frame),
            Hook::Bridge(ifindex) => self.on_skb("tc_client", ifindex, frame),
            Hook::Overlay(ifindex) => self.on_skb("tc_overlay", ifindex, frame),
            Hook::VipOut(ifindex) => self.on_skb("tc_vip_out", ifindex, frame),
            Hook::VipIn(ifindex) => self.on_skb("tc_vip_in", ifindex, frame),
            Hook::Leg(ifindex) => match self.on_skb("tc_leg", ifindex, frame) {
                (Return::Pass, frame) => self.on_skb("tc_client", ifindex, &frame),
                ended => ended,
            },
        }
    }

    fn on_nic(&mut self, frame: &[u8]) -> (Return, Vec<u8>) {
        let mut context = [0; XDP_MD_LEN];
        // data_end and ingress_ifindex.
        context[4..8].copy_from_slice(&(frame.len() as u32).to_ne_bytes());
        context[12..16].copy_from_slice(&self.nic.to_ne_bytes());
        let (value, frame) = run(frame, &context, |options| xdp(&mut self.ebpf).test_run(options));
        let ended = match value {
            XDP_PASS => Return::Pass,
            XDP_DROP => Return::Drop,
            XDP_REDIRECT => Return::Send,
            other => Return::Unknown(other),
        };
        (ended, frame)
    }

    fn on_skb(&mut self, program: &str, ifindex: u32, frame: &[u8]) -> (Return, Vec<u8>) {
        let mut context = [0; SK_BUFF_LEN];
        context[40..44].copy_from_slice(&ifindex.to_ne_bytes());
        let program = tc(&mut self.ebpf, program);
        let (value, frame) = run(frame, &context, |options| program.test_run(options));
        let ended = match value {
            TCX_NEXT => Return::Pass,
            TCX_DROP => Return::Drop,
            TCX_REDIRECT => Return::Send,
            other => Return::Unknown(other),
        };
        (ended, frame)
    }
}

fn xdp(ebpf: &mut Ebpf) -> &mut Xdp {
    let program = ebpf.program_mut("xdp_node").expect("xdp_node");
    program.try_into().expect("an XDP program")
}

fn tc<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut SchedClassifier {
    let program = ebpf.program_mut(name).expect("a program");
    program.try_into().expect("a tc program")
}

/// One run: what the program returned, and the frame as it left it.
fn run<E: std::fmt::Debug>(
    frame: &[u8],
    context: &[u8],
    test_run: impl FnOnce(TestRunOptions<'_>) -> Result<aya::TestRunResult, E>,
) -> (u32, Vec<u8>) {
    let mut out = vec![0; FRAME_LEN];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ctx_in: Some(context),
        ..TestRunOptions::default()
    };
    let result = test_run(options).expect("BPF_PROG_TEST_RUN");
    out.truncate(result.data_size_out as usize);
    (result.return_value, out)
}

/// What plain maps made of a frame, as far as a run shows it.
pub(crate) fn visible(ran: Ran) -> (Return, Vec<u8>) {
    (ran.end.into(), ran.frame)
}
