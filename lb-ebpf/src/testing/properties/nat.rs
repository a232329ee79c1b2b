//! Translation leaves every checksum as a full recomputation has it.

use proptest::prelude::*;

use crate::{
    packet::Packet,
    parse::{Parse, Parsed, parse},
    rewrite::nat::translate,
    testing::{Frame, IcmpError, check},
    verdict::Nat,
};

fn facts(bytes: &mut [u8]) -> Parsed {
    match parse::<0>(&Packet::from_slice(bytes)) {
        Parse::Packet(parsed) => parsed,
        other => panic!("{other:?}"),
    }
}

fn nat(src: ([u8; 4], u16), dst: ([u8; 4], u16)) -> Nat {
    Nat { src: src.0, dst: dst.0, src_port: src.1.to_be_bytes(), dst_port: dst.1.to_be_bytes() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_translated_packet_is_the_packet_between_other_ends(
        frame in super::frame(), src in super::end(), dst in super::end(),
    ) {
        let mut bytes = frame.bytes();
        let parsed = facts(&mut bytes);
        translate(&Packet::from_slice(&mut bytes), &parsed, &nat(src, dst)).unwrap();
        prop_assert_eq!(check(&bytes), Ok(()));
        let expected = frame.from(src).to(dst).bytes();
        // One's complement has two zeros, so that valid checksums may differ in their bytes.
        let without_checks = |frame: &[u8]| {
            let mut frame = frame.to_vec();
            let at = if frame[23] == 6 { 50 } else { 40 };
            frame[24..26].fill(0);
            frame[at..at + 2].fill(0);
            frame
        };
        prop_assert_eq!(without_checks(&bytes), without_checks(&expected));
    }

    #[test]
    fn a_datagram_without_checksum_stays_without(
        frame in super::frame(), src in super::end(), dst in super::end(),
    ) {
        let mut bytes = Frame { proto: 17, udp_checksum: false, ..frame }.bytes();
        let parsed = facts(&mut bytes);
        translate(&Packet::from_slice(&mut bytes), &parsed, &nat(src, dst)).unwrap();
        prop_assert_eq!(&bytes[40..42], &[0, 0]);
        prop_assert_eq!(check(&bytes), Ok(()));
    }

    #[test]
    fn a_translated_error_quotes_the_packet_that_its_receiver_sent(
        frame in super::frame(), from in any::<[u8; 4]>(),
        src in super::end(), dst in super::end(),
    ) {
        let quoted = Frame { payload: vec![1; 8], ..frame };
        let mut bytes = IcmpError::unreachable(from, 4, &quoted).bytes();
        let parsed = facts(&mut bytes);
        translate(&Packet::from_slice(&mut bytes), &parsed, &nat(src, dst)).unwrap();
        prop_assert_eq!(check(&bytes), Ok(()));
        let own = quoted.from(dst).to(src);
        let (quote, sent) = (&bytes[42..], own.packet());
        // Addresses and ports, and all between but the checksum's two forms.
        prop_assert_eq!(&quote[12..24], &sent[12..24]);
        prop_assert_eq!(&quote[..10], &sent[..10]);
        prop_assert_eq!(&bytes[30..34], &dst.0);
    }
}
