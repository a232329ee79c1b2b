//! What happens to which frame: the tables of verdicts and drop reasons. Each case is a node's maps
//! and frames that arrive one after the other, with what must become of each, byte for byte.
//!
//! Run over plain maps here, and against the real object by `BPF_PROG_TEST_RUN` in `lb-userspace`.

mod answering;
mod arriving;
mod beyond;
mod beyond_change;
mod beyond_own;
mod beyond_rest;
mod bridges;
mod carrying;
mod clash;
mod dialling;
mod entry;
mod errors;
mod fragments;
mod home;
mod leaving;
mod passing;
mod refusal;
mod replying;
mod second_chance;
mod sending;
mod size;
mod vip_flows;
mod vip_legs;
mod vips;
mod wire;

use lb_common::drops::Reason;

use super::{
    End, Frame, Interfaces, Ran, World, from_bridge, from_task, tc_arrive, tc_node, tc_overlay,
    tc_own, tc_vip_in, tc_vip_out, xdp,
};

/// Where a frame meets a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `xdp_node`.
    Nic,
    /// `tc_node`.
    NicLate,
    /// `tc_own`.
    NicOut,
    /// `tc_arrive`.
    NicOverlay,
    /// `tc_leg`, then `tc_client`, on this interface.
    Leg(u32),
    /// `tc_client`, on this bridge.
    Bridge(u32),
    /// `tc_overlay`, on this interface.
    Overlay(u32),
    /// `tc_vip_out`, on this interface.
    VipOut(u32),
    /// `tc_vip_in`, on this interface.
    VipIn(u32),
}

/// One frame and what must become of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it arrives.
    pub hook: Hook,
    /// Its bytes.
    pub frame: Vec<u8>,
    /// What becomes of it.
    pub end: End,
    /// Its bytes then; a dropped frame has none.
    pub out: Option<Vec<u8>>,
    /// What is counted.
    pub counted: Option<Reason>,
}

/// Frames that arrive one after the other at a node.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is shown.
    pub name: &'static str,
    /// The node.
    pub world: World,
    /// The frames.
    pub steps: Vec<Step>,
}

impl Case {
    fn new(name: &'static str, world: &World) -> Self {
        Self { name, world: world.clone(), steps: Vec::new() }
    }

    fn step(mut self, hook: Hook, frame: &[u8], end: End, out: Option<&[u8]>) -> Self {
        let (frame, out) = (frame.to_vec(), out.map(<[u8]>::to_vec));
        self.steps.push(Step { hook, frame, end, out, counted: None });
        self
    }

    /// The frame is sent by `ifindex` as `out`.
    fn sends(self, hook: Hook, frame: &[u8], ifindex: u32, out: &[u8]) -> Self {
        self.step(hook, frame, End::Send(ifindex), Some(out))
    }

    /// The frame goes as `out` to the task behind `ifindex`.
    fn delivers(self, hook: Hook, frame: &[u8], ifindex: u32, out: &[u8]) -> Self {
        self.step(hook, frame, End::Deliver(ifindex), Some(out))
    }

    /// The frame is sent by `ifindex` as `out`, once the kernel knows the neighbour.
    fn asks(self, hook: Hook, frame: &[u8], ifindex: u32, out: &[u8]) -> Self {
        self.step(hook, frame, End::Ask(ifindex), Some(out))
    }

    /// The kernel goes on with the untouched frame.
    fn passes(self, hook: Hook, frame: &[u8]) -> Self {
        self.step(hook, frame, End::Pass, Some(frame))
    }

    /// The kernel goes on with the frame as `out`.
    fn bridges(self, hook: Hook, frame: &[u8], out: &[u8]) -> Self {
        self.step(hook, frame, End::Pass, Some(out))
    }

    /// The frame is dropped for a reason.
    fn drops(self, hook: Hook, frame: &[u8], reason: Reason) -> Self {
        self.step(hook, frame, End::Drop, None).counting(reason)
    }

    /// The last step counts a reason too.
    fn counting(mut self, reason: Reason) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.counted = Some(reason);
        }
        self
    }
}

/// All cases, on a node with these interfaces; those beside Docker last, since the object has to be
/// loaded anew for them.
#[must_use]
pub fn all(interfaces: Interfaces) -> Vec<Case> {
    let groups = [
        answering::cases,
        arriving::cases,
        beyond::cases,
        beyond_change::cases,
        beyond_own::cases,
        beyond_rest::cases,
        bridges::cases,
        carrying::cases,
        clash::cases,
        dialling::cases,
        entry::cases,
        errors::cases,
        fragments::cases,
        home::cases,
        leaving::cases,
        passing::cases,
        refusal::cases,
        replying::cases,
        second_chance::cases,
        sending::cases,
        size::cases,
        vip_flows::cases,
        vips::cases,
        vip_legs::cases,
    ];
    let mut cases: Vec<_> = groups.into_iter().flat_map(|cases| cases(&interfaces)).collect();
    cases.sort_by_key(|case| case.world.beside_docker);
    cases
}

/// Lets a frame arrive at a node of plain maps.
#[must_use]
pub fn arrive(world: &World, hook: Hook, frame: &[u8]) -> Ran {
    match hook {
        Hook::Nic => xdp(world, frame),
        Hook::NicLate => tc_node(world, frame),
        Hook::NicOut => tc_own(world, frame),
        Hook::NicOverlay => tc_arrive(world, frame),
        Hook::Leg(ifindex) => from_task(world, frame, ifindex, true),
        Hook::Bridge(ifindex) => from_bridge(world, frame, ifindex),
        Hook::Overlay(ifindex) => tc_overlay(world, frame, ifindex, 0),
        Hook::VipOut(ifindex) => tc_vip_out(world, frame, ifindex),
        Hook::VipIn(_) => tc_vip_in(world, frame),
    }
}

/// A frame of a client that the NIC received.
fn from_client(frame: Frame) -> Frame {
    frame.between(super::NIC_MAC, super::CLIENT_MAC)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn run(case: &Case) {
        for (number, step) in case.steps.iter().enumerate() {
            let place = format!("{}, frame {number}", case.name);
            case.world.drops.borrow_mut().clear();
            let ran = arrive(&case.world, step.hook, &step.frame);
            assert_eq!(ran.end, step.end, "{place}: {:?}", case.world.drops);
            if let Some(out) = &step.out {
                assert_eq!(&ran.frame, out, "{place}");
            }
            let counted: HashMap<_, _> = step.counted.iter().map(|&reason| (reason, 1)).collect();
            assert_eq!(*case.world.drops.borrow(), counted, "{place}");
        }
    }

    #[test]
    fn every_frame_ends_as_its_case_says() {
        all(Interfaces::default()).iter().for_each(run);
    }

    #[test]
    fn every_reason_but_a_full_map_has_a_case() {
        let cases = all(Interfaces::default());
        let shown: Vec<_> = cases.iter().flat_map(|case| &case.steps).collect();
        // LRU maps make room for what is inserted; nothing that a test can do makes them fail.
        for &reason in Reason::ALL.iter().filter(|&&reason| reason != Reason::MapFull) {
            assert!(
                shown.iter().any(|step| step.counted == Some(reason)),
                "no case for {reason:?}"
            );
        }
    }

    #[test]
    fn names_of_cases_are_distinct() {
        let mut names: Vec<_> = all(Interfaces::default()).iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
