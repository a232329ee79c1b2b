//! What a service's labels `swarmlb.*` choose. A wrong one is complained about and leaves the default.

use std::collections::BTreeMap;

use crate::{
    model::{ReturnMode, Scheduler},
    source::MAX_WEIGHT,
};

/// What all labels of ours begin with.
const PREFIX: &str = "swarmlb.";

/// What a service's labels choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    /// `swarmlb.scheduler`.
    pub(super) scheduler: Scheduler,
    /// `swarmlb.weight`: each task's share of new flows; 0: the service takes none.
    pub(super) weight: u16,
    /// `swarmlb.affinity=client-ip`.
    pub(super) client_ip_affinity: bool,
    /// `swarmlb.return`.
    pub(super) return_mode: ReturnMode,
    /// `swarmlb.enable`, if it is there.
    pub(super) enable: Option<bool>,
    /// What is wrong, one sentence a label.
    pub(super) complaints: Vec<String>,
}

impl Labels {
    /// Reads the labels of a service; others than ours are not looked at.
    pub(super) fn read(labels: &BTreeMap<String, String>) -> Self {
        let mut read = Self {
            scheduler: Scheduler::Hash,
            weight: 1,
            client_ip_affinity: false,
            return_mode: ReturnMode::Tunnel,
            enable: None,
            complaints: Vec::new(),
        };
        for (label, value) in labels {
            let Some(key) = label.strip_prefix(PREFIX) else { continue };
            if let Err(expected) = read.set(key, value) {
                read.complaints.push(format!("label {label}={value}: {expected}"));
            }
        }
        read.contradiction();
        read
    }

    /// Takes one label; where it is wrong, what would be right.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, value) {
            ("scheduler", "hash") => self.scheduler = Scheduler::Hash,
            ("scheduler", "source") => self.scheduler = Scheduler::Source,
            ("scheduler", "rr") => self.scheduler = Scheduler::RoundRobin,
            ("scheduler", _) => return wrong("hash, source or rr", "hash"),
            ("affinity", "client-ip") => self.client_ip_affinity = true,
            ("affinity", "none") => self.client_ip_affinity = false,
            ("affinity", _) => return wrong("client-ip or none", "none"),
            ("return", "tunnel") => self.return_mode = ReturnMode::Tunnel,
            ("return", "direct") => self.return_mode = ReturnMode::Direct,
            ("return", _) => return wrong("tunnel or direct", "tunnel"),
            ("enable", "true") => self.enable = Some(true),
            ("enable", "false") => self.enable = Some(false),
            ("enable", _) => return Err("expected true or false; it is ignored".to_owned()),
            ("weight", value) => match value.parse() {
                Ok(weight) if weight <= MAX_WEIGHT => self.weight = weight,
                _ => return wrong(&format!("a number from 0 to {MAX_WEIGHT}"), "1"),
            },
            _ => return Err("swarmlb knows no such label; it is ignored".to_owned()),
        }
        Ok(())
    }

    fn contradiction(&mut self) {
        if self.scheduler == Scheduler::RoundRobin && self.client_ip_affinity {
            self.client_ip_affinity = false;
            let text = "label swarmlb.affinity=client-ip contradicts swarmlb.scheduler=rr, which \
                        ignores who the client is; the affinity is ignored";
            self.complaints.push(text.to_owned());
        }
    }
}

fn wrong(expected: &str, default: &str) -> Result<(), String> {
    Err(format!("expected {expected}; {default} is used"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &[(&str, &str)]) -> Labels {
        let label = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Labels::read(&labels.iter().map(label).collect())
    }

    #[test]
    fn labels_choose() {
        let all = read(&[
            ("swarmlb.scheduler", "source"),
            ("swarmlb.weight", "0"),
            ("swarmlb.affinity", "client-ip"),
            ("swarmlb.return", "direct"),
            ("swarmlb.enable", "false"),
            ("other", "thing"),
        ]);
        let expected = Labels {
            scheduler: Scheduler::Source,
            weight: 0,
            client_ip_affinity: true,
            return_mode: ReturnMode::Direct,
            enable: Some(false),
            complaints: Vec::new(),
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn a_wrong_label_leaves_the_default_and_is_named() {
        let default = read(&[]);
        for (key, value) in [
            ("swarmlb.scheduler", "wrr"),
            ("swarmlb.weight", "-1"),
            ("swarmlb.weight", "1001"),
            ("swarmlb.affinity", ""),
            ("swarmlb.return", "Direct"),
            ("swarmlb.enable", "yes"),
            ("swarmlb.sheduler", "rr"),
        ] {
            let labels = read(&[(key, value)]);
            assert!(labels.complaints[0].starts_with(&format!("label {key}={value}: ")));
            assert_eq!(Labels { complaints: Vec::new(), ..labels }, default);
        }
        let labels = read(&[("swarmlb.scheduler", "rr"), ("swarmlb.affinity", "client-ip")]);
        assert!(!labels.client_ip_affinity && labels.complaints[0].contains("contradicts"));
    }
}
