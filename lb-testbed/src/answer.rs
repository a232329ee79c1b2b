//! What a `whoami` server answered, read back: `task=NAME local=IP:PORT peer=IP:PORT ...`.

use std::net::SocketAddrV4;

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
}

impl Answer {
    /// Reads the `key=value` words of an answer; what follows in another form is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut answer = Self::default();
        for (key, value) in text.split_whitespace().map_while(|word| word.split_once('=')) {
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

    /// The task's name, or `?` of a server that does not say.
    #[must_use]
    pub fn task_name(&self) -> &str {
        self.task.as_deref().unwrap_or("?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
