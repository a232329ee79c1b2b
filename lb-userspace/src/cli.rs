//! The command line as types: what a user may type, and the defaults.
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Where bpffs is mounted.
const BPFFS: &str = "/sys/fs/bpf";

/// A load balancer in the kernel for services whose tasks run on many nodes.
///
/// Packets are forwarded by pinned programs, with or without a running agent.
#[derive(Debug, Parser)]
#[command(name = "swarmlb", version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Keep this node as the cluster file wants it, until told to stop; then leave it forwarding.
    Agent(AgentArgs),
    /// Apply the cluster file once, print what went where, and leave it forwarding.
    Load(NodeArgs),
    /// Validate a cluster file and print the plan; exit status 2 where it is invalid.
    Check(CheckArgs),
    /// Remove programs, maps and legs, and restore what was set.
    Detach(Place),
    /// Services as this node sees them.
    #[command(subcommand)]
    Service(ServiceVerb),
    /// Networks as this node sees them.
    #[command(subcommand)]
    Network(NetworkVerb),
    /// Nodes as this node sees them.
    #[command(subcommand)]
    Node(NodeVerb),
    /// Flows that come to this node's tasks from outside, or that they have with virtual IPs.
    Flows(FlowsArgs),
    /// Why packets were dropped or refused at this node.
    Drops(DropsArgs),
    /// Pins, programs, maps and the agent of this node.
    Status(Look),
}

/// What can be asked about services.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceVerb {
    /// List services.
    Ls(Look),
    /// Show everything about one service.
    Inspect(ServiceArgs),
    /// List the tasks of one service.
    Ps(ServiceArgs),
}

/// What can be asked about networks.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkVerb {
    /// List networks.
    Ls(Look),
    /// Show one network and everybody in it.
    Inspect(NetworkArgs),
}

/// What can be asked about nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// List nodes.
    Ls(Look),
}

/// Where the data plane of a node lives on this machine.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Directory in bpffs under which programs and maps are pinned.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/swarmlb")]
    pub(crate) pin_root: PathBuf,
    /// Directory of the agent's own files [default: /run and the pin root's path inside bpffs].
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// A cluster file and one of its nodes.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The cluster file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Name of this node in it.
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// BPF object to load instead of the embedded one.
    #[arg(long, value_name = "FILE")]
    pub(crate) object: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Arguments of `agent`.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Apply once and exit, leaving everything forwarding.
    #[arg(long)]
    pub(crate) once: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The cluster file.
    pub(crate) file: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// Arguments of every view.
#[derive(Debug, Args)]
pub(crate) struct Look {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Arguments of a view of one service.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Name of the service.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// Arguments of a view of one network.
#[derive(Debug, Args)]
pub(crate) struct NetworkArgs {
    /// Name of the network.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// Arguments of `flows`.
#[derive(Debug, Args)]
pub(crate) struct FlowsArgs {
    /// Only flows of this service.
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Show the flows that this node's tasks have with virtual IPs instead.
    #[arg(long)]
    pub(crate) vip: bool,
    /// Show flows that both sides have closed, too.
    #[arg(long, conflicts_with = "vip")]
    pub(crate) closed: bool,
    /// Print at most so many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// Arguments of `drops`.
#[derive(Debug, Args)]
pub(crate) struct DropsArgs {
    /// Show reasons that never happened, too.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs, with stable field names.
    Json,
}

impl Place {
    /// The state directory: as given, or `/run` and the pin root's path inside bpffs, so that two
    /// data planes on one machine never share it.
    pub(crate) fn state_dir(&self) -> PathBuf {
        let inside =
            || self.pin_root.strip_prefix(BPFFS).or_else(|_| self.pin_root.strip_prefix("/"));
        let default = || Path::new("/run").join(inside().unwrap_or(&self.pin_root));
        self.state_dir.clone().unwrap_or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn parse(line: &str) -> Result<Verb, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.verb)
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_agent_needs_a_file_and_a_node() {
        let error = parse("swarmlb agent --config c.toml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        let verb = parse("swarmlb agent --config c.toml --node n1 --once").unwrap();
        let Verb::Agent(args) = verb else { panic!("{verb:?}") };
        assert!(args.once);
        assert_eq!(args.node.node, "n1");
        assert_eq!(args.node.place.pin_root, Path::new("/sys/fs/bpf/swarmlb"));
        assert_eq!(args.node.place.state_dir(), Path::new("/run/swarmlb"));
    }

    #[test]
    fn each_pin_root_has_its_own_state_directory() {
        let dir = |line| match parse(line).unwrap() {
            Verb::Detach(place) => place.state_dir(),
            verb => panic!("{verb:?}"),
        };
        assert_eq!(dir("swarmlb detach --pin-root /sys/fs/bpf/lab/n2"), Path::new("/run/lab/n2"));
        assert_eq!(dir("swarmlb detach --pin-root /mnt/bpf/x"), Path::new("/run/mnt/bpf/x"));
        assert_eq!(dir("swarmlb detach --state-dir /tmp/s"), Path::new("/tmp/s"));
    }

    #[test]
    fn views_print_tables_unless_told_otherwise() {
        let verb = parse("swarmlb service ps web --output json").unwrap();
        let Verb::Service(ServiceVerb::Ps(args)) = verb else { panic!("{verb:?}") };
        assert_eq!((args.name.as_str(), args.look.output), ("web", Output::Json));
        let verb = parse("swarmlb flows --service web --limit 5").unwrap();
        let Verb::Flows(args) = verb else { panic!("{verb:?}") };
        assert_eq!((args.limit, args.look.output), (5, Output::Table));
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        assert!(parse("swarmlb service rm web").is_err());
        assert!(parse("swarmlb drops --output xml").is_err());
        assert!(parse("swarmlb network inspect").is_err());
        assert!(parse("swarmlb flows --vip --closed").is_err());
    }
}
