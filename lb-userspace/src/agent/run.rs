//! The agent's life: start, wait for a cause, act, tell; until told to stop. Whatever fails after
//! the start is told and tried again; packets flow on meanwhile.
use std::{
    path::PathBuf,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tracing::{debug, error, info, warn};

use super::{
    AgentError, AgentLock, Record,
    changes::ConfigFile,
    hold::Holds,
    leaving::Leaving,
    trigger::{Trigger, Triggers},
    voice::{Line, say},
    workbench::{Round, Workbench},
};
use crate::{
    dataplane::Object,
    model::DesiredState,
    names::{NameCounts, Names, NamesPlan},
    source::file,
};

/// What an agent is told on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster file.
    pub config: PathBuf,
    /// Name of this node in it.
    pub node: String,
    /// Where programs and maps are pinned.
    pub pin_root: PathBuf,
    /// Directory of the agent's own files.
    pub state_dir: PathBuf,
    /// The BPF programs.
    pub object: Object,
}

struct Agent {
    options: Options,
    _lock: AgentLock,
    record: Record,
    workbench: Option<Workbench>,
    /// The file in force.
    desired: Option<DesiredState>,
    holds: Option<Holds>,
    leaving: Leaving,
    /// The resolvers in tasks' namespaces; `None` in an agent that does not stay.
    names: Option<Names>,
    /// The time that the last round went by; what waits is asked about that time, or a hold that
    /// ends during a round would be missed.
    acted_at: Instant,
    /// What was said about the file in force.
    said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Holding,
    Ready,
}

/// Keeps the node as the cluster file wants it until SIGTERM or SIGINT; leaves it forwarding.
///
/// # Errors
/// What prevents the first apply. An invalid file is an error only where nothing is forwarded yet.
pub async fn run(options: Options) -> Result<(), AgentError> {
    let mut triggers = Triggers::new(ConfigFile::new(&options.config))?;
    let mut agent = Agent::start(options).await?;
    agent.names = Some(Names::resumed(&agent.options.state_dir).await?);
    let first = agent.first_file().await;
    agent.leave_nothing_if_failed(first)?;
    loop {
        if let Some(desired) = &agent.desired {
            triggers.namespaces.watch(desired, &agent.options.node);
        }
        match triggers.next(agent.next_due()).await {
            Trigger::Stop => {
                agent.stop();
                return Ok(());
            }
            Trigger::Config | Trigger::Reload => agent.read_again().await,
            cause => agent.look_again(cause).await,
        }
    }
}

/// Applies the cluster file once, waits for holds to end, and leaves everything forwarding.
///
/// # Errors
/// What prevents it.
pub async fn once(options: Options) -> Result<(), AgentError> {
    let mut agent = Agent::start(options).await?;
    let first = agent.try_first_file().await;
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
        let record = Record {
            pid: std::process::id(),
            node: options.node.clone(),
            config: options.config.clone(),
            refused: None,
            problems: Vec::new(),
            names: NameCounts::default(),
            ..before.unwrap_or_default()
        };
        let (leaving, said) = (Leaving::default(), Said::Nothing);
        Ok(Self {
            options,
            _lock: lock,
            record,
            workbench: None,
            desired: None,
            holds: None,
            leaving,
            names: None,
            acted_at: Instant::now(),
            said,
        })
    }

    /// The first file: refused for good where nothing is forwarded, else waited for.
    async fn first_file(&mut self) -> Result<(), AgentError> {
        match self.try_first_file().await {
            Err(error) if error.is_config() && Workbench::is_forwarding(&self.options) => {
                self.refuse(&error);
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn try_first_file(&mut self) -> Result<(), AgentError> {
        let desired = self.read()?;
        self.accept(desired);
        self.act(Trigger::Config).await
    }

    /// Where nothing is pinned, no file of ours stays either.
    fn leave_nothing_if_failed(&self, outcome: Result<(), AgentError>) -> Result<(), AgentError> {
        if outcome.is_err() && !Workbench::is_forwarding(&self.options) {
            Record::remove(&self.options.state_dir)?;
        }
        outcome
    }

    /// Reads the file again; one that is invalid, or that this node cannot follow, is refused.
    async fn read_again(&mut self) {
        let desired = match self.read() {
            Ok(desired) => desired,
            Err(error) => return self.refuse(&error),
        };
        let before = (self.desired.clone(), self.leaving.clone());
        self.accept(desired);
        if let Err(error) = self.act(Trigger::Config).await {
            (self.desired, self.leaving) = before;
            self.refuse(&error);
        }
    }

    async fn look_again(&mut self, cause: Trigger) {
        debug!(?cause, "looking again");
        let outcome = match (cause, &mut self.workbench) {
            (Trigger::Neighbours, Some(workbench)) => match workbench.refresh_hops().await {
                Ok(true) => Ok(()),
                Ok(false) => self.act(cause).await,
                Err(error) => Err(error),
            },
            _ => self.act(cause).await,
        };
        if let Err(error) = outcome {
            error!("{error}; trying again in a few seconds");
            self.tell_problems(vec![error.to_string()]);
        }
    }

    fn read(&self) -> Result<DesiredState, AgentError> {
        let (desired, warnings) = file::load(&self.options.config)?;
        for warning in warnings {
            info!("{warning}");
        }
        match desired.node(&self.options.node) {
            Some(_) => Ok(desired),
            None => Err(AgentError::unknown_node(&self.options, &desired)),
        }
    }

    fn accept(&mut self, desired: DesiredState) {
        if let Some(before) = &self.desired {
            self.leaving.note(before, &desired, &self.options.node, Instant::now());
        }
        if self.holds.is_none() {
            self.holds = Some(Workbench::holds(&self.options, &desired));
        }
        self.desired = Some(desired);
        self.record.refused = None;
        self.said = Said::Nothing;
    }

    fn refuse(&mut self, error: &AgentError) {
        let reason = error.to_string();
        error!("refused the cluster file; what was in force stays so:\n{reason}");
        self.record.refused = Some(reason.clone());
        self.store();
        print(&Line::Refused { reason });
    }

    /// Makes the node be as the file in force wants it, as far as the holds allow by now.
    async fn act(&mut self, cause: Trigger) -> Result<(), AgentError> {
        let (Some(desired), Some(holds)) = (self.desired.clone(), self.holds.as_mut()) else {
            return Ok(());
        };
        let now = Instant::now();
        self.acted_at = now;
        let held = holds.held(&desired, &self.options.node, now);
        let desired = self.leaving.linger(desired, now);
        let mut workbench =
            Workbench::for_state(self.workbench.take(), &self.options, &desired).await?;
        let round = workbench.round(&desired, &held, &self.options).await;
        self.workbench = Some(workbench);
        let mut round = round?;
        // Not before the maps have what names stand for.
        if let Some(names) = &mut self.names {
            let plan = NamesPlan::new(&desired, &held, &self.options.node);
            round.problems.extend(names.update(plan).await);
            self.record.names = names.counts();
        }
        self.tell(cause, round, held.len());
        Ok(())
    }

    fn tell(&mut self, cause: Trigger, round: Round, held: usize) {
        let waiting = held + self.leaving.count(self.acted_at);
        if round.changes > 0 || self.said == Said::Nothing {
            self.record.generation += 1;
            self.record.applied_at_unix_secs =
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
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
            Line::Updated { .. } | Line::Refused { .. } => {}
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

    fn next_due(&self) -> Option<Instant> {
        let holds = self.holds.as_ref().and_then(|holds| holds.next_due(self.acted_at));
        holds.into_iter().chain(self.leaving.next_due(self.acted_at)).min()
    }

    fn stop(&self) {
        info!("stopping; everything stays in force without an agent, `swarmlb detach` removes it");
        self.store();
    }
}

/// Says a line; where nobody can be told, on a full disk say, the work goes on all the same.
fn print(line: &Line) {
    if let Err(error) = say(line) {
        warn!("cannot print: {error}");
    }
}
