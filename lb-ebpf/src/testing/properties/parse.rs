//! No bytes make the parser or a decision panic.

use proptest::prelude::*;

use crate::{
    packet::Packet,
    parse::{Kind, Parse, parse},
    testing::{Case, Frame, Hook, IcmpError, Interfaces, Ran, all, arrive},
};

/// Frames of the cases with a few bytes changed, and cut.
fn mutated() -> impl Strategy<Value = (usize, Vec<(usize, u8)>, usize)> {
    let changes = prop::collection::vec((0usize..140, any::<u8>()), 0..4);
    (any::<usize>(), changes, 0usize..300)
}

fn mutate(frame: &[u8], changes: &[(usize, u8)], length: usize) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for (at, byte) in changes {
        if let Some(place) = bytes.get_mut(*at) {
            *place = *byte;
        }
    }
    bytes.truncate(length.max(1));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_parse(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let packet = Packet::from_slice(&mut bytes);
        let _: (Parse, Parse) = (parse::<0>(&packet), parse::<50>(&packet));
    }

    #[test]
    fn facts_are_those_of_the_frame(frame in super::frame()) {
        let mut bytes = frame.bytes();
        let Parse::Packet(parsed) = parse::<0>(&Packet::from_slice(&mut bytes)) else {
            return Err(TestCaseError::fail("not parsed"));
        };
        prop_assert_eq!((parsed.src, parsed.dst), (frame.src, frame.dst));
        prop_assert_eq!(u16::from_be_bytes(parsed.src_port), frame.src_port);
        prop_assert_eq!(u16::from_be_bytes(parsed.dst_port), frame.dst_port);
        prop_assert_eq!(usize::from(parsed.total_len), bytes.len() - 14);
    }

    #[test]
    fn an_error_names_the_flow_it_is_about(frame in super::frame(), from in any::<[u8; 4]>()) {
        let quoted = Frame { payload: vec![0; 8], ..frame.clone() };
        let mut bytes = IcmpError::unreachable(from, 1, &quoted).bytes();
        let Parse::Packet(parsed) = parse::<0>(&Packet::from_slice(&mut bytes)) else {
            return Err(TestCaseError::fail("not parsed"));
        };
        prop_assert_eq!(parsed.kind, Kind::IcmpError);
        prop_assert_eq!((parsed.src, parsed.dst), (frame.dst, frame.src));
        prop_assert_eq!(u16::from_be_bytes(parsed.src_port), frame.dst_port);
    }
}

#[test]
fn nothing_that_arrives_makes_a_program_panic() {
    let interfaces = Interfaces::default();
    let cases: Vec<Case> = all(interfaces);
    let [me, mongo, _] = interfaces.overlay.map(Hook::Overlay);
    let leg = Hook::Leg(interfaces.legs[0]);
    let hooks = [Hook::Nic, Hook::NicLate, Hook::NicOverlay, leg, me, mongo];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(3000));
    let property = |(pick, changes, length): (usize, Vec<(usize, u8)>, usize)| {
        let case = &cases[pick % cases.len()];
        for step in &case.steps {
            let frame = mutate(&step.frame, &changes, length);
            for hook in hooks {
                let _: Ran = arrive(&case.world, hook, &frame);
            }
        }
        Ok(())
    };
    runner.run(&mutated(), property).unwrap();
}
