//! Any bytes through the parser, at both depths at which packets lie: on the wire, and within a
//! tunnel frame. What must hold: no access outside the frame (the address sanitizer sees it), no
//! panic, no byte changed, and facts that agree with the bytes.
#![no_main]

use lb_ebpf::{
    packet::Packet,
    parse::{ETH_LEN, IP_LEN, Kind, Parse, Parsed, parse},
};
use libfuzzer_sys::fuzz_target;

/// Where the inner frame begins: after outer Ethernet, IPv4, UDP and VXLAN.
const INNER: usize = 50;

fuzz_target!(|bytes: &[u8]| {
    // An allocation of exactly this size, so that one byte too far is seen.
    let mut frame = bytes.to_vec().into_boxed_slice();
    let packet = Packet::from_slice(&mut frame);
    check::<0>(bytes, parse::<0>(&packet));
    check::<INNER>(bytes, parse::<INNER>(&packet));
    assert_eq!(*frame, *bytes, "the parser wrote to the packet");
});

fn check<const BASE: usize>(bytes: &[u8], result: Parse) {
    let Parse::Packet(parsed) = result else { return };
    let ip = &bytes[BASE + ETH_LEN..];
    assert!(ip.len() >= IP_LEN, "facts without an IPv4 header");
    assert_eq!(ip[0], 0x45, "facts about another version or about options");
    check_addresses(ip, &parsed);
}

fn check_addresses(ip: &[u8], parsed: &Parsed) {
    match parsed.kind {
        Kind::Tcp | Kind::Udp => {
            assert_eq!((&parsed.src[..], &parsed.dst[..]), (&ip[12..16], &ip[16..20]));
            assert_eq!(parsed.proto, ip[9]);
        }
        Kind::Other => panic!("the parser knows nothing of it"),
        // The quoted packet's source is whom the error is sent to.
        Kind::IcmpError => assert_eq!(&parsed.dst[..], &ip[16..20]),
    }
}
