//! The command line as types: what a user may type, and the defaults.
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};
use lb_common::wire::MESH_VNI;
use lb_userspace::source::docker::{AGENT_PORT, DockerOptions, TakeOver};

/// Where bpffs is mounted.
const BPFFS: &str = "/sys/fs/bpf";
/// Where a Docker Engine listens.
const DOCKER_HOST: &str = "unix:///var/run/docker.sock";
/// Where a Docker Engine keeps its run-time state.
const DOCKER_EXEC_ROOT: &str = "/var/run/docker";

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
    /// Keep this node as the cluster file or the Docker Swarm wants it, until told to stop; then leave
    /// it forwarding.
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
    /// Who says what the cluster is [default: file].
    #[arg(long, value_enum)]
    pub(crate) source: Option<Source>,
    /// The cluster file.
    #[arg(long, value_name = "FILE", required_unless_present = "source")]
    #[arg(required_if_eq("source", "file"))]
    pub(crate) config: Option<PathBuf>,
    /// Name of this node in the cluster file.
    #[arg(long, value_name = "NAME", required_unless_present = "source")]
    #[arg(required_if_eq("source", "file"))]
    pub(crate) node: Option<String>,
    /// Apply once and exit, leaving everything forwarding.
    #[arg(long)]
    pub(crate) once: bool,
    /// BPF object to load instead of the embedded one.
    #[arg(long, value_name = "FILE")]
    pub(crate) object: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Last, since its heading goes for all options that follow.
    #[command(flatten)]
    pub(crate) docker: DockerArgs,
}

/// Who says what the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// The cluster file; swarmlb makes legs, networks and names.
    File,
    /// The Docker Engine of this node, which is in a Swarm and has made all that.
    Docker,
}

/// What can be chosen about a Docker Engine.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --source docker")]
pub(crate) struct DockerArgs {
    /// The engine's socket [default: unix:///var/run/docker.sock].
    #[arg(long, value_name = "unix://PATH", value_parser = docker_host)]
    pub(crate) docker_host: Option<String>,
    /// The engine's exec-root, where its network namespaces are named [default: /var/run/docker].
    #[arg(long, value_name = "DIR")]
    pub(crate) docker_exec_root: Option<PathBuf>,
    /// The engine's data-root, with the node's certificates [default: what the engine says].
    #[arg(long, value_name = "DIR")]
    pub(crate) docker_data_root: Option<PathBuf>,
    /// Interface where clients and other nodes come in; may be given several times [default: the one
    /// that carries the node's data-path address].
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Vec<String>,
    /// TCP port on which the managers' agents tell the others, the same on all nodes [default: 7950].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) agent_port: Option<u16>,
    /// VNI of the mesh's frames, the same on all nodes, below Docker's; the next one is used, too
    /// [default: 4094].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4094))]
    pub(crate) mesh_vni: Option<u32>,
    /// Which services are balanced here [default: auto].
    #[arg(long, value_name = "WHICH", value_enum)]
    pub(crate) take_over: Option<TakeOverArg>,
}

/// Which services are balanced by swarmlb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TakeOverArg {
    /// All where the kernel has no IPVS, else those with the label swarmlb.enable=true.
    Auto,
    /// All but those with the label swarmlb.enable=false.
    All,
    /// Those with the label swarmlb.enable=true.
    Labelled,
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

impl Cli {
    /// Refuses combinations that the types allow.
    ///
    /// # Errors
    /// A usage error, which clap prints with exit status 2.
    pub(crate) fn checked(self) -> Result<Self, clap::Error> {
        let Verb::Agent(args) = &self.verb else { return Ok(self) };
        match args.clash() {
            Some(message) => Err(Self::command().error(ErrorKind::ArgumentConflict, message)),
            None => Ok(self),
        }
    }
}

impl AgentArgs {
    /// Whether the Docker Engine says what the cluster is.
    pub(crate) fn is_docker(&self) -> bool {
        self.source == Some(Source::Docker)
    }

    /// What does not go together.
    fn clash(&self) -> Option<String> {
        if self.is_docker() {
            let given = [("--config", self.config.is_some()), ("--node", self.node.is_some())];
            let (option, _) = given.into_iter().find(|(_, given)| *given)?;
            return Some(format!(
                "{option} is for a cluster file; with --source docker the engine says what the \
                 cluster and this node are"
            ));
        }
        let option = self.docker.given()?;
        Some(format!("{option} needs --source docker; without it the cluster file says everything"))
    }
}

impl DockerArgs {
    /// The first option that was given.
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("--docker-host", self.docker_host.is_some()),
            ("--docker-exec-root", self.docker_exec_root.is_some()),
            ("--docker-data-root", self.docker_data_root.is_some()),
            ("--interface", !self.interface.is_empty()),
            ("--agent-port", self.agent_port.is_some()),
            ("--mesh-vni", self.mesh_vni.is_some()),
            ("--take-over", self.take_over.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }

    /// The options for the source, defaults filled in; `state_dir` as of the agent.
    pub(crate) fn options(&self, state_dir: PathBuf) -> DockerOptions {
        let exec_root = self.docker_exec_root.clone();
        DockerOptions {
            host: self.docker_host.clone().unwrap_or_else(|| DOCKER_HOST.into()),
            exec_root: exec_root.unwrap_or_else(|| DOCKER_EXEC_ROOT.into()),
            data_root: self.docker_data_root.clone(),
            state_dir,
            interfaces: self.interface.clone(),
            agent_port: self.agent_port.unwrap_or(AGENT_PORT),
            mesh_vni: self.mesh_vni.unwrap_or(MESH_VNI),
            take_over: self.take_over.map_or_else(TakeOver::default, TakeOver::from),
        }
    }
}

impl From<TakeOverArg> for TakeOver {
    fn from(which: TakeOverArg) -> Self {
        match which {
            TakeOverArg::Auto => Self::Auto,
            TakeOverArg::All => Self::All,
            TakeOverArg::Labelled => Self::Labelled,
        }
    }
}

/// The engine must be this node's own, so only a socket will do.
fn docker_host(text: &str) -> Result<String, String> {
    match text.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(text.into()),
        _ => Err("the engine must be this node's own: give its socket as unix:///PATH".into()),
    }
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
    use super::*;

    fn parse(line: &str) -> Result<Verb, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())?.checked().map(|cli| cli.verb)
    }

    fn agent(line: &str) -> AgentArgs {
        match parse(line).unwrap() {
            Verb::Agent(args) => args,
            verb => panic!("{verb:?}"),
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_agent_needs_a_file_and_a_node() {
        let error = parse("swarmlb agent --config c.toml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        let error = parse("swarmlb agent --source file --node n1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        let args = agent("swarmlb agent --config c.toml --node n1 --once");
        assert!(args.once && !args.is_docker());
        assert_eq!(args.node.as_deref(), Some("n1"));
        assert_eq!(args.place.pin_root, Path::new("/sys/fs/bpf/swarmlb"));
        assert_eq!(args.place.state_dir(), Path::new("/run/swarmlb"));
    }

    #[test]
    fn beside_docker_nothing_need_be_told() {
        let args = agent("swarmlb agent --source docker");
        let options = args.docker.options(args.place.state_dir());
        assert_eq!(options.host, "unix:///var/run/docker.sock");
        assert_eq!((options.agent_port, options.mesh_vni), (AGENT_PORT, MESH_VNI));
        assert_eq!(options.take_over, TakeOver::Auto);
        let args =
            agent("swarmlb agent --source docker --interface a --interface b --take-over all");
        let options = args.docker.options(args.place.state_dir());
        assert_eq!(options.interfaces, ["a", "b"]);
        assert_eq!(options.take_over, TakeOver::All);
    }

    #[test]
    fn options_of_the_other_source_are_usage_errors() {
        for (line, told) in [
            ("--source docker --node n1", "--node is for a cluster file"),
            ("--config c --node n1 --agent-port 7", "--agent-port needs --source docker"),
            ("--source file --config c --node n1 --interface x", "--interface needs"),
            ("--source docker --docker-host tcp://h:2375", "this node's own"),
            ("--source docker --mesh-vni 4096", "4096"),
        ] {
            let error = parse(&format!("swarmlb agent {line}")).unwrap_err();
            assert!(error.to_string().contains(told), "{line}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
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
