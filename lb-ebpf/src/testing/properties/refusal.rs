//! Refusals are packets that the client's stack accepts, for the flow that it has.

use proptest::prelude::*;

use crate::{
    headers::{ACK, FIN, RST, SYN, Tcp},
    packet::Packet,
    parse::{L4, Parse, parse},
    rewrite::refusal::{ICMP_LEN, ICMP_ROOM, RESET_LEN, reset, unreachable},
    testing::{Frame, check},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// RFC 9293 §3.10.7.1: "If the ACK bit is off, sequence number zero is used,
    /// <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. If the ACK bit is on,
    /// <SEQ=SEG.ACK><CTL=RST>."
    #[test]
    fn a_reset_is_the_one_of_rfc_9293(frame in super::frame()) {
        let frame = Frame { proto: 6, ..frame };
        let mut bytes = frame.bytes();
        reset(&Packet::from_slice(&mut bytes)).unwrap();
        bytes.truncate(RESET_LEN);
        prop_assert_eq!(check(&bytes), Ok(()));
        let tcp = Packet::from_slice(&mut bytes).read::<Tcp>(L4).unwrap();
        let number = |flag| u32::from(frame.flags & flag != 0);
        let length = frame.payload.len() as u32 + number(SYN) + number(FIN);
        let (seq, ack, flags) = if frame.flags & ACK == 0 {
            (0, frame.seq.wrapping_add(length), RST | ACK)
        } else {
            (frame.ack, 0, RST)
        };
        prop_assert_eq!(u32::from_be_bytes(tcp.seq), seq);
        prop_assert_eq!(u32::from_be_bytes(tcp.ack), ack);
        prop_assert_eq!(tcp.flags, flags);
        let Parse::Packet(parsed) = parse::<0>(&Packet::from_slice(&mut bytes)) else {
            return Err(TestCaseError::fail("not parsed"));
        };
        prop_assert_eq!((parsed.src, parsed.dst), (frame.dst, frame.src));
        prop_assert_eq!(u16::from_be_bytes(parsed.dst_port), frame.src_port);
    }

    #[test]
    fn an_unreachable_quotes_what_the_client_sent(frame in super::frame(), mtu in any::<u16>()) {
        let sent = frame.packet();
        let mut bytes = [&[0; ICMP_ROOM][..], &frame.bytes()].concat();
        unreachable(&Packet::from_slice(&mut bytes), mtu).unwrap();
        bytes.truncate(ICMP_LEN);
        prop_assert_eq!(check(&bytes), Ok(()));
        prop_assert_eq!(&bytes[42..], &sent[..28]);
        prop_assert_eq!(&bytes[26..34], &[frame.dst, frame.src].concat());
        prop_assert_eq!(bytes[35], if mtu == 0 { 3 } else { 4 });
    }
}
