//! `agent` and `load`: both apply what the cluster should be; the agent stays.
use std::{path::Path, process::ExitCode};

use anyhow::Context;
use lb_userspace::{
    agent::{self, AgentError, ClusterFile, Options, Source},
    dataplane::Object,
};

use super::{check::INVALID, print::line, status};
use crate::cli::{AgentArgs, NodeArgs, Output, Place};

/// `agent`.
pub(crate) fn run(args: &AgentArgs) -> anyhow::Result<ExitCode> {
    let state_dir = args.place.state_dir();
    let source = match (&args.config, &args.node) {
        (Some(config), Some(node)) => file(config, node)?,
        _ => Source::Docker(args.docker.options(state_dir)),
    };
    let options = options(source, &args.place, args.object.as_deref());
    if args.once {
        return finish(block_on(agent::once(options))?);
    }
    finish(block_on(agent::run(options))?)
}

/// `load`.
pub(crate) fn load(args: &NodeArgs) -> anyhow::Result<ExitCode> {
    let source = file(&args.config, &args.node)?;
    let options = options(source, &args.place, args.object.as_deref());
    let code = finish(block_on(agent::once(options))?)?;
    line("")?;
    status::show_status(&args.place, Output::Table).map(|()| code)
}

fn file(config: &Path, node: &str) -> anyhow::Result<Source> {
    let path = std::path::absolute(config).context("cannot tell the current directory")?;
    Ok(Source::File(ClusterFile { path, node: node.into() }))
}

fn options(source: Source, place: &Place, object: Option<&Path>) -> Options {
    Options {
        source,
        pin_root: place.pin_root.clone(),
        state_dir: place.state_dir(),
        object: Object::from_option(object),
    }
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
