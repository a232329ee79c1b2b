//! What is none of ours.

use lb_common::wire::MESH_VNI;

use super::{
    Case,
    Hook::{Leg, Nic, NicLate},
    from_client,
    wire::tunnelled,
};
use crate::{
    headers::{ACK, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    let to_web = from_client(Frame::tcp(CLIENT, (NODE, WEB_PORT)));
    let inner = to_web.clone().bytes();
    let overlay = tunnelled(NODE_2, NODE, 4097, 50_000, inner.clone());
    let other_port = Tunnelled { port: 4790, ..overlay.clone() };
    let elsewhere = Tunnelled { dst: SECOND_ADDR, vni: MESH_VNI, ..overlay.clone() };
    let mut options = to_web.bytes();
    options[14] = 0x46;
    let mut arp = to_web.bytes();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let mut echo = IcmpError::unreachable(CLIENT.0, 0, &to_web.clone().from((NODE, 1)));
    echo.kind = 8;
    let short = to_web.bytes()[..30].to_vec();
    let web_answer = Frame::tcp((TASK_A, 50_000), ([203, 0, 113, 80], 443));
    let nic = |name, frame: &[u8]| Case::new(name, &world).passes(Nic, frame);
    vec![
        nic("an unpublished port is the kernel's", &to_web.clone().to((NODE, 22)).bytes()),
        nic("a SYN+ACK answers the node itself", &to_web.clone().flags(SYN | ACK).bytes()),
        nic(
            "a published port of another host is not ours",
            &to_web.clone().to(([192, 0, 2, 9], WEB_PORT)).bytes(),
        ),
        nic("IPv4 options are the kernel's", &options),
        nic("ARP is the kernel's", &arp),
        nic("a ping is the kernel's", &echo.bytes()),
        nic("a frame without a whole IPv4 header is the kernel's", &short),
        nic("another network's tunnel frame is the overlay's", &overlay.bytes()),
        nic("another port's tunnel frame is not ours", &other_port.bytes()),
        nic("a tunnel frame to another address is not ours", &elsewhere.bytes()),
        Case::new("behind XDP only replies are ours", &world)
            .passes(NicLate, &to_web.bytes())
            .passes(NicLate, &overlay.bytes()),
        Case::new("a task's own traffic to the outside is the kernel's", &world)
            .passes(Leg(on.legs[0]), &web_answer.flags(SYN).bytes()),
        Case::new("a task's traffic to an unpublished port of the node is the kernel's", &world)
            .passes(Leg(on.legs[0]), &Frame::tcp((TASK_A, 50_000), (NODE, 22)).flags(SYN).bytes()),
    ]
}
