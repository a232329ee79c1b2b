//! Any bytes at a node's NIC and on a task's legs, over plain maps: no panic, no access outside the
//! frame, and what is sent out is no shorter than an Ethernet header.
#![no_main]

use lb_ebpf::testing::{DNS, End, Hook, Interfaces, ON_2, VIP_SERVICE, WEB, World, arrive, row};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let interfaces = Interfaces::default();
    let here = World::overlay(interfaces);
    let mut away = World::overlay(interfaces);
    for service in [WEB, DNS, VIP_SERVICE] {
        away.set_rows(service, &[row([ON_2])]);
    }
    let [me, mongo, _] = interfaces.overlay.map(Hook::Overlay);
    let leg = Hook::Leg(interfaces.legs[0]);
    for world in [here, away] {
        for hook in [Hook::Nic, Hook::NicLate, Hook::NicOverlay, leg, me, mongo] {
            // Twice, since the first packet of a flow is not like the second.
            for _packet in 0..2 {
                let ran = arrive(&world, hook, bytes);
                assert!(!matches!(ran.end, End::Send(_) | End::Deliver(_)) || ran.frame.len() > 14);
            }
        }
    }
});
