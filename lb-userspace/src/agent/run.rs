//! The agent's life: start, wait for a cause, act, tell; until told to stop. Whatever fails after
//! the start is told and tried again; packets flow on meanwhile.
use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tracing::{debug, error, info, warn};

use super::{
    AgentError, AgentLock, DockerRecord, Record,
    hold::Holds,
    leaving::Leaving,
    membership::{Membership, Reading},
    trigger::{Trigger, Triggers},
    voice::{Line, say},
    workbench::{Round, Workbench},
};
use crate::{
    dataplane::Object,
    model::{DesiredState, Shape},
    names::{NameCounts, Names, NamesPlan},
    source::{Warning, docker::DockerOptions},
};

/// What an agent is told on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who says what the cluster is.
    pub source: Source,
    /// Where programs and maps are pinned.
    pub pin_root: PathBuf,
    /// Directory of the agent's own files.
    pub state_dir: PathBuf,
    /// The BPF programs.
    pub object: Object,
}

/// Who says what the cluster is.
#[derive(Clone, Debug)]
pub enum Source {
    /// A cluster file.
    File(ClusterFile),
    /// The node's Docker Engine.
    Docker(DockerOptions),
}

/// A cluster file and one of its nodes.
#[derive(Clone, Debug)]
pub struct ClusterFile {
    /// The file.
    pub path: PathBuf,
    /// Name of this node in it.
    pub node: String,
}

struct Agent {
    options: Options,
    membership: Membership,
    _lock: AgentLock,
    record: Record,
    workbench: Option<Workbench>,
    /// What is in force: the file, or what an engine told.
    desired: Option<DesiredState>,
    /// Name of this node in it.
    here: String,
    /// Warnings that were told.
    warned: BTreeSet<String>,
    holds: Option<Holds>,
    leaving: Leaving,
    /// The resolvers in tasks' namespaces; `None` in an agent that does not stay, and beside Docker,
    /// which has its own.
    names: Option<Names>,
    /// When to look whether the last flows through Docker's ingress network have ended, where no new
    /// ones begin.
    flows_due: Option<Instant>,
    /// The time that the last round went by; what waits is asked about that time, or a hold that
    /// ends during a round would be missed.
    acted_at: Instant,
    /// What was said about the file in force.
    said: Said,
}

/// How often is looked whether the last flows through Docker's ingress network have ended.
const FLOWS_LOOK: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Holding,
    Ready,
}

/// Keeps the node as its source wants it until SIGTERM or SIGINT; leaves it forwarding.
///
/// # Errors
/// What prevents the first apply. An invalid file is an error only where nothing is forwarded yet.
pub async fn run(options: Options) -> Result<(), AgentError> {
    let mut agent = Agent::start(options).await?;
    let mut triggers = Triggers::new(agent.membership.watched(), agent.options.source.netns_dir())?;
    if matches!(agent.membership, Membership::File(_)) {
        agent.names = Some(Names::resumed(&agent.options.state_dir).await?);
    }
    let first = agent.first_reading().await;
    agent.leave_nothing_if_failed(first)?;
    loop {
        if let Some(desired) = agent.desired.as_ref().filter(|d| d.shape == Shape::Standalone) {
            triggers.namespaces.watch(desired, &agent.here);
        }
        match triggers.next(agent.next_look()).await {
            Trigger::Stop => {
                agent.stop();
                return Ok(());
            }
            // The first words of an engine that was waited for.
            Trigger::Config | Trigger::Reload if agent.desired.is_none() => {
                let first = agent.first_reading().await;
                agent.leave_nothing_if_failed(first)?;
            }
            Trigger::Config | Trigger::Reload => agent.read_again().await,
            cause => agent.look_again(cause).await,
        }
    }
}

/// Applies what the source says once, waits for holds to end, and leaves everything forwarding.
///
/// # Errors
/// What prevents it.
pub async fn once(options: Options) -> Result<(), AgentError> {
    let mut agent = Agent::start(options).await?;
    if agent.membership.read()?.is_none() {
        agent.wait();
        agent.membership.first().await;
    }
    let first = agent.try_first_reading().await;
    agent.leave_nothing_if_failed(first)?;
    while let Some(due) = agent.next_due() {
        tokio::time::sleep_until(due.into()).await;
        agent.act(Trigger::Due).await?;
    }
    Ok(())
}

impl Agent {
    async fn start(options: Options) -> Result<Self, AgentError> {
        let lock = AgentLock::acquire(&options.state_dir).await?;
        let before = Record::load(&options.state_dir).unwrap_or_else(|error| {
            warn!("{error}; starting with an empty one");
            None
        });
        let is_docker = matches!(options.source, Source::Docker(_));
        let record = Record {
            pid: std::process::id(),
            config: options.source.place(),
            refused: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            docker: before.as_ref().filter(|_| is_docker).and_then(|before| before.docker.clone()),
            names: NameCounts::default(),
            ..before.unwrap_or_default()
        };
        let is_forwarding = Workbench::is_forwarding(&options);
        let membership = Membership::open(&options.source, is_forwarding);
        let (leaving, said) = (Leaving::default(), Said::Nothing);
        Ok(Self {
            options,
            membership,
            _lock: lock,
            record,
            workbench: None,
            desired: None,
            here: String::new(),
            warned: BTreeSet::new(),
            holds: None,
            leaving,
            names: None,
            flows_due: None,
            acted_at: Instant::now(),
            said,
        })
    }

    /// The first reading: a bad file is refused for good where nothing is forwarded, else waited for.
    async fn first_reading(&mut self) -> Result<(), AgentError> {
        match self.try_first_reading().await {
            Err(error) if error.is_config() && Workbench::is_forwarding(&self.options) => {
                self.refuse(&error);
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn try_first_reading(&mut self) -> Result<(), AgentError> {
        match self.membership.read()? {
            Some(reading) => {
                self.accept(reading);
                self.act(Trigger::Config).await
            }
            None => {
                self.wait();
                Ok(())
            }
        }
    }

    /// There is nothing to go by yet; what is pinned forwards meanwhile.
    fn wait(&mut self) {
        let reason = format!("{} has not answered yet", self.options.source.place().display());
        self.tell_problems(vec![reason.clone()]);
        print(&Line::Waiting { reason });
    }

    /// Where nothing is pinned, no file of ours stays either.
    fn leave_nothing_if_failed(&self, outcome: Result<(), AgentError>) -> Result<(), AgentError> {
        if outcome.is_err() && !Workbench::is_forwarding(&self.options) {
            Record::remove(&self.options.state_dir)?;
        }
        outcome
    }

    /// Reads again; a file that is invalid, or a state that this node cannot follow, is refused.
    async fn read_again(&mut self) {
        let reading = match self.membership.read() {
            Ok(Some(reading)) => reading,
            Ok(None) => return,
            Err(error) => return self.refuse(&error),
        };
        if self.is_in_force(&reading) {
            self.note(&reading);
            return self.store();
        }
        let is_file = reading.origin.is_none();
        let before = (self.desired.clone(), self.here.clone(), self.leaving.clone());
        self.accept(reading);
        match self.act(Trigger::Config).await {
            Err(error) if is_file => {
                (self.desired, self.here, self.leaving) = before;
                self.refuse(&error);
            }
            // Nobody edits what an engine says: it is tried until it works or is something else.
            Err(error) => self.try_later(&error),
            Ok(()) => {}
        }
    }

    /// Whether an engine says what it said before, and only where it knows that from is other.
    fn is_in_force(&self, reading: &Reading) -> bool {
        reading.origin.is_some()
            && self.here == reading.here
            && self.desired.as_ref() == Some(&reading.desired)
    }

    async fn look_again(&mut self, cause: Trigger) {
        debug!(?cause, "looking again");
        let outcome = match (cause, &mut self.workbench) {
            (Trigger::Neighbours, Some(workbench)) => match workbench.refresh_hops().await {
                Ok(true) => Ok(()),
                Ok(false) => self.act(cause).await,
                Err(error) => Err(error),
            },
            (Trigger::HiddenLinks, workbench) => {
                // A problem here is met again by the next round, which tells it.
                if let (Some(workbench), Some(desired)) = (workbench, &self.desired) {
                    workbench.attach_vips(desired).await;
                }
                Ok(())
            }
            _ => self.act(cause).await,
        };
        if let Err(error) = outcome {
            self.try_later(&error);
        }
    }

    fn try_later(&mut self, error: &AgentError) {
        error!("{error}; trying again in a few seconds");
        self.tell_problems(vec![error.to_string()]);
    }

    fn accept(&mut self, reading: Reading) {
        self.note(&reading);
        let Reading { desired, here, .. } = reading;
        if let Some(before) = &self.desired {
            self.leaving.note(before, &desired, &here, Instant::now());
        }
        if self.holds.is_none() {
            self.holds = Some(Workbench::holds(&self.options, &desired));
        }
        (self.desired, self.here) = (Some(desired), here);
        self.record.refused = None;
        self.said = Said::Nothing;
    }

    /// Writes down what a reading says besides the cluster, and tells each warning once.
    fn note(&mut self, reading: &Reading) {
        self.record.node.clone_from(&reading.here);
        if let (Some(origin), Source::Docker(options)) = (&reading.origin, &self.options.source) {
            let before = self.record.docker.as_ref();
            let record = DockerRecord::after(before, &options.host, origin.clone(), unix_secs());
            self.record.docker = Some(record);
            self.record.warnings.clone_from(&reading.warnings);
        }
        let told = |warning: &&Warning| self.warned.insert(warning.to_string());
        for warning in reading.warnings.iter().filter(told) {
            info!("{warning}");
        }
    }

    fn refuse(&mut self, error: &AgentError) {
        let reason = error.to_string();
        error!("refused what the cluster is to be; what was in force stays so:\n{reason}");
        self.record.refused = Some(reason.clone());
        self.store();
        print(&Line::Refused { reason });
    }

    /// Makes the node be as is wanted, as far as the holds allow by now.
    async fn act(&mut self, cause: Trigger) -> Result<(), AgentError> {
        let (Some(desired), Some(holds)) = (self.desired.clone(), self.holds.as_mut()) else {
            return Ok(());
        };
        let now = Instant::now();
        self.acted_at = now;
        let held = holds.held(&desired, &self.here, now);
        let desired = self.leaving.linger(desired, now);
        let mut workbench =
            Workbench::for_state(self.workbench.take(), &self.options, &desired, &self.here)
                .await?;
        workbench.looks_for_flows = self.flows_due.is_some_and(|due| due <= now);
        let looked = workbench.looks_for_flows;
        let round = workbench.round(&desired, &held, &self.options).await;
        self.workbench = Some(workbench);
        let mut round = round?;
        let again = self.flows_due.filter(|_| !looked).unwrap_or(now + FLOWS_LOOK);
        self.flows_due = round.waits_for_flows.then_some(again);
        // Not before the maps have what names stand for.
        if let Some(names) = &mut self.names {
            let plan = NamesPlan::new(&desired, &held, &self.here);
            round.problems.extend(names.update(plan).await);
            self.record.names = names.counts();
        }
        self.membership.forwards();
        self.tell(cause, round, held.len());
        Ok(())
    }

    fn tell(&mut self, cause: Trigger, round: Round, held: usize) {
        let waiting = held + self.leaving.count(self.acted_at);
        if round.changes > 0 || self.said == Said::Nothing {
            self.record.generation += 1;
            self.record.applied_at_unix_secs = unix_secs();
        }
        self.tell_problems(round.problems);
        if let Some(line) = self.line(cause, round.changes, waiting) {
            print(&line);
        }
    }

    /// What there is to say after a round, if anything.
    fn line(&mut self, cause: Trigger, changes: usize, waiting: usize) -> Option<Line> {
        let generation = self.record.generation;
        let line = match (self.said, waiting) {
            (Said::Nothing | Said::Holding, 0) => Line::Ready { generation },
            (Said::Nothing, tasks) => Line::Holding { generation, tasks },
            _ if changes > 0 => Line::Updated { generation, changes },
            _ => return None,
        };
        match line {
            Line::Ready { .. } => self.said = Said::Ready,
            Line::Holding { .. } => self.said = Said::Holding,
            Line::Updated { .. } if cause == Trigger::Reconcile => {
                warn!("the maps had drifted: {changes} writes repaired them")
            }
            Line::Updated { .. } | Line::Refused { .. } | Line::Waiting { .. } => {}
        }
        Some(line)
    }

    fn tell_problems(&mut self, problems: Vec<String>) {
        for problem in problems.iter().filter(|problem| !self.record.problems.contains(problem)) {
            warn!("{problem}");
        }
        self.record.problems = problems;
        self.store();
    }

    /// Writes the record down. A full disk is no reason to stop: only `status` would miss it.
    fn store(&self) {
        if let Err(error) = self.record.store(&self.options.state_dir) {
            warn!("{error}; `swarmlb status` shows what was written before");
        }
    }

    /// When a hold ends.
    fn next_due(&self) -> Option<Instant> {
        let holds = self.holds.as_ref().and_then(|holds| holds.next_due(self.acted_at));
        holds.into_iter().chain(self.leaving.next_due(self.acted_at)).min()
    }

    /// When to act without a cause.
    fn next_look(&self) -> Option<Instant> {
        let flows = self.flows_due.filter(|due| *due > self.acted_at);
        self.next_due().into_iter().chain(flows).min()
    }

    fn stop(&self) {
        info!("stopping; everything stays in force without an agent, `swarmlb detach` removes it");
        self.store();
    }
}

impl Source {
    /// Where it is, for people.
    fn place(&self) -> PathBuf {
        match self {
            Self::File(file) => file.path.clone(),
            Self::Docker(options) => options.host.clone().into(),
        }
    }

    /// The directory where a Docker Engine names network namespaces.
    fn netns_dir(&self) -> Option<PathBuf> {
        match self {
            Self::File(_) => None,
            Self::Docker(options) => Some(options.exec_root.join("netns")),
        }
    }
}

/// Now, seconds since 1970.
fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

/// Says a line; where nobody can be told, on a full disk say, the work goes on all the same.
fn print(line: &Line) {
    if let Err(error) = say(line) {
        warn!("cannot print: {error}");
    }
}
