//! The demo: the well-known example of mongo-express and mongo on a three-node cluster on this
//! machine, told step by step for somebody who has not met service networking yet. Every step
//! measures what it claims; the exit status is 0 only if all of it held.
//!
//! [`stage`] makes the cluster; each further file is one chapter; [`story`] prints and keeps count.
//! [`docker`] tells another story, on real Docker Engines.

mod change;
mod docker;
mod end;
mod interrupt;
mod maps;
mod mesh;
mod names;
mod network;
mod stage;
mod story;
mod survival;
mod traffic;
mod vip;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use stage::Stage;
use story::Story;

/// Three nodes and a client on this machine, in network namespaces: an overlay network, a virtual IP,
/// names and the routing mesh at work.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Leave the cluster running and print the commands to look around in it and to remove it.
    #[arg(long)]
    keep: bool,
    /// On real Docker Engines, joined to a Swarm.
    #[arg(long)]
    docker: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut story = Story::begin();
    let tell = if cli.docker { docker::tell } else { tell };
    match interrupt::watch().and_then(|()| tell(&mut story, cli.keep)) {
        Ok(()) => story.end(),
        Err(error) => story.broken(&error),
    }
}

fn tell(story: &mut Story, keep: bool) -> Result<()> {
    let mut stage = Stage::set(story, keep)?;
    let outcome = play(story, &mut stage);
    if interrupt::seen() {
        return stage.leave_nothing();
    }
    outcome?;
    end::tell(story, stage, keep)
}

fn play(story: &mut Story, stage: &mut Stage) -> Result<()> {
    stage.start_agents(story)?;
    network::tell(story, stage)?;
    names::tell(story, stage)?;
    vip::tell(story, stage)?;
    mesh::tell(story, stage)?;
    wire::tell(story, stage)?;
    maps::tell(story, stage)?;
    survival::tell(story, stage)?;
    change::scale_up(story, stage)?;
    change::drain(story, stage)
}
