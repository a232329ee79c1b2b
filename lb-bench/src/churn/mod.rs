//! Group `churn`: what a large cluster costs to load, to change and to keep ([`load`], [`maps`],
//! [`agent`]), and what clients notice of changes ([`steady`]) and of floods ([`flood`]).

mod agent;
mod bed;
mod flood;
mod load;
mod maps;
mod steady;

use std::{rc::Rc, time::Duration};

use anyhow::Result;

use crate::{
    figure::Figure,
    machine,
    noise::Noise,
    packet::{
        cluster::{Kind, Size},
        place::Place,
        world::World,
    },
    rounds::{self, Measure, Rounds},
};

/// The size that bounds are about.
const LARGE: Size = Size { services: 10_000, backends: 10 };
/// What fits where that one does not.
const SMALLER: Size = Size { services: 10_000, backends: 2 };
/// Of a quick look.
const QUICK: Size = Size { services: 1000, backends: 10 };

/// Measures one size, and what clients notice, for `time` at a time.
///
/// # Errors
/// The kernel refuses something, or the small cluster does not serve.
pub fn run(
    rounds: Rounds<'_>,
    (time, quick): (Duration, bool),
    noise: &mut Noise,
) -> Result<(Vec<Figure>, Vec<String>)> {
    // First what starts processes: they stay on the CPUs that this thread may use.
    let bed = Rc::new(bed::Bed::build()?);
    let steady = steady::Steady { bed: Rc::clone(&bed), time };
    let live: Vec<Box<dyn Measure>> =
        vec![Box::new(steady), Box::new(flood::Flood::new(bed, time)?)];
    let mut figures = rounds::interleave("churn", live, rounds, noise)?;
    let (size, mut notes) = fitting(quick)?;
    figures.extend(agent::memory(size, id)?);

    machine::pin_to_last_cpu()?;
    let place = Place::make()?;
    let loads: Vec<Box<dyn Measure>> = vec![Box::new(load::Load { place, size, changed: 0 })];
    figures.extend(rounds::interleave("churn", loads, rounds, noise)?);
    figures.extend(maps::memory(place, size)?);
    notes.push(format!(
        "churn: {} services with {} backends each (in maps besides two with 5 100); a change of rows, \
         services or backends is one store in mapped memory, without a system call",
        size.services, size.backends
    ));
    Ok((figures, notes))
}

/// The size to measure, and what kept a larger one out.
fn fitting(quick: bool) -> Result<(Size, Vec<String>)> {
    if quick {
        return Ok((QUICK, Vec::new()));
    }
    // In a thread, which keeps the namespace.
    let tried = std::thread::spawn(|| {
        World::load(Place::make()?, Kind::Standalone)?.apply(LARGE).map(drop)
    });
    match tried.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
        Ok(()) => Ok((LARGE, Vec::new())),
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
