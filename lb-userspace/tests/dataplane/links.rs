//! Links: attached once, replaced in place, refused politely, gone when they should be.

use aya::programs::links::{FdLink, PinnedLink};
use lb_userspace::dataplane::{AttachError, TcProgram, detach};

use crate::bed::{self, Bed, ip};

/// Programs on a NIC, a gateway leg and an overlay leg of either shape.
const TCX: [(TcProgram, &str); 8] = [
    (TcProgram::Node, "va"),
    (TcProgram::Arrive, "va"),
    (TcProgram::Own, "va"),
    (TcProgram::Leg, "vb"),
    (TcProgram::Client, "vb"),
    (TcProgram::Overlay, "vc"),
    (TcProgram::VipOut, "vd"),
    (TcProgram::VipIn, "vd"),
];
/// What they and the XDP program are pinned as.
const LINKS: [&str; 9] =
    ["xdp-va", "tcx-va", "tcx2-va", "tcxe-va", "tcx-vb", "tcx2-vb", "tcx-vc", "tcx-vd", "tcxe-vd"];

#[test]
fn xdp_and_tcx_programs_are_replaced_in_place() {
    bed::run(|bed| {
        ip("link add vc type veth peer name vd");
        let attach = |replaced: bool| {
            let mut dataplane = bed.open().expect("opened");
            assert_eq!(dataplane.attach_xdp("va").expect("attached").replaced, replaced);
            for (program, interface) in TCX {
                let attached = dataplane.attach_tcx(program, interface).expect("attached");
                assert_eq!(attached.replaced, replaced, "{attached:?}");
            }
            LINKS.map(|link| ids(bed, link))
        };
        let (before, after) = (attach(false), attach(true));
        for ((old_link, old_program), (link, program)) in before.into_iter().zip(after) {
            assert_eq!(old_link, link, "the link stays");
            assert_ne!(old_program, program, "the program is new");
        }
    });
}

#[test]
fn a_program_of_somebody_else_is_named_and_left_alone() {
    bed::run(|bed| {
        let mut theirs = bed.open().expect("opened");
        theirs.attach_xdp("va").expect("attached");
        let ours = Bed::beside(bed);
        let error = ours.open().expect("opened").attach_xdp("va").expect_err("taken");
        assert!(
            matches!(&error, AttachError::OtherXdp { name, .. } if name == "xdp_node"),
            "{error}"
        );
        assert!(ip("link show va").contains("xdp"), "theirs is still there");
    });
}

#[test]
fn an_interface_without_native_xdp_is_refused() {
    bed::run(|bed| {
        let error = bed.open().expect("opened").attach_xdp("lo").expect_err("lo has no native XDP");
        assert!(matches!(error, AttachError::NoNativeXdp { .. }), "{error}");
        let error =
            bed.open().expect("opened").attach_xdp("nosuch").expect_err("no such interface");
        assert!(error.to_string().contains("nosuch"), "{error}");
    });
}

#[test]
fn an_interface_made_anew_gets_its_programs_again() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        dataplane.attach_xdp("va").expect("attached");
        dataplane.attach_tcx(TcProgram::Leg, "vb").expect("attached");
        ip("link del va");
        ip("link add va type veth peer name vb");
        assert!(!dataplane.attach_xdp("va").expect("attached").replaced);
        assert!(!dataplane.attach_tcx(TcProgram::Leg, "vb").expect("attached").replaced);
        assert!(ip("link show va").contains("xdp"));
    });
}

#[test]
fn links_of_interfaces_that_are_gone_are_pruned() {
    bed::run(|bed| {
        ip("link add vc.5 type veth peer name vd");
        let mut dataplane = bed.open().expect("opened");
        for interface in ["va", "vc.5"] {
            dataplane.attach_xdp(interface).expect("attached");
            dataplane.attach_tcx(TcProgram::Node, interface).expect("attached");
            dataplane.attach_tcx(TcProgram::Arrive, interface).expect("attached");
        }
        ip("link del vc.5");
        let pruned = dataplane.prune_links().expect("pruned");
        assert_eq!(pruned, ["tcx-vc:5", "tcx2-vc:5", "xdp-vc:5"]);
        assert!(bed.pin("links/xdp-va").exists() && !bed.pin("links/xdp-vc:5").exists());
        let detached = dataplane.detach_interface("va").expect("detached");
        assert_eq!(detached, ["xdp-va", "tcx-va", "tcx2-va"]);
        assert!(!ip("link show va").contains("xdp"));
    });
}

#[test]
fn cgroup_programs_are_replaced_and_detach_leaves_none() {
    bed::run(|bed| {
        for replaced in [false, true] {
            let attached = bed.open().expect("opened").attach_cgroup().expect("attached");
            assert_eq!(attached.len(), 4);
            assert!(attached.iter().all(|link| link.replaced == replaced), "{attached:?}");
        }
        let (link, _) = ids(bed, "cgroup-connect4");
        bed.open().expect("opened").attach_xdp("va").expect("attached");
        let removed = detach(bed.root()).expect("detached");
        assert_eq!(removed.links.len(), 5, "{removed:?}");
        assert!(!ip("link show va").contains("xdp"));
        let links = aya::programs::loaded_links().filter_map(Result::ok);
        assert!(links.into_iter().all(|other| other.id() != link), "the cgroup link is gone");
    });
}

/// Ids of a pinned link and of its program.
fn ids(bed: &Bed, link: &str) -> (u32, u32) {
    let pinned = PinnedLink::from_pin(bed.pin("links").join(link)).expect("pinned");
    let info = FdLink::from(pinned).info().expect("info");
    (info.id(), info.program_id())
}
