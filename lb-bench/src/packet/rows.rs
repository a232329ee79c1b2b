//! How much of `ROWS` the packets of a case read: what has to come from memory where it does not fit
//! in a cache.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use lb_bench_ebpf::plan::Flow;
use lb_common::{hash::flow_hash, port::port_index, row::Row};

use super::{cases::Case, cluster::HASH_KEY, frames::CLIENT, world::World};
use crate::figure::{Figure, Unit};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Whether a case is about how many rows there are.
pub(super) fn is_of_interest(case: &Case) -> bool {
    case.id.contains("/services-") || case.id.contains("/backends-")
}

/// Figures for a case whose frames come from clients of published ports.
pub(super) fn touched(world: &mut World, case: &Case) -> Result<Vec<Figure>> {
    let mut rows = BTreeSet::new();
    let plan = case.template.plan(case.flows, case.services);
    for number in 0..case.flows {
        rows.insert(row(world, case, plan.flow(number))?);
    }
    let per_line = (LINE / size_of::<Row>()) as u32;
    let lines: BTreeSet<u32> = rows.iter().map(|row| row / per_line).collect();
    let figure = |what: &str, title: &str, bytes: usize| Figure {
        samples: vec![bytes as f64],
        ..Figure::new(
            case.id.replacen("packet/", &format!("packet/{what}/"), 1),
            format!("{title}: {}", case.title),
            Unit::Bytes,
        )
    };
    Ok(vec![
        figure("rows-read", "rows that are read", rows.len() * size_of::<Row>()),
        figure("lines-read", "cache lines with them", lines.len() * LINE),
    ])
}

/// Which row a flow's frames read.
fn row(world: &mut World, case: &Case, flow: Flow) -> Result<u32> {
    let maps = world.dataplane()?.maps();
    let [a, b, ..] = CLIENT;
    let [c, d] = flow.addr.to_be_bytes();
    let proto = case.template.frame[23];
    let port = port_index(proto, flow.far_port).and_then(|index| maps.ports.get(index));
    let service = port.and_then(|port| maps.services.get(port.service.into()));
    let service = service.context("a port of the case has no service")?;
    let hash = flow_hash(HASH_KEY, service.seed, [a, b, c, d], flow.port.to_be_bytes(), proto);
    Ok(service.row_range().context("a service of the case has no rows")?.pick(hash))
}
