//! Chapter 3: what does not work before any agent runs.

use std::{path::Path, time::Duration};

use anyhow::Result;
use lb_testbed::dial;

use super::stage::{DATABASE, FRONT, Stage};
use crate::story::Story;

/// Where a kernel with IPVS has its settings.
const IPVS: &str = "/proc/sys/net/ipv4/vs";
/// How long a connection that leads nowhere is tried.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("What Docker makes of it here");
    if Path::new(IPVS).exists() {
        story.say(
            "This kernel has IPVS, Docker's usual balancer: there is nothing dead to be shown.",
        );
        return Ok(());
    }
    story.say(
        "Docker leaves balancing to IPVS, which this kernel does not have. It says one line in its log\n\
         and goes on: tasks run, names resolve, and yet nobody answers.\n ",
    );
    for to in stage.targets() {
        let outcome = dial(stage.client(), to, 0, LIMIT)?;
        let said =
            outcome.as_ref().err().map_or_else(|| "it answers".to_owned(), ToString::to_string);
        story.check(outcome.is_err(), &format!("http://{to}/ does not answer: {said}"));
    }
    let vip = stage.vip()?;
    let outcome = dial(&stage.page()?, vip, 0, LIMIT)?;
    let said = outcome.as_ref().err().map_or_else(|| "it answers".to_owned(), ToString::to_string);
    let claim =
        format!("in {FRONT}, {DATABASE} is {}, and {vip} does not answer: {said}", vip.ip());
    story.check(outcome.is_err(), &claim);
    Ok(())
}
