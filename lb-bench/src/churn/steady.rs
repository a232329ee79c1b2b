//! What clients notice of changes: new connections and kept ones while a hundred times a second
//! another task drains.

use std::{rc::Rc, time::Duration};

use anyhow::Result;
use lb_testbed::Load;

use super::bed::Bed;
use crate::{
    figure::{Figure, Unit},
    pace,
    rounds::Measure,
};

/// Between two changes.
const INTERVAL: Duration = Duration::from_millis(10);
/// Requests a second, of those with a connection each and of those on kept ones.
const PER_S: f64 = 500.0;
/// Clients of each kind.
const CLIENTS: usize = 16;

/// Changes under load.
pub(super) struct Steady {
    pub(super) bed: Rc<Bed>,
    pub(super) time: Duration,
}

impl Measure for Steady {
    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("churn/lost", "requests that failed under 100 changes/s", Unit::Count),
            Figure::new("churn/slowest", "the slowest of them", Unit::Ms),
            Figure::new("churn/applied", "changes that an agent put into force", Unit::PerS),
        ]
    }

    fn sample(&mut self) -> Result<Vec<f64>> {
        let bed = &self.bed;
        let load = || {
            let load = Load::new(bed.client(), bed.targets());
            load.per_second(PER_S).concurrency(CLIENTS)
        };
        let (single, kept) = (load().start()?, load().keep_alive().start()?);
        let before = bed.applied()?;
        // One task after the other, then none.
        let change = |step: u32| bed.drain(Some(step as usize % 5).filter(|&task| task < 4));
        let (_, took) = pace::repeat(self.time, INTERVAL, change)?;
        let applied = bed.applied()? - before;
        let (single, kept) = (single.stop()?, kept.stop()?);
        for report in [&single, &kept].into_iter().filter(|report| report.failed != 0) {
            eprintln!("requests failed while tasks drained: {report}");
        }
        let slowest = single.latency_max.max(kept.latency_max);
        Ok(vec![
            (single.failed + kept.failed) as f64,
            slowest.as_secs_f64() * 1e3,
            applied as f64 / took.as_secs_f64(),
        ])
    }
}
