//! What a `whoami` server answered, read back: `task=NAME local=IP:PORT peer=IP:PORT ...`, and in the
//! next line of a front-end's answer, what a server behind it answered to that one.

use std::net::SocketAddrV4;

/// Stands between the address that a front-end asked and the answer that it got.
pub(crate) const ANSWERED: &str = " answered: ";

/// An answer of a server, as far as it could be read; other servers leave all fields empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Name of the task that answered.
    pub task: Option<String>,
    /// The address the task was reached at; not in UDP answers.
    pub local: Option<SocketAddrV4>,
    /// The client as the task sees it.
    pub peer: Option<SocketAddrV4>,
    /// Length of what the task received: a sunk body or a datagram, bytes.
    pub received_bytes: Option<u64>,
    /// Checksum of a sunk body.
    pub checksum: Option<u64>,
    /// What a server behind this one answered to it, if it asked one.
    pub behind: Option<Box<Behind>>,
}

/// The answer of a server behind the one that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Where the name of the service behind led to.
    pub asked: SocketAddrV4,
    /// What came from there.
    pub answer: Answer,
}

impl Answer {
    /// Reads the `key=value` words of an answer; what follows in another form is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut answer = Self::own(line);
        answer.behind = Behind::parse(rest).map(Box::new);
        answer
    }

    fn own(line: &str) -> Self {
        let mut answer = Self::default();
        for (key, value) in line.split_whitespace().map_while(|word| word.split_once('=')) {
            match key {
                "task" => answer.task = Some(value.to_owned()),
                "local" => answer.local = value.parse().ok(),
                "peer" => answer.peer = value.parse().ok(),
                "bytes" => answer.received_bytes = value.parse().ok(),
                "checksum" => answer.checksum = u64::from_str_radix(value, 16).ok(),
                // The last word before a datagram's own bytes.
                "len" => {
                    answer.received_bytes = value.parse().ok();
                    break;
                }
                _ => {}
            }
        }
        answer
    }

    /// Name of the task behind the one that answered, or `?` if there was none.
    #[must_use]
    pub fn behind_name(&self) -> &str {
        self.behind.as_ref().map_or("?", |behind| behind.answer.task_name())
    }

    /// The task's name, or `?` of a server that does not say.
    #[must_use]
    pub fn task_name(&self) -> &str {
        self.task.as_deref().unwrap_or("?")
    }
}

impl Behind {
    /// Reads `NAME=IP:PORT answered: ` and what follows.
    fn parse(line: &str) -> Option<Self> {
        let (asked, answer) = line.split_once(ANSWERED)?;
        let (_, asked) = asked.split_once('=')?;
        Some(Self { asked: asked.parse().ok()?, answer: Answer::own(answer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_behind_is_read_too() {
        let text = "task=me.1 local=10.0.0.2:80 peer=1.2.3.4:5\n\
                    mongo=10.0.0.9:27017 answered: task=mongo.2 peer=10.0.0.2:6\n";
        let answer = Answer::parse(text);
        assert_eq!((answer.task_name(), answer.behind_name()), ("me.1", "mongo.2"));
        let behind = answer.behind.unwrap();
        assert_eq!(behind.asked, "10.0.0.9:27017".parse().unwrap());
        assert_eq!(behind.answer.peer, Some("10.0.0.2:6".parse().unwrap()));
        assert_eq!(Answer::parse("task=me.1\n").behind, None);
    }

    #[test]
    fn all_fields_are_read() {
        let answer =
            Answer::parse("task=a.1 local=10.0.0.2:80 peer=1.2.3.4:5 bytes=7 checksum=ff\n");
        assert_eq!(answer.task_name(), "a.1");
        assert_eq!(answer.local, Some("10.0.0.2:80".parse().unwrap()));
        assert_eq!(answer.peer, Some("1.2.3.4:5".parse().unwrap()));
        assert_eq!((answer.received_bytes, answer.checksum), (Some(7), Some(255)));
    }

    #[test]
    fn a_datagrams_own_bytes_are_not_read() {
        let answer = Answer::parse("task=a peer=1.2.3.4:5 len=9 task=evil ");
        assert_eq!((answer.task_name(), answer.received_bytes), ("a", Some(9)));
    }

    #[test]
    fn another_servers_page_is_no_task() {
        assert_eq!(Answer::parse("<html><a href=x>").task_name(), "?");
    }
}
