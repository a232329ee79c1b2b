//! Group `churn`: what a large cluster costs to load, to change and to keep, in the agent's own steps:
//! compile, plan, write.

use std::fs;

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use lb_common::{flow::NAT_LEN, row::Row};

use crate::{
    figure::{Figure, Unit},
    machine,
    packet::{
        place::Place,
        world::{Size, World},
    },
    rounds::{self, Measure},
};

/// The size that bounds are about.
const LARGE: Size = Size { services: 10_000, backends: 10 };
/// What fits where that one does not.
const SMALLER: Size = Size { services: 10_000, backends: 2 };
/// Of a quick look.
const QUICK: Size = Size { services: 1000, backends: 10 };

/// Loads a whole cluster into an empty data plane, then changes one task.
struct Load {
    place: Place,
    size: Size,
    changed: u16,
}

/// Measures one size.
///
/// # Errors
/// The kernel refuses something.
pub fn run(
    rounds: usize,
    quick: bool,
    work_ns: &mut Vec<f64>,
) -> Result<(Vec<Figure>, Vec<String>)> {
    machine::pin_to_last_cpu()?;
    let place = Place::make()?;
    let (size, mut notes) = fitting(place, quick)?;
    let mut measures: Vec<Box<dyn Measure>> = vec![Box::new(Load { place, size, changed: 0 })];
    let mut figures = rounds::interleave("churn", &mut measures, rounds, work_ns)?;
    figures.extend(memory(place, size)?);
    notes.push(format!(
        "churn: {} services with {} backends each, besides two services with 5 100",
        size.services, size.backends
    ));
    Ok((figures, notes))
}

/// The size to measure, and what kept a larger one out.
fn fitting(place: Place, quick: bool) -> Result<(Size, Vec<String>)> {
    if quick {
        return Ok((QUICK, Vec::new()));
    }
    match World::load(place)?.apply(LARGE) {
        Ok(_) => Ok((LARGE, Vec::new())),
        Err(error) => {
            let Size { services, backends } = LARGE;
            let note = format!(
                "churn: no room for {services} services with {backends} backends: {error:#}"
            );
            Ok((SMALLER, vec![note]))
        }
    }
}

/// Ids that bounds name are kept for the size that they are about.
fn id(size: Size, what: &str) -> String {
    let Size { services, backends } = size;
    if size == LARGE {
        format!("churn/{what}")
    } else {
        format!("churn/{what}-{services}x{backends}")
    }
}

impl Measure for Load {
    fn figures(&self) -> Vec<Figure> {
        let figure = |what: &str, title: &str| Figure::new(id(self.size, what), title, Unit::Ms);
        vec![
            figure("load", "everything into empty maps"),
            figure("load-compile", "of that, compiling"),
            figure("change", "one task's change, until the last map write"),
            figure("change-compile", "of that, compiling"),
        ]
    }

    fn sample(&mut self) -> Result<Vec<f64>> {
        let mut world = World::load(self.place)?;
        let (compiled, applied) = world.apply(self.size)?;
        self.changed = (self.changed + 1) % self.size.services;
        let (recompiled, reapplied) = world.apply_drained(self.size, self.changed)?;
        let ms = |times: &[std::time::Duration]| {
            times.iter().sum::<std::time::Duration>().as_secs_f64() * 1e3
        };
        Ok(vec![
            ms(&[compiled, applied]),
            ms(&[compiled]),
            ms(&[recompiled, reapplied]),
            ms(&[recompiled]),
        ])
    }
}

/// What is kept: sizes, which do not differ from round to round.
fn memory(place: Place, size: Size) -> Result<Vec<Figure>> {
    let mut world = World::load(place)?;
    world.apply(size)?;
    let maps = world.dataplane()?.maps();
    let rows =
        maps.rows.iter().filter(|(_, row)| *row != Row::default()).count() * size_of::<Row>();
    let pins = world.dataplane()?.pins();
    let nat = memory_of(&pins.map("NAT"))? as f64 / f64::from(NAT_LEN);
    let all: u64 =
        fs::read_dir(pins.maps_dir())?.filter_map(|pin| memory_of(&pin.ok()?.path()).ok()).sum();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let single = |figure: Figure, value| Figure { samples: vec![value], ..figure };
    Ok(vec![
        single(Figure::new(id(size, "rows-memory"), "rows in use", Unit::Mib), mib(rows as u64)),
        single(Figure::new("churn/maps-memory", "all maps, full or not", Unit::Mib), mib(all)),
        single(Figure::new("churn/home-flow-bytes", "a home flow in NAT", Unit::Bytes), nat),
    ])
}

/// What the kernel charges for a map, bytes: `memlock` of its descriptor (bpftool shows the same).
fn memory_of(pin: &std::path::Path) -> Result<u64> {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let map = MapData::from_pin(pin)?;
    let info = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
    let info = fs::read_to_string(info)?;
    let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    Ok(line.context("the kernel does not tell a map's memory")?.trim().parse()?)
}
