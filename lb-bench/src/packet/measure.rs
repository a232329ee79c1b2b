//! One path at a time: open the flows, warm the caches, time many runs, check how they ended.

use std::{cell::RefCell, collections::BTreeMap};

use anyhow::{Result, ensure};
use lb_bench_ebpf::plan::Plan;

use super::{
    cases::{Case, Target},
    stage::Stage,
};
use crate::{
    figure::{Figure, Unit},
    machine::thread_ns,
    object::Ended,
    rounds::Measure,
};

/// Most runs that warm caches: all flows once, but no more than these.
const MOST_WARM: u64 = 1 << 17;
/// Fewest.
const LEAST_WARM: u64 = 1 << 12;
/// Most calls a round where each run is one.
const MOST_CALLS: u32 = 20_000;
/// First part of the id of what is subtracted.
const BASE: &str = "base/";

/// A path, or the driver without one.
struct Timed<'a> {
    stage: &'a RefCell<Stage>,
    case: &'a Case,
    empty: bool,
    runs: u32,
}

/// A measure for each case, and one for each thing that is to be subtracted.
pub(super) fn measures<'a>(
    stage: &'a RefCell<Stage>,
    cases: &'a [Case],
    runs: u32,
) -> Result<Vec<Box<dyn Measure + 'a>>> {
    let mut bases = BTreeMap::new();
    let mut measures: Vec<Box<dyn Measure + 'a>> = Vec::new();
    for case in cases {
        if bases.insert(base_id(case), ()).is_none() {
            measures.push(Box::new(Timed { stage, case, empty: true, runs }));
        }
        measures.push(Box::new(Timed { stage, case, empty: false, runs }));
    }
    Ok(measures)
}

/// What is subtracted depends on the driver and on how its frames differ.
fn base_id(case: &Case) -> String {
    let how = if case.single() { "single" } else { "repeat" };
    format!("{BASE}{}/{}/{}/{how}", case.driver(), case.flows, case.services)
}

/// Figures of cases alone, with what is to be subtracted.
pub(super) fn net(figures: Vec<Figure>, cases: &[Case]) -> Vec<Figure> {
    let (bases, mut figures): (Vec<_>, Vec<_>) =
        figures.into_iter().partition(|figure| figure.id.starts_with(BASE));
    for (figure, case) in figures.iter_mut().zip(cases) {
        let id = base_id(case);
        if let Some(base) = bases.iter().find(|base| base.id == id) {
            figure.base.clone_from(&base.samples);
        }
    }
    figures
}

impl Measure for Timed<'_> {
    fn figures(&self) -> Vec<Figure> {
        let id = if self.empty { base_id(self.case) } else { self.case.id.clone() };
        vec![Figure::new(id, &self.case.title, Unit::NsPerPacket)]
    }

    fn sample(&mut self) -> Result<Vec<f64>> {
        let stage = &mut *self.stage.borrow_mut();
        let case = self.case;
        if self.empty {
            stage.aim(case.hook, Target::Floor(case.hook.empty()))?;
        } else {
            stage.open(&case.before, case.flows)?;
            stage.aim(case.hook, case.target)?;
        }
        stage.plan(&Plan { next: case.first, ..case.template.plan(case.flows, case.services) })?;
        let context = stage.context(case.hook, case.at, case.template.frame.len());
        let frames = (case.template.frame.as_slice(), context.as_slice());
        let warm = case.flows.clamp(LEAST_WARM, MOST_WARM) as u32;
        let drops = stage.drops()?;
        let (mean_ns, ended) = if case.single() {
            single(stage, case, frames, self.runs.min(MOST_CALLS))?
        } else {
            stage.drive(case.driver(), frames, warm)?;
            repeated(stage, case, frames, self.runs)?
        };
        if !self.empty {
            stage.ensure_no_drops(&drops)?;
            let longer = ended.frame.len() as i32 - case.template.frame.len() as i32;
            ensure!(
                (ended.value, longer) == case.ends,
                "ended with {} and {longer} bytes more, not {:?}",
                ended.value,
                case.ends
            );
        }
        Ok(vec![mean_ns])
    }
}

/// Many runs in one call; the time is the thread's.
fn repeated(stage: &Stage, case: &Case, frames: (&[u8], &[u8]), runs: u32) -> Result<(f64, Ended)> {
    let start = thread_ns()?;
    let ended = stage.drive(case.driver(), frames, runs)?;
    Ok(((thread_ns()? - start) as f64 / f64::from(runs), ended))
}

/// As many calls; the time is what the kernel's clock says about each run.
fn single(stage: &Stage, case: &Case, frames: (&[u8], &[u8]), calls: u32) -> Result<(f64, Ended)> {
    for _ in 0..LEAST_WARM {
        stage.drive(case.driver(), frames, 1)?;
    }
    let (mut total_ns, mut last) = (0, stage.drive(case.driver(), frames, 1)?);
    for _ in 0..calls {
        last = stage.drive(case.driver(), frames, 1)?;
        total_ns += last.mean_ns;
    }
    Ok((total_ns as f64 / f64::from(calls), last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{cluster::Kind, frames};

    #[test]
    fn what_is_subtracted_was_measured_with_the_same_frames() {
        let case = |id: &str, flows| Case {
            id: format!("packet/{id}"),
            title: String::new(),
            target: Target::Production(Kind::Standalone, "xdp_node"),
            hook: crate::object::Hook::Xdp,
            at: crate::packet::cases::At::Nic,
            template: frames::ack(80),
            flows,
            services: 1,
            ends: (2, 0),
            first: 0,
            before: Vec::new(),
        };
        let cases = [case("a", 1), case("b", 4096)];
        let figure = |id: String, value| Figure {
            samples: vec![value],
            ..Figure::new(id, "", Unit::NsPerPacket)
        };
        let figures = vec![
            figure(base_id(&cases[0]), 30.0),
            figure("packet/a".into(), 50.0),
            figure(base_id(&cases[1]), 33.0),
            figure("packet/b".into(), 60.0),
        ];
        let net: Vec<_> = net(figures, &cases)
            .iter()
            .map(|figure| (figure.id.clone(), figure.median()))
            .collect();
        assert_eq!(net, [("packet/a".to_owned(), 20.0), ("packet/b".to_owned(), 27.0)]);
    }
}
