//! `/etc/netns/NAME/resolv.conf`, which `ip netns exec NAME` shows to its command as
//! `/etc/resolv.conf`. A file of ours begins with a line that says so, and whose it is: that line is
//! the record by which a later agent or `detach` finds it. Files without it are never touched.
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{self, Path, PathBuf},
};

use super::NamesError;
use crate::{
    kept,
    model::{Dns, Netns, RESOLVER},
};

/// Where `ip netns` looks for files to show in place of those in `/etc`.
pub const ETC_NETNS: &str = "/etc/netns";
/// Where named namespaces are; the second is a link to the first.
const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];
const FILE: &str = "resolv.conf";
/// In [`ETC_NETNS`] where an agent made that: the last file of ours takes both along.
const MADE: &str = ".made-by-swarmlb";

/// Anybody may read it: programs of all users look names up.
const FOR_ALL: u32 = 0o644;

/// The files of one agent.
#[derive(Clone, Debug)]
pub struct ResolvConfs {
    root: PathBuf,
    mark: String,
}

impl ResolvConfs {
    /// Those below `root` ([`ETC_NETNS`]) of the agent whose own files are in `state_dir`.
    #[must_use]
    pub fn new(root: &Path, state_dir: &Path) -> Self {
        let state_dir = path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
        let mark = format!("# Kept by swarmlb ({}); ", state_dir.display());
        Self { root: root.to_owned(), mark }
    }

    /// Makes the namespaces of `netns` have the file, and no others. Returns what could not be done.
    pub(super) fn keep<'a>(
        &self,
        dns: &Dns,
        netns: impl Iterator<Item = &'a Netns>,
    ) -> Vec<NamesError> {
        let text = self.text(dns);
        let wanted: BTreeMap<PathBuf, &str> =
            netns.filter_map(name_of).map(|name| (self.root.join(name), text.as_str())).collect();
        let mut problems: Vec<_> =
            wanted.iter().filter_map(|(dir, text)| self.ensure(dir, text).err()).collect();
        let unwanted = |dir: &PathBuf| !wanted.contains_key(dir);
        problems.extend(self.remove_where(unwanted).err());
        problems
    }

    /// Removes all of them.
    ///
    /// # Errors
    /// The first failure, after the rest was tried.
    pub fn remove_all(&self) -> Result<(), NamesError> {
        self.remove_where(|_| true)
    }

    fn text(&self, dns: &Dns) -> String {
        let search = match &dns.search[..] {
            [] => String::new(),
            domains => format!("search {}\n", domains.join(" ")),
        };
        format!(
            "{}edits are lost, unless you remove this line.\nnameserver {RESOLVER}\n{search}options ndots:{}\n",
            self.mark, dns.ndots
        )
    }

    fn ensure(&self, dir: &Path, text: &str) -> Result<(), NamesError> {
        let path = dir.join(FILE);
        match read(&path)? {
            Some(found) if found == text => Ok(()),
            Some(found) if !found.starts_with(&self.mark) => Err(NamesError::ForeignFile { path }),
            _ => self.write(dir, text).map_err(NamesError::file("write", &path)),
        }
    }

    /// In one step. The draft lies beside the directory: `ip netns exec` shows whatever is in it.
    fn write(&self, dir: &Path, text: &str) -> io::Result<()> {
        if fs::create_dir(&self.root).is_ok() {
            fs::write(self.root.join(MADE), "")?;
        }
        fs::create_dir_all(dir)?;
        let mut draft = dir.as_os_str().to_owned();
        draft.push(".swarmlb-draft");
        let written = fs::write(&draft, text)
            .and_then(|()| fs::set_permissions(&draft, fs::Permissions::from_mode(FOR_ALL)))
            .and_then(|()| fs::rename(&draft, dir.join(FILE)));
        if written.is_err() {
            // Neither a draft nor an empty directory stays on a full disk.
            let _ = fs::remove_file(&draft);
            let _ = fs::remove_dir(dir);
        }
        written
    }

    fn remove_where(&self, unwanted: impl Fn(&PathBuf) -> bool) -> Result<(), NamesError> {
        let ours = self.found()?;
        let removed = ours.iter().filter(|dir| unwanted(dir)).map(|dir| remove(dir));
        removed.fold(Ok(()), Result::and)?;
        self.remove_root()
    }

    /// Removes the root if an agent made it and nothing else is in it. Another agent of this machine
    /// may just be writing: then it stays.
    fn remove_root(&self) -> Result<(), NamesError> {
        let made = self.root.join(MADE);
        let entries = || fs::read_dir(&self.root).map_or(0, Iterator::count);
        if made.exists() && entries() == 1 {
            fs::remove_file(&made).map_err(NamesError::file("remove", &made))?;
            let _ = fs::remove_dir(&self.root);
        }
        Ok(())
    }

    /// The directories that have a file of ours.
    fn found(&self) -> Result<Vec<PathBuf>, NamesError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(NamesError::file("list", &self.root))?,
        };
        let ours = |dir: &PathBuf| {
            let text = read(&dir.join(FILE));
            text.is_ok_and(|text| text.is_some_and(|text| text.starts_with(&self.mark)))
        };
        Ok(entries.flatten().map(|entry| entry.path()).filter(ours).collect())
    }
}

/// The name of a namespace that `ip netns` knows.
fn name_of(netns: &Netns) -> Option<&str> {
    let Netns::Path(path) = netns else { return None };
    let named = path.parent().is_some_and(|dir| NAMED.iter().any(|named| dir == Path::new(named)));
    path.file_name().filter(|_| named)?.to_str()
}

fn read(path: &Path) -> Result<Option<String>, NamesError> {
    let text = kept::read(path).map_err(NamesError::file("read", path))?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// The file, and its directory if nothing else is in it.
fn remove(dir: &Path) -> Result<(), NamesError> {
    let path = dir.join(FILE);
    fs::remove_file(&path).map_err(NamesError::file("remove", &path))?;
    let _ = fs::remove_dir(dir);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Etc {
        dir: tempfile::TempDir,
    }

    impl Etc {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn root(&self) -> PathBuf {
            self.dir.path().join("netns")
        }

        fn file(&self, name: &str) -> PathBuf {
            self.root().join(name).join(FILE)
        }

        fn agent(&self, state_dir: &str) -> ResolvConfs {
            ResolvConfs::new(&self.root(), Path::new(state_dir))
        }
    }

    fn named(name: &str) -> Netns {
        Netns::Path(Path::new("/run/netns").join(name))
    }

    #[test]
    fn a_named_namespace_gets_a_file_that_says_whose_it_is() {
        let etc = Etc::new();
        let dns = Dns { ndots: 1, search: vec!["corp.example".into()], ..Dns::default() };
        let elsewhere = [Netns::Pid(1), Netns::Path("/proc/1/ns/net".into())];
        let netns = [named("web-1"), Netns::Path("/var/run/netns/web-2".into())];
        assert!(etc.agent("/run/a").keep(&dns, netns.iter().chain(&elsewhere)).is_empty());
        let text = fs::read_to_string(etc.file("web-1")).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("# Kept by swarmlb (/run/a); "), "{}", lines[0]);
        assert_eq!(lines[1..], ["nameserver 127.0.0.11", "search corp.example", "options ndots:1"]);
        let mut names: Vec<_> =
            fs::read_dir(etc.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [MADE, "web-1", "web-2"], "no drafts stay");
        let mode = fs::metadata(etc.file("web-1")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FOR_ALL);
    }

    #[test]
    fn files_go_with_their_tasks_and_the_last_one_takes_the_directory() {
        let etc = Etc::new();
        let (dns, netns) = (Dns::default(), [named("web-1"), named("web-2")]);
        let agent = etc.agent("/run/a");
        assert!(agent.keep(&dns, netns.iter()).is_empty());
        assert!(agent.keep(&dns, netns[..1].iter()).is_empty());
        assert!(etc.file("web-1").exists() && !etc.root().join("web-2").exists());
        etc.agent("/run/a").remove_all().unwrap();
        assert!(!etc.root().exists());
        etc.agent("/run/a").remove_all().unwrap();
    }

    #[test]
    fn a_directory_of_others_stays_also_when_it_is_empty() {
        let etc = Etc::new();
        fs::create_dir(etc.root()).unwrap();
        assert!(etc.agent("/run/a").keep(&Dns::default(), [named("web-1")].iter()).is_empty());
        etc.agent("/run/a").remove_all().unwrap();
        assert_eq!(fs::read_dir(etc.root()).unwrap().count(), 0);
    }

    #[test]
    fn files_of_others_stay_as_they_are() {
        let etc = Etc::new();
        let (dns, netns) = (Dns::default(), [named("theirs"), named("other-agent")]);
        fs::create_dir_all(etc.root().join("theirs")).unwrap();
        fs::write(etc.file("theirs"), "nameserver 9.9.9.9\n").unwrap();
        etc.agent("/run/b").keep(&dns, netns[1..].iter());
        let problems = etc.agent("/run/a").keep(&dns, netns.iter());
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].to_string().contains("other-agent/resolv.conf"), "{}", problems[0]);
        etc.agent("/run/a").remove_all().unwrap();
        assert_eq!(fs::read_to_string(etc.file("theirs")).unwrap(), "nameserver 9.9.9.9\n");
        assert!(etc.file("other-agent").exists());
    }

    #[test]
    fn an_edited_file_is_put_right_and_other_files_beside_it_stay() {
        let etc = Etc::new();
        let (dns, netns) = (Dns::default(), [named("web-1")]);
        let agent = etc.agent("/run/a");
        agent.keep(&dns, netns.iter());
        let text = fs::read_to_string(etc.file("web-1")).unwrap();
        fs::write(etc.file("web-1"), format!("{text}search x\n")).unwrap();
        fs::write(etc.root().join("web-1/hosts"), "").unwrap();
        assert!(agent.keep(&dns, netns.iter()).is_empty());
        assert_eq!(fs::read_to_string(etc.file("web-1")).unwrap(), text);
        agent.remove_all().unwrap();
        assert!(etc.root().join("web-1/hosts").exists() && !etc.file("web-1").exists());
    }
}
