//! The tables' runs.

use lb_ebpf::testing::{Case, World, all, arrive};

use crate::{
    maps::Maps,
    object::{Loaded, visible},
    place::{self, Place},
};

/// Lets the frames of a case arrive at the object and at plain maps: both must do what the case says,
/// and know the same afterwards.
fn run(loaded: &mut Loaded, place: &Place, case: &Case) {
    loaded.suit(&case.world, &place.interfaces);
    Maps(&mut loaded.ebpf).set(&case.world);
    let sockets = case.world.sockets.borrow();
    let _connections = place.connections(sockets.keys());
    for (number, step) in case.steps.iter().enumerate() {
        let name = format!("{}, frame {number}", case.name);
        let (ended, frame) = loaded.arrive(step.hook, &step.frame);
        let plain = visible(arrive(&case.world, step.hook, &step.frame));
        assert_eq!(ended, step.end.into(), "{name}");
        if let Some(expected) = &step.out {
            assert_eq!(&frame, expected, "{name}");
            assert_eq!((ended, frame), plain, "{name}: plain maps");
        }
        Maps(&mut loaded.ebpf).compare(&case.world, &name);
    }
    Maps(&mut loaded.ebpf).clear(&case.world);
}

#[test]
fn every_verdict_and_every_drop_reason_byte_for_byte() {
    place::run(|place| {
        let mut loaded = Loaded::new(&World::empty(), &place.interfaces);
        for case in all(place.interfaces) {
            run(&mut loaded, place, &case);
        }
    });
}
