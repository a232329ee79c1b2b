//! The demo on a real Docker Swarm: what is dead on a kernel without IPVS, and how it comes alive when
//! an agent is started beside each engine. [`stage`] makes the Swarm; each further file is a chapter
//! or two.

mod alive;
mod before;
mod change;
mod end;
mod stage;
mod traffic;

use anyhow::Result;

use crate::{interrupt, story::Story};
use stage::Stage;

/// Tells the whole story.
///
/// # Errors
/// It could not go on. What did not hold is counted by `story`.
pub(crate) fn tell(story: &mut Story, keep: bool) -> Result<()> {
    let stage = Stage::set(story, keep)?;
    let outcome = play(story, &stage);
    if interrupt::seen() {
        return stage.leave_nothing();
    }
    outcome?;
    end::tell(story, stage, keep)
}

fn play(story: &mut Story, stage: &Stage) -> Result<()> {
    stage.create_services(story)?;
    before::tell(story, stage)?;
    alive::start(story, stage)?;
    alive::mesh(story, stage)?;
    alive::client_address(story, stage)?;
    change::scale(story, stage)?;
    change::update(story, stage)?;
    change::kill_agents(story, stage)
}
