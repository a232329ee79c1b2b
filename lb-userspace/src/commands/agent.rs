//! `agent` and `load`: both apply the cluster file; the agent stays.
use std::process::ExitCode;

use anyhow::Context;
use lb_userspace::{
    agent::{self, AgentError, Options},
    dataplane::Object,
};

use super::{check::INVALID, print::line, status};
use crate::cli::{AgentArgs, NodeArgs, Output};

/// `agent`.
pub(crate) fn run(args: &AgentArgs) -> anyhow::Result<ExitCode> {
    let options = options(&args.node)?;
    if args.once {
        return finish(block_on(agent::once(options))?);
    }
    finish(block_on(agent::run(options))?)
}

/// `load`.
pub(crate) fn load(args: &NodeArgs) -> anyhow::Result<ExitCode> {
    let code = finish(block_on(agent::once(options(args)?))?)?;
    line("")?;
    status::show_status(&args.place, Output::Table).map(|()| code)
}

fn options(args: &NodeArgs) -> anyhow::Result<Options> {
    Ok(Options {
        config: std::path::absolute(&args.config).context("cannot tell the current directory")?,
        node: args.node.clone(),
        pin_root: args.place.pin_root.clone(),
        state_dir: args.place.state_dir(),
        object: Object::from_option(args.object.as_deref()),
    })
}

/// Runs on this thread alone, whose network namespace is the node's.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("cannot start the runtime")?.block_on(work))
}

fn finish(outcome: Result<(), AgentError>) -> anyhow::Result<ExitCode> {
    match outcome {
        Err(error) if error.is_config() => {
            eprintln!("{error}");
            Ok(INVALID.into())
        }
        outcome => Ok(outcome.map(|()| ExitCode::SUCCESS)?),
    }
}
