//! Any bytes at a node's NIC and on a task's legs, over plain maps: no panic, no access outside the
//! frame, and what is sent out is no shorter than an Ethernet header.
#![no_main]

use lb_ebpf::testing::{DNS, End, Hook, Interfaces, ON_2, VIP_SERVICE, WEB, World, arrive, row};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let interfaces = Interfaces::default();
    let here = World::overlay(interfaces);
    let mut away = World::overlay(interfaces);
    let docker = World::beside_docker(interfaces);
    let mut docker_away = docker.clone();
    for service in [WEB, DNS, VIP_SERVICE] {
        away.set_rows(service, &[row([ON_2])]);
        docker_away.set_rows(service, &[row([ON_2])]);
    }
    let [me, mongo, _] = interfaces.overlay.map(Hook::Overlay);
    let [out, own, _] = interfaces.overlay.map(Hook::VipOut);
    let [back, ..] = interfaces.overlay.map(Hook::VipIn);
    let leg = Hook::Leg(interfaces.legs[0]);
    let nic = [Hook::Nic, Hook::NicLate, Hook::NicOut, Hook::NicOverlay];
    let legs = [leg, me, mongo, out, own, back];
    let beyond = World::beyond(interfaces);
    for world in [here, away, docker, docker_away, beyond] {
        for hook in nic.into_iter().chain(legs) {
            // Twice, since the first packet of a flow is not like the second.
            for _packet in 0..2 {
                let ran = arrive(&world, hook, bytes);
                assert!(!matches!(ran.end, End::Send(_) | End::Deliver(_)) || ran.frame.len() > 14);
            }
        }
    }
});
