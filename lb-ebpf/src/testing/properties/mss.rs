//! The MSS of any SYN is at most the limit afterwards, and its checksum is right.

use proptest::prelude::*;

use crate::{
    headers::SYN,
    packet::Packet,
    rewrite::mss,
    testing::{CLIENT, Frame, NODE, check},
};

/// Options before the MSS: padding and well-formed others, of any length, odd ones included.
fn before() -> impl Strategy<Value = Vec<u8>> {
    let other =
        prop::sample::select(vec![vec![1], vec![4, 2], vec![3, 3, 7], vec![253, 5, 1, 2, 3]]);
    prop::collection::vec(other, 0..7).prop_map(|options| options.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn clamped_wherever_it_stands(
        before in before(), mss in any::<u16>(), limit in 536u16..9000, payload in any::<[u8; 3]>(),
    ) {
        let options = [&before[..], &[2, 4], &mss.to_be_bytes()].concat();
        let syn = |mss: u16| {
            let mut options = options.clone();
            options[before.len() + 2..].copy_from_slice(&mss.to_be_bytes());
            let frame = Frame::tcp(CLIENT, (NODE, 80)).flags(SYN).payload(&payload);
            Frame { options, ..frame }.bytes()
        };
        let mut bytes = syn(mss);
        let packet = Packet::from_slice(&mut bytes);
        if let Some(clamp) = mss::find(&packet, limit) {
            mss::write(&packet, &clamp).unwrap();
        }
        prop_assert_eq!(check(&bytes), Ok(()));
        // The two forms of a zero checksum aside.
        bytes[50..52].fill(0);
        let mut expected = syn(mss.min(limit));
        expected[50..52].fill(0);
        prop_assert_eq!(bytes, expected);
    }

    #[test]
    fn any_options_are_left_valid(
        options in prop::collection::vec(any::<u8>(), 0..41), limit in 536u16..9000,
    ) {
        let frame = Frame::tcp(CLIENT, (NODE, 80)).flags(SYN);
        let mut bytes = Frame { options, ..frame }.bytes();
        let packet = Packet::from_slice(&mut bytes);
        if let Some(clamp) = mss::find(&packet, limit) {
            mss::write(&packet, &clamp).unwrap();
        }
        prop_assert_eq!(check(&bytes), Ok(()));
    }
}
