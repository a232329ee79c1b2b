//! What maps keep of a large cluster and of its flows, by what the kernel charges for them.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use lb_common::{
    backend::BACKENDS_LEN,
    endpoint::VIPFLOWS_LEN,
    flow::{EMBRYO_LEN, FLOWS_LEN, NAT_LEN},
    row::Row,
    service::SERVICES_LEN,
};

use super::id;
use crate::{
    figure::{Figure, Unit},
    packet::{
        cluster::{Kind, Size},
        place::Place,
        world::World,
    },
};

/// Figures for a data plane that holds a cluster of this size.
pub(super) fn memory(place: Place, size: Size) -> Result<Vec<Figure>> {
    let mut world = World::load(place, Kind::Standalone)?;
    let empty = charged(&mut world, &["SERVICE_INFO", "TASK_INFO"])?;
    world.apply(size)?;
    let full = charged(&mut world, &["SERVICE_INFO", "TASK_INFO"])?;
    let rows = world.dataplane()?.maps().rows.iter();
    let rows = rows.filter(|(_, row)| *row != Row::default()).count() * size_of::<Row>();
    let pins = world.dataplane()?.pins().clone();
    let each =
        |name: &str, len: u32| Ok::<_, anyhow::Error>(memory_of(&pins.map(name))? / f64::from(len));
    let services = f64::from(size.services);
    let backends = services * f64::from(size.backends);
    let names = |at: usize, count: f64| (full[at] - empty[at]) / count;
    let service =
        each("SERVICES", SERVICES_LEN)? + each("STATS", SERVICES_LEN)? + names(0, services);
    let backend = each("BACKENDS", BACKENDS_LEN)? + names(1, backends) + rows as f64 / backends;
    let all: f64 =
        fs::read_dir(pins.maps_dir())?.filter_map(|pin| memory_of(&pin.ok()?.path()).ok()).sum();
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let single = |id: String, title: &str, unit, value| Figure {
        samples: vec![value],
        ..Figure::new(id, title, unit)
    };
    let flow = |what: &str, map: &str, len: u32| {
        let (id, title) = (format!("churn/{what}-bytes"), format!("a flow in {map}"));
        Ok::<_, anyhow::Error>(single(id, &title, Unit::Bytes, each(map, len)?))
    };
    Ok(vec![
        single(id(size, "rows-memory"), "rows in use", Unit::Mib, mib(rows as f64)),
        single(id(size, "service-bytes"), "a service in maps", Unit::Bytes, service),
        single(id(size, "backend-bytes"), "a backend in maps, with its rows", Unit::Bytes, backend),
        single("churn/maps-memory".to_owned(), "all maps, full or not", Unit::Mib, mib(all)),
        flow("home-flow", "NAT", NAT_LEN)?,
        flow("embryo", "EMBRYO", EMBRYO_LEN)?,
        flow("cached-flow", "FLOWS", FLOWS_LEN)?,
        flow("vip-flow", "VIPFLOWS", VIPFLOWS_LEN)?,
    ])
}

fn charged(world: &mut World, maps: &[&str]) -> Result<Vec<f64>> {
    let pins = world.dataplane()?.pins();
    maps.iter().map(|map| memory_of(&pins.map(map))).collect()
}

/// What the kernel charges for a map, bytes: `memlock` of its descriptor (bpftool shows the same).
fn memory_of(pin: &Path) -> Result<f64> {
    let map = MapData::from_pin(pin)?;
    let info = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
    let info = fs::read_to_string(info)?;
    let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    Ok(line.context("the kernel does not tell a map's memory")?.trim().parse()?)
}
