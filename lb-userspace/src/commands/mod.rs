//! One file per verb: arguments in, library calls, text out. Errors become one paragraph on
//! standard error in `main`.
mod agent;
mod check;
mod detach;
mod drops;
mod flows;
mod network;
mod node;
mod print;
mod service;
mod status;

use std::process::ExitCode;

use crate::cli::{Cli, NetworkVerb, NodeVerb, ServiceVerb, Verb};

/// Runs the verb; the exit status is 0, or 2 for an invalid cluster file.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.verb {
        Verb::Agent(args) => return agent::run(&args),
        Verb::Load(args) => return agent::load(&args),
        Verb::Check(args) => return check::run(&args),
        Verb::Detach(place) => detach::run(&place)?,
        Verb::Service(ServiceVerb::Ls(look)) => service::ls(&look)?,
        Verb::Service(ServiceVerb::Inspect(args)) => service::inspect(&args)?,
        Verb::Service(ServiceVerb::Ps(args)) => service::ps(&args)?,
        Verb::Network(NetworkVerb::Ls(look)) => network::ls(&look)?,
        Verb::Network(NetworkVerb::Inspect(args)) => network::inspect(&args)?,
        Verb::Node(NodeVerb::Ls(look)) => node::ls(&look)?,
        Verb::Flows(args) => flows::run(&args)?,
        Verb::Drops(args) => drops::run(&args)?,
        Verb::Status(look) => status::run(&look)?,
    }
    Ok(ExitCode::SUCCESS)
}
