//! Loads a whole cluster into an empty data plane, then changes one task, in the agent's own steps:
//! compile, plan, write.

use std::time::Duration;

use anyhow::Result;

use super::id;
use crate::{
    figure::{Figure, Unit},
    packet::{
        cluster::{Kind, Size},
        place::Place,
        world::World,
    },
    rounds::Measure,
};

/// One size.
pub(super) struct Load {
    pub(super) place: Place,
    pub(super) size: Size,
    /// Which service changed last.
    pub(super) changed: u16,
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
        let mut world = World::load(self.place, Kind::Standalone)?;
        let (compiled, applied) = world.apply(self.size)?;
        self.changed = (self.changed + 1) % self.size.services;
        let (recompiled, reapplied) = world.apply_drained(self.size, self.changed)?;
        let ms = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64() * 1e3;
        Ok(vec![
            ms(&[compiled, applied]),
            ms(&[compiled]),
            ms(&[recompiled, reapplied]),
            ms(&[recompiled]),
        ])
    }
}
