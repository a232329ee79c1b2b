//! `status`.
use lb_userspace::{
    agent::{Record, is_running},
    observe::{AgentState, Pins, Status},
};

use super::print::show;
use crate::cli::{Look, Output, Place};

/// `status`.
pub(crate) fn run(look: &Look) -> anyhow::Result<()> {
    show_status(&look.place, look.output)
}

/// Shows what is pinned at `place` and how its agent fares.
pub(crate) fn show_status(place: &Place, output: Output) -> anyhow::Result<()> {
    let pins = Pins::open(&place.pin_root)?;
    let state_dir = place.state_dir();
    let agent = if is_running(&state_dir) { AgentState::Running } else { AgentState::Stopped };
    let inventory = pins.inventory()?;
    let maps = pins.map_use(&inventory.maps)?;
    let root = place.pin_root.clone();
    let record = Record::load(&state_dir)?;
    show(&Status::new(root, agent, record, inventory, maps), output)
}
