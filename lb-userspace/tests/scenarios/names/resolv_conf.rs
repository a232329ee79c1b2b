//! `/etc/netns/NAME/resolv.conf`: there for `ip netns exec` while a task is, gone after it.

use std::{fs, path::PathBuf, process::Command};

use super::bed::Bed;

const WEB: &str = "networks = [\"front\"]\nvip = { front = \"10.1.0.10\" }";

impl Bed {
    fn resolv_conf(&self, task: &str) -> PathBuf {
        PathBuf::from("/etc/netns").join(self.ns(task).name()).join("resolv.conf")
    }

    /// What a command prints that runs as people run commands in namespaces.
    fn netns_exec(&self, task: &str, words: &[&str]) -> String {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.ns(task).name()]).args(words);
        let output = command.output().expect("ip");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn programs_in_a_named_namespace_find_names_until_detach() {
    let bed = Bed::new();
    let tasks = [("web.1", "n1", 1), ("web.2", "n1", 1)];
    bed.start(&["web.1", "web.2"], &bed.config(&[("web", WEB, &tasks)], ""));
    let shown = bed.netns_exec("web.1", &["cat", "/etc/resolv.conf"]);
    assert!(shown.contains("nameserver 127.0.0.11\noptions ndots:0"), "{shown}");
    let found = bed.netns_exec("web.1", &["getent", "ahostsv4", "web"]);
    assert!(found.starts_with("10.1.0.10"), "{found}");
    let found = bed.netns_exec("web.2", &["getent", "hosts", "10.1.0.10"]);
    assert!(found.contains("web.front"), "{found}");

    // A task that leaves takes its file with it; so does detach, after a crash too.
    let config = bed.config(&[("web", WEB, &tasks[..1])], "");
    bed.cluster.apply_config(&config).expect("the removal");
    assert!(!bed.resolv_conf("web.2").exists() && bed.resolv_conf("web.1").exists());
    bed.cluster.kill_agent("n1").expect("a kill");
    bed.detach();
    let dir = bed.resolv_conf("web.1").parent().expect("a directory").to_owned();
    assert!(!dir.exists());
    assert!(!bed.cluster.dir().join("state-n1").exists(), "the agent's own files stay");
}

#[test]
fn a_file_of_somebody_elses_stays_and_the_switch_is_obeyed() {
    let bed = Bed::new();
    let tasks = [("web.1", "n1", 1), ("web.2", "n1", 1)];
    let theirs = bed.resolv_conf("web.1");
    fs::create_dir_all(theirs.parent().expect("a directory")).expect("a directory");
    fs::write(&theirs, "nameserver 192.0.2.1\n").expect("a file");
    bed.start(&["web.1", "web.2"], &bed.config(&[("web", WEB, &tasks)], ""));
    assert_eq!(fs::read_to_string(&theirs).expect("the file"), "nameserver 192.0.2.1\n");
    let agent = bed.cluster.agent("n1").expect("an agent");
    assert!(agent.stderr().contains(&theirs.display().to_string()), "{}", agent.tail());
    assert_eq!(bed.addresses("web.1", "web").len(), 1, "the resolver is there all the same");

    let off = bed.config(&[("web", WEB, &tasks)], "[dns]\nresolv_conf = false\n");
    bed.cluster.apply_config(&off).expect("a change");
    assert!(!bed.resolv_conf("web.2").exists() && theirs.exists());
}
