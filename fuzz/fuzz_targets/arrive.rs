//! Any bytes at a node's NIC and on a task's leg, over plain maps: no panic, no access outside the
//! frame, and what is sent out is no shorter than an Ethernet header.
#![no_main]

use lb_ebpf::testing::{DNS, End, Hook, Interfaces, ON_2, WEB, World, arrive, row};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let interfaces = Interfaces::default();
    let here = World::small(interfaces);
    let mut away = World::small(interfaces);
    away.set_rows(WEB, &[row([ON_2])]);
    away.set_rows(DNS, &[row([ON_2])]);
    for world in [here, away] {
        for hook in [Hook::Nic, Hook::NicLate, Hook::Leg(interfaces.legs[0])] {
            // Twice, since the first packet of a flow is not like the second.
            for _packet in 0..2 {
                let ran = arrive(&world, hook, bytes);
                assert!(!matches!(ran.end, End::Send(_)) || ran.frame.len() > 14);
            }
        }
    }
});
