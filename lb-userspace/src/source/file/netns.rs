//! The three ways to name a task's network namespace: `me-1` (under /run/netns), `/a/path`,
//! `pid:1234`.

use std::path::{Path, PathBuf};

use super::report::{At, Report};
use crate::model::Netns;

/// Where `ip netns add` puts names.
const NAMED: &str = "/run/netns";

/// Reads a `netns` field; a wrong one is reported.
pub(super) fn parse(text: At<String>, report: &mut Report) -> Option<At<Netns>> {
    let netns = match text.value.strip_prefix("pid:") {
        Some(pid) => pid.parse().ok().filter(|pid| *pid > 0).map(Netns::Pid),
        None => path(&text.value).map(Netns::Path),
    };
    if netns.is_none() {
        let message = format!("{:?} names no network namespace", text.value);
        let fix = "write a name under /run/netns, an absolute path, or pid:1234";
        report.add(&text.place, message, fix);
    }
    Some(At { value: netns?, place: text.place })
}

fn path(text: &str) -> Option<PathBuf> {
    let bare = !text.contains('/') && !matches!(text, "" | "." | "..");
    if text.contains('\0') || !(bare || text.starts_with('/')) {
        return None;
    }
    Some(Path::new(NAMED).join(text))
}

#[cfg(test)]
mod tests {
    use super::{super::report::Place, *};

    fn parsed(text: &str) -> Option<Netns> {
        let at = At { value: text.to_owned(), place: Place::entry(1, "") };
        parse(at, &mut Report::new("")).map(|netns| netns.value)
    }

    #[test]
    fn a_name_a_path_and_a_pid() {
        assert_eq!(parsed("me-1"), Some(Netns::Path("/run/netns/me-1".into())));
        assert_eq!(parsed("/proc/7/ns/net"), Some(Netns::Path("/proc/7/ns/net".into())));
        assert_eq!(parsed("pid:1234"), Some(Netns::Pid(1234)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "a/b", "..", "pid:", "pid:0", "pid:-3", "pid:99999999999", "a\0"] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }
}
