//! `service ls`, `service inspect NAME`, `service ps NAME`.
use lb_userspace::{
    agent::Record,
    observe::{Pins, ServiceDetail, ServiceList, TaskList},
};

use super::print::show;
use crate::cli::{Look, ServiceArgs};

/// `service ls`.
pub(crate) fn ls(look: &Look) -> anyhow::Result<()> {
    let pins = Pins::open(&look.place.pin_root)?;
    let snapshot = pins.snapshot()?;
    let stats = pins.stats(&snapshot)?;
    show(&ServiceList::new(&snapshot, &stats, &pins.flows()?), look.output)
}

/// `service inspect NAME`.
pub(crate) fn inspect(args: &ServiceArgs) -> anyhow::Result<()> {
    let pins = Pins::open(&args.look.place.pin_root)?;
    let snapshot = pins.snapshot()?;
    let (index, record) = snapshot.service(&args.name)?;
    let rows = pins.rows(&record.service);
    let numbers = snapshot.tasks_of(index).map(|(number, _)| number);
    let backends = pins.backends(&record.service, numbers);
    let stats = pins.stats(&snapshot)?;
    let record = Record::load(&args.look.place.state_dir())?;
    let warnings = record.map(|record| record.warnings).unwrap_or_default();
    let detail = ServiceDetail::new(&snapshot, &args.name, &rows, &backends, &stats, &warnings)?;
    show(&detail, args.look.output)
}

/// `service ps NAME`.
pub(crate) fn ps(args: &ServiceArgs) -> anyhow::Result<()> {
    let pins = Pins::open(&args.look.place.pin_root)?;
    let snapshot = pins.snapshot()?;
    let rows = pins.rows(&snapshot.service(&args.name)?.1.service);
    show(&TaskList::new(&snapshot, &args.name, &rows, &pins.flows()?)?, args.look.output)
}
