//! `drops`: why packets went no further at this node, and what to do about it.
use lb_common::drops::Reason;
use serde::Serialize;

use super::{
    View,
    view::{lines, table},
};

/// Drop reasons with their counts.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct DropList {
    /// Most frequent first.
    pub drops: Vec<DropLine>,
}

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DropLine {
    /// Short name, as in metrics.
    pub reason: &'static str,
    /// Packets since the data plane was pinned.
    pub packets: u64,
    /// What happened.
    pub text: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl DropList {
    /// The list from `DROPS`, summed over CPUs and indexed by reason; `all` shows zeros too.
    #[must_use]
    pub fn new(counts: &[u64], all: bool) -> Self {
        let line = |&reason: &Reason| DropLine {
            reason: reason.slug(),
            packets: counts.get(reason as usize).copied().unwrap_or_default(),
            text: reason.text(),
            fix: reason.fix(),
        };
        let shown = |line: &DropLine| all || line.packets > 0;
        let mut drops: Vec<_> = Reason::ALL.iter().map(line).filter(shown).collect();
        drops.sort_by_key(|line| std::cmp::Reverse(line.packets));
        Self { drops }
    }
}

impl View for DropList {
    fn text(&self) -> String {
        if self.drops.is_empty() {
            return "Nothing was dropped or refused at this node.".into();
        }
        let mut table = table(&["REASON", "PACKETS"]);
        for line in &self.drops {
            table.add_row([line.reason.to_string(), line.packets.to_string()]);
        }
        let explain =
            |line: &DropLine| format!("{}\n  {}\n  -> {}", line.reason, line.text, line.fix);
        let explained: Vec<_> = self.drops.iter().map(explain).collect();
        format!("{}\n\n{}", lines(table, &[1]), explained.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_shows_most_frequent_first() {
        let mut counts = [0; 32];
        counts[Reason::NoBackend as usize] = 2;
        counts[Reason::TooBig as usize] = 5;
        let slugs = |all| -> Vec<_> {
            DropList::new(&counts, all).drops.iter().map(|line| line.reason).collect()
        };
        assert_eq!(slugs(false), ["too-big", "no-backend"]);
        assert_eq!(slugs(true).len(), Reason::ALL.len());
    }

    #[test]
    fn json_keeps_its_field_names() {
        let json = serde_json::to_value(DropList::new(&[0, 7], false)).unwrap();
        let keys: Vec<_> = json[0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["fix", "packets", "reason", "text"]);
    }

    #[test]
    fn silence_is_said() {
        assert!(DropList::new(&[], false).text().starts_with("Nothing"));
    }
}
