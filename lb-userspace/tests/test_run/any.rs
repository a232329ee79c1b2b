//! Frames that nobody thought of: those of the tables with bytes changed and cut. Whatever they mean,
//! the object and plain maps must do the same with them.

use lb_common::{addr::V4, service::FLAG_INGRESS, wire::VXLAN_PORT};
use lb_ebpf::testing::{Case, Hook, Step, World, all, arrive};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use crate::{
    maps::Maps,
    object::{Loaded, Return, visible},
    place::{self, Place},
};

/// Mutations of each frame.
const MUTATIONS: usize = 30;
/// The inner destination of a tunnel frame: routes of the namespace know more addresses than plain
/// maps do, and to whom a reply goes is theirs to say.
const INNER_DST: std::ops::Range<usize> = 80..84;

/// Where the namespace's NIC is broadcast to: to routes an address of the node, to plain maps none.
const BROADCAST: V4 = [198, 18, 0, 255];

/// Bytes to change, and the length to cut to; the kernel wants an Ethernet header at least, and more
/// on tcx ([`least`]).
fn mutation() -> impl Strategy<Value = (Vec<(usize, u8)>, usize)> {
    let place = (0usize..130).prop_filter("an address of routes", |at| !INNER_DST.contains(at));
    let length = prop_oneof![3 => Just(usize::MAX), 1 => 14usize..150];
    (prop::collection::vec((place, any::<u8>()), 1..4), length)
}

/// Bytes of the shortest frame that the kernel lets a hook run with: on tcx, whole network headers.
fn least(hook: Hook) -> usize {
    if hook == Hook::Nic { 14 } else { 14 + 40 }
}

fn mutate(frame: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for &(at, byte) in changes {
        if let Some(place) = frame.get_mut(at) {
            *place = byte;
        }
    }
    frame
}

/// Whether a frame may be given a port, which is another one each time: a client's, to a service that has
/// tasks on nodes without agent.
fn may_allocate(case: &Case, step: &Step) -> bool {
    let flagged = case.world.services.values().any(|service| service.flags & FLAG_INGRESS != 0);
    flagged && step.frame.get(36..38) != Some(&VXLAN_PORT.to_be_bytes()[..])
}

fn run(loaded: &mut Loaded, place: &Place, case: &Case, runner: &mut TestRunner) {
    loaded.suit(&case.world, &place.interfaces);
    Maps(&mut loaded.ebpf).set(&case.world);
    let sockets = case.world.sockets.borrow();
    let _connections = place.connections(sockets.keys());
    // What a gateway leg sends depends on the namespace's routes, too.
    let [me, mongo, second] = place.interfaces.overlay.map(Hook::Overlay);
    let [out, own, _] = place.interfaces.overlay.map(Hook::VipOut);
    let [back, ..] = place.interfaces.overlay.map(Hook::VipIn);
    let hooks = [Hook::Nic, Hook::NicOverlay, me, mongo, second, out, own, back];
    let steps = case.steps.iter().filter(|step| hooks.contains(&step.hook));
    for step in steps.filter(|step| !may_allocate(case, step)) {
        for _mutation in 0..MUTATIONS {
            let mutation = mutation().new_tree(runner).expect("a mutation").current();
            let mut frame = mutate(&step.frame, &mutation.0);
            frame.truncate(mutation.1.max(least(step.hook)));
            if frame.get(30..34) == Some(&BROADCAST) {
                continue;
            }
            let real = loaded.arrive(step.hook, &frame);
            let plain = visible(arrive(&case.world, step.hook, &frame));
            assert_eq!(real.0, plain.0, "{}: {frame:02x?}", case.name);
            if real.0 != Return::Drop {
                assert_eq!(real.1, plain.1, "{}: {frame:02x?}", case.name);
            }
        }
    }
    Maps(&mut loaded.ebpf).compare(&case.world, case.name);
    Maps(&mut loaded.ebpf).clear(&case.world);
}

#[test]
fn frames_that_nobody_thought_of_end_as_over_plain_maps() {
    place::run(|place| {
        let mut runner = TestRunner::deterministic();
        let mut loaded = Loaded::new(&World::empty(), &place.interfaces);
        for case in all(place.interfaces) {
            run(&mut loaded, place, &case, &mut runner);
        }
    });
}
