//! Pins: what is reused, what is refused, what goes.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use aya::maps::{Array, Map, MapData};
use lb_common::{leg::Leg, row::Row};
use lb_userspace::dataplane::{
    Dataplane, DetachError, LoadError, Object, PinsError, SchemaError, detach, detach_after,
};

use crate::bed::{self, Bed};

#[test]
fn a_map_of_another_shape_is_refused_with_the_fix() {
    bed::run(|bed| {
        pin_map(bed, "ROWS", 16);
        let error = bed.open().expect_err("16-byte rows");
        assert!(
            matches!(&error, LoadError::Schema(SchemaError::Mismatch { field: "value size", .. })),
            "{error}"
        );
        let text = error.to_string();
        for part in ["v1/maps/ROWS", "value size 16", "expects 8", "swarmlb detach --pin-root"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert!(!bed.pin("maps/PORTS").exists(), "nothing is made beside a refused map");
    });
}

#[test]
fn another_layout_is_refused_and_detach_removes_it() {
    bed::run(|bed| {
        fs::create_dir_all(bed.root().join("v0/maps")).expect("a directory");
        let error = bed.open().expect_err("pins of v0");
        assert!(matches!(&error, LoadError::Pins(PinsError::OtherLayout { .. })), "{error}");
        assert!(!bed.root().join("v1").exists());
        detach(bed.root()).expect("detached");
        bed.open().expect("the way is free");
    });
}

#[test]
fn an_object_that_does_not_load_leaves_nothing() {
    bed::run(|bed| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(&file, "no object").expect("written");
        let object = Object::from_option(Some(file.path()));
        let error = Dataplane::open(bed.root(), &object, &bed::GLOBALS).expect_err("no object");
        assert!(matches!(error, LoadError::Schema(SchemaError::Parse(_))), "{error}");
        assert!(!bed.root().exists());
        let missing = Object::from_option(Some(Path::new("/nonexistent/object")));
        let error = Dataplane::open(bed.root(), &missing, &bed::GLOBALS).expect_err("no file");
        assert!(error.to_string().contains("/nonexistent/object"), "{error}");
    });
}

#[test]
fn a_second_agent_is_refused_while_the_first_lives() {
    bed::run(|bed| {
        let first = bed.open().expect("opened");
        let error = bed.open().expect_err("locked");
        assert!(matches!(error, LoadError::Pins(PinsError::Locked(_))), "{error}");
        drop(first);
        bed.open().expect("free again");
    });
}

#[test]
fn reopened_maps_keep_their_contents() {
    bed::run(|bed| {
        let leg = Leg { ifindex: 7, addr: [10, 231, 0, 9], mtu: 1500, ..Default::default() };
        let mut first = bed.open().expect("opened");
        assert!(first.set_leg(leg).expect("set"));
        first.set_own_addrs(&[[127, 0, 0, 1]].into()).expect("set");
        drop(first);
        let mut second = bed.open().expect("opened again");
        assert_eq!(second.legs(), [Leg { generation: 1, ..leg }]);
        assert_eq!(second.set_own_addrs(&[[127, 0, 0, 1]].into()).expect("set"), 0);
    });
}

#[test]
fn another_leg_under_an_address_is_of_another_generation() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        let leg = Leg { ifindex: 7, addr: [10, 231, 0, 9], ..Default::default() };
        let generation = |dataplane: &Dataplane| dataplane.legs()[0].generation;
        assert!(dataplane.set_leg(leg).expect("set"));
        assert!(!dataplane.set_leg(leg).expect("set"), "the same");
        let first = generation(&dataplane);
        assert!(dataplane.set_leg(Leg { ifindex: 8, ..leg }).expect("set"));
        let second = generation(&dataplane);
        assert!(dataplane.remove_leg(leg.addr).expect("removed"));
        assert!(dataplane.legs().is_empty());
        assert!(dataplane.set_leg(Leg { ifindex: 8, ..leg }).expect("set"));
        assert_eq!([first, second, generation(&dataplane)], [1, 2, 3]);
    });
}

#[test]
fn mapped_rows_are_what_a_look_up_finds() {
    bed::run(|bed| {
        let dataplane = bed.open().expect("opened");
        let row = Row { backends: [1, 2, 3, 4] };
        dataplane.maps().rows.set(1_000_000, row).expect("in range");
        let map = Map::from_map_data(MapData::from_pin(bed.pin("maps/ROWS")).expect("a pin"))
            .expect("a map");
        let rows: Array<_, Row> = map.try_into().expect("an array");
        assert_eq!(rows.get(&1_000_000, 0).expect("found"), row);
    });
}

#[test]
fn only_the_owner_may_look_and_detach_leaves_nothing() {
    bed::run(|bed| {
        let dataplane = bed.open().expect("opened");
        for dir in ["", "maps", "links"] {
            let mode = fs::metadata(bed.pin(dir)).expect("a directory").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{dir}");
        }
        assert!(detach(bed.root()).is_err(), "not under a living agent");
        drop(dataplane);
        let removed = detach(bed.root()).expect("detached");
        assert!(removed.maps.contains(&"v1/maps/NAT".to_owned()), "{removed:?}");
        assert!(!bed.root().exists());
        assert_eq!(detach(bed.root()).expect("again"), Default::default());
    });
}

#[test]
fn what_goes_before_detaching_goes_under_the_lock_and_its_failure_keeps_all() {
    bed::run(|bed| {
        let dataplane = bed.open().expect("opened");
        let refused = detach_after(bed.root(), || -> Result<(), DetachError> {
            panic!("begun under a living agent");
        });
        assert!(refused.is_err());
        drop(dataplane);
        let failed: anyhow::Result<_> = detach_after(bed.root(), || {
            assert!(bed.open().is_err(), "an agent may start meanwhile");
            anyhow::bail!("the kernel refuses")
        });
        assert!(failed.is_err() && bed.pin("maps/NAT").exists());
        assert!(!detach(bed.root()).expect("detached").maps.is_empty());
    });
}

#[test]
fn the_inventory_says_what_programs_and_maps_cost() {
    bed::run(|bed| {
        let mut dataplane = bed.open().expect("opened");
        dataplane.attach_xdp("va").expect("attached");
        let inventory = dataplane.pins().inventory().expect("taken");
        let [link] = &inventory.links[..] else { panic!("{:?}", inventory.links) };
        let [xdp] = &inventory.programs[..] else { panic!("{:?}", inventory.programs) };
        assert_eq!((link.name.as_str(), link.program), ("xdp-va", xdp.id));
        assert_eq!((xdp.name.as_str(), xdp.tag.len()), ("xdp_node", 16));
        assert!(xdp.verified_instructions > Some(0));
        let rows = inventory.maps.iter().find(|map| map.name == "ROWS").expect("pinned");
        assert!(rows.memory_bytes >= Some(u64::from(lb_common::row::ROWS_LEN) * 8), "{rows:?}");
    });
}

/// Pins an array with values of `value_size` bytes where `name` belongs.
fn pin_map(bed: &Bed, name: &str, value_size: u32) {
    let shape = aya_obj::Map::new_from_params(2, 4, value_size, 16, 0);
    fs::create_dir_all(bed.pin("maps")).expect("a directory");
    MapData::create(shape, name, None)
        .expect("a map")
        .pin(bed.pin("maps").join(name))
        .expect("pinned");
}
