//! `detach`: leaves the node as it was before the first agent.
use std::path::Path;

use lb_userspace::{
    agent::{Record, journal_dir},
    dataplane::{self, Removed},
    host::{Journal, Netlink, legs::Legs, overlay::OverlayLegs},
    names::{ETC_NETNS, ResolvConfs},
    source::docker::stream,
};
use tracing::warn;

use super::{agent::block_on, print::line};
use crate::cli::Place;

/// `detach`.
pub(crate) fn run(place: &Place) -> anyhow::Result<()> {
    let removed = dataplane::detach_after(&place.pin_root, || {
        block_on(say_goodbye(&place.state_dir()))?;
        block_on(remove_overlay_legs())?
    })?;
    block_on(restore_node(&place.state_dir()))??;
    line(&text(&removed))
}

/// While everything is forwarded still: agents of other nodes reach this one's tasks in another way from
/// now on. Those that do not hear it find out by themselves a minute later, so that none of it
/// prevents a detach.
async fn say_goodbye(state_dir: &Path) {
    match stream::farewell(state_dir).await {
        Ok(untold) => untold.iter().for_each(|who| warn!("not told that this agent leaves: {who}")),
        Err(error) => warn!("agents of other nodes are not told that this one leaves: {error}"),
    }
}

/// Before their programs go: without these, what a task sends in a network would get to the node's
/// own stack.
async fn remove_overlay_legs() -> anyhow::Result<()> {
    Ok(OverlayLegs::new(Netlink::here()?).remove_all().await?)
}

/// Takes back what agents changed on the node, and their own files last: a failure before that
/// leaves the record for another attempt.
async fn restore_node(state_dir: &Path) -> anyhow::Result<()> {
    let netlink = Netlink::here()?;
    Legs::new(netlink).remove_all().await?;
    ResolvConfs::new(Path::new(ETC_NETNS), state_dir).remove_all()?;
    Journal::open(&journal_dir(state_dir))?.restore().await?;
    Ok(Record::remove(state_dir)?)
}

fn text(removed: &Removed) -> String {
    match (removed.links.len(), removed.maps.len()) {
        (0, 0) => "Nothing was attached or pinned.".into(),
        (links, maps) => {
            format!("Removed {links} links and {maps} maps: {}", removed.links.join(" "))
        }
    }
}
