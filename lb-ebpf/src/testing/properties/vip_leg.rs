//! On legs that a Docker Engine made: whatever a client sends to a virtual IP reaches the task as if it
//! had been sent there, the answer comes from the virtual IP, and bytes of any kind harm nobody.

use lb_common::addr::mac_of;
use proptest::prelude::*;

use super::overlay::{from_me, reversed, without_checks};
use crate::testing::{
    End, Interfaces, ME, MONGO_ON_2, ON_2, VIP, VIP_SERVICE, World, check, row, tc_vip_in,
    tc_vip_out,
};

const LEG: u32 = 5;

fn world() -> World {
    let mut world = World::beside_docker(Interfaces::default());
    world.set_rows(VIP_SERVICE, &[row([ON_2])]);
    world
}

/// A frame of any bytes behind headers that lead as far as possible.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let bytes = (from_me(VIP), any::<bool>()).prop_map(|(frame, turned)| {
        if turned { reversed(&frame.to((MONGO_ON_2, 80))).bytes() } else { frame.bytes() }
    });
    super::spoilt(bytes, 90, 200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn there_and_back_the_client_sees_the_virtual_ip_alone(frame in from_me(VIP)) {
        let world = world();
        let sent = tc_vip_out(&world, &frame.bytes(), LEG);
        prop_assert_eq!(sent.end, End::Pass);
        prop_assert_eq!(check(&sent.frame), Ok(()));
        let dialled = frame.clone().to((MONGO_ON_2, frame.dst_port));
        let dialled = dialled.between(mac_of(MONGO_ON_2), mac_of(ME));
        prop_assert_eq!(without_checks(&sent.frame), without_checks(&dialled.bytes()));

        let answer = tc_vip_in(&world, &reversed(&dialled).bytes());
        prop_assert_eq!(answer.end, End::Pass);
        prop_assert_eq!(check(&answer.frame), Ok(()));
        let expected = reversed(&frame).between(mac_of(ME), mac_of(MONGO_ON_2));
        prop_assert_eq!(without_checks(&answer.frame), without_checks(&expected.bytes()));
    }

    #[test]
    fn bytes_of_any_kind_end_somewhere(bytes in anything()) {
        let world = world();
        let sent = tc_vip_out(&world, &bytes, LEG);
        let counted: u64 = world.drops.borrow().values().sum();
        prop_assert!(sent.end != End::Drop || counted == 1);
        let got = tc_vip_in(&world, &bytes);
        prop_assert_eq!(got.end, End::Pass, "{:?}", world.drops);
    }

    #[test]
    fn what_concerns_no_virtual_ip_stays_as_it_is(frame in from_me(MONGO_ON_2)) {
        let world = world();
        for bytes in [frame.bytes(), reversed(&frame).bytes()] {
            prop_assert_eq!(tc_vip_out(&world, &bytes, LEG).frame, bytes.clone());
            prop_assert_eq!(tc_vip_in(&world, &bytes).frame, bytes);
        }
    }
}
