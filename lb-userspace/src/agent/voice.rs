//! What the agent says on standard output, one line each, so that whoever started it can wait for
//! a state instead of guessing.
use std::io::{self, Write};

/// A line of the agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A Docker Engine has not said yet what the cluster is.
    Waiting {
        /// Who has not answered.
        reason: String,
    },
    /// The cluster file is in force as far as this node goes; some tasks still wait for a hold.
    Holding {
        /// Counts successful applies.
        generation: u64,
        /// Tasks that wait.
        tasks: usize,
    },
    /// The cluster file is in force and nothing waits.
    Ready {
        /// Counts successful applies.
        generation: u64,
    },
    /// Something other than a new file made the maps change: the network, a namespace, drift.
    Updated {
        /// Counts successful applies.
        generation: u64,
        /// Writes that it took.
        changes: usize,
    },
    /// The cluster file is invalid; the state before it stays in force.
    Refused {
        /// Every error, one a line as the file's author needs them.
        reason: String,
    },
}

impl Line {
    fn text(&self) -> String {
        match self {
            Self::Waiting { reason } => format!("waiting {reason}"),
            Self::Holding { generation, tasks } => {
                format!("holding generation={generation} tasks={tasks}")
            }
            Self::Ready { generation } => format!("ready generation={generation}"),
            Self::Updated { generation, changes } => {
                format!("updated generation={generation} changes={changes}")
            }
            Self::Refused { reason } => format!("refused {}", reason.replace('\n', " | ")),
        }
    }
}

/// Prints a line at once. A reader that has gone away must not stop the agent.
pub(super) fn say(line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", line.text()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_single_and_parseable() {
        assert_eq!(Line::Ready { generation: 7 }.text(), "ready generation=7");
        let refused = Line::Refused { reason: "f:1: a\nf:2: b".into() };
        assert_eq!(refused.text(), "refused f:1: a | f:2: b");
        let holding = Line::Holding { generation: 7, tasks: 2 };
        assert_eq!(holding.text(), "holding generation=7 tasks=2");
    }
}
