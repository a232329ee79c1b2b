//! Chapter 3: the overlay network, who is in it, and that its tasks reach each other.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;
use lb_testbed::ping;

use crate::{
    stage::{DATABASE, FRONT_NODE, FRONT_TASK, NETWORK, Stage},
    story::Story,
};

/// How long an echo may take.
const PING_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn tell(story: &mut Story, stage: &Stage) -> Result<()> {
    story.chapter("The overlay network");
    story.say(
        "Each task has an interface in the network, with an address that is its own wherever it\n\
         runs. The machines' own network knows nothing of these addresses, and the network's number\n\
         (VNI) keeps networks apart on the wire:",
    );
    let seen = stage.show(story, FRONT_NODE, &["network", "inspect", NETWORK])?;
    stage.show(story, FRONT_NODE, &["service", "ps", DATABASE])?;
    stage.inside(story, "ip -brief -4 address")?;
    story.say(
        "gw0 is the way out to the world. What leaves by the other one goes straight to the task it\n\
         is for, across the wire in an envelope if that runs elsewhere:\n ",
    );
    for server in stage.databases() {
        let address = only(&stage.resolve(&server.name)?)?;
        let listed = seen.contains(&address.to_string());
        story.check(listed, &format!("{} is {address} in {NETWORK}", server.name));
        let echo = ping(stage.front()?, address, 56, PING_LIMIT);
        let took = echo.as_ref().map_or(0.0, |took| took.as_secs_f64() * 1000.0);
        story.check(echo.is_ok(), &format!("{FRONT_TASK} pings it in {took:.2} ms"));
    }
    Ok(())
}

/// The one address of a task's name.
fn only(found: &[Ipv4Addr]) -> Result<Ipv4Addr> {
    anyhow::ensure!(found.len() == 1, "a task has one address, not {found:?}");
    Ok(found[0])
}
