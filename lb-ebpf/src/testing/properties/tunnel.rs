//! Into the tunnel and out again changes nothing, and says to the other side what was meant.

use lb_common::{
    peer::Peer,
    row::Row,
    wire::{self, OUTER_LEN},
};
use proptest::prelude::*;

use crate::{
    headers::Eth,
    packet::Packet,
    parse::{Kind, Parse, parse},
    rewrite::tunnel::{Tunnel, TunnelHeader, source_port},
    testing::{Tunnelled, check, outer_sum},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn encapsulation_is_reversible(
        frame in super::frame(), own in any::<[u8; 4]>(), addr in any::<[u8; 4]>(),
        numbers in any::<[u16; 4]>(), entry in any::<[u8; 4]>(),
        vni in 0u32..1 << 24, port in any::<u16>(), macs in any::<[[u8; 6]; 2]>(),
    ) {
        let row = Row { backends: numbers };
        let inner = frame.bytes();
        let mut bytes = [&[0; OUTER_LEN][..], &inner].concat();
        let Parse::Packet(parsed) = parse::<OUTER_LEN>(&Packet::from_slice(&mut bytes)) else {
            return Err(TestCaseError::fail("not parsed"));
        };
        let peer = Peer {
            addr,
            dst_mac: macs[0],
            src_mac: macs[1],
            ip_sum: outer_sum(own, addr),
            ..Peer::default()
        };
        let carried = wire::carry(row, entry);
        let src_port = source_port(&parsed);
        let inner_len = parsed.total_len;
        let tunnel = Tunnel { own, port, vni, macs: carried, src_port, inner_len };
        TunnelHeader::new(&peer, &tunnel).store(&Packet::from_slice(&mut bytes)).unwrap();

        prop_assert_eq!(check(&bytes), Ok(()));
        let inner = frame.clone().between(carried.0, carried.1).bytes();
        prop_assert_eq!(&bytes[OUTER_LEN..], &inner[..]);
        let packet = Packet::from_slice(&mut bytes);
        let eth = packet.read::<Eth>(OUTER_LEN).unwrap();
        prop_assert_eq!(wire::carried(eth.dst, eth.src), (row, entry));
        let Parse::Packet(outer) = parse::<0>(&packet) else {
            return Err(TestCaseError::fail("not parsed"));
        };
        prop_assert_eq!((outer.kind, outer.src, outer.dst), (Kind::Udp, own, addr));
        prop_assert!(u16::from_be_bytes(outer.src_port) >= 49_152);
        let macs = (macs[0], macs[1]);
        let expected = Tunnelled { macs, src: own, dst: addr, src_port, port, vni, inner };
        let mut expected = expected.bytes();
        // One's complement has two zeros.
        expected[24..26].copy_from_slice(&bytes[24..26]);
        prop_assert_eq!(bytes, expected);
    }

    #[test]
    fn row_and_entry_survive_the_carrying(numbers in any::<[u16; 4]>(), entry in any::<[u8; 4]>()) {
        let row = Row { backends: numbers };
        let (dst, src) = wire::carry(row, entry);
        prop_assert_eq!(wire::carried(dst, src), (row, entry));
    }
}
