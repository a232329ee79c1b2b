//! Attaches the programs that serve the node's own processes to the root cgroup (v2).

use std::{
    fs::{self, File},
    path::PathBuf,
};

use aya::programs::{CgroupAttachMode, CgroupSockAddr, links::FdLink};

use super::{
    Dataplane,
    link::{AttachError, Attached, failed, open, program},
    programs::CGROUP_PROGRAMS,
};

impl Dataplane {
    /// Attaches all cgroup programs, each before its older version is dropped: for a moment both
    /// run, and the second finds nothing left to do.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach_cgroup(&mut self) -> Result<Vec<Attached>, AttachError> {
        let path = root_cgroup()?;
        let cgroup = File::open(&path)
            .map_err(|source| AttachError::Cgroup { path: path.display().to_string(), source })?;
        CGROUP_PROGRAMS.into_iter().map(|name| self.attach_sock_addr(name, &cgroup)).collect()
    }

    fn attach_sock_addr(
        &mut self,
        name: &'static str,
        cgroup: &File,
    ) -> Result<Attached, AttachError> {
        let link = format!("cgroup-{name}");
        let pin = self.pins.link(&link);
        let program: &mut CgroupSockAddr = program(&mut self.ebpf, name)?;
        // A link is multi-attach whatever the mode says, and kernels refuse the other modes here.
        let id =
            program.attach(cgroup, CgroupAttachMode::Single).map_err(failed("attach", &link))?;
        let made = program.take_link(id).map_err(failed("take", &link))?;
        let made = FdLink::try_from(made).map_err(failed("get a BPF link for", &link))?;

        let old = open(&pin).map_err(failed("open", &link))?;
        let fresh = self.pins.link(&format!("{link}-new"));
        drop(fs::remove_file(&fresh));
        made.pin(&fresh).map_err(failed("pin", &link))?;
        fs::rename(&fresh, &pin).map_err(failed("replace", &link))?;
        Ok(Attached { link, program: name, replaced: old.is_some() })
    }
}

/// Where cgroup v2 is mounted.
fn root_cgroup() -> Result<PathBuf, AttachError> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    find_cgroup2(&mounts).ok_or(AttachError::NoCgroup)
}

fn find_cgroup2(mounts: &str) -> Option<PathBuf> {
    let mut fields = mounts.lines().map(|line| line.split(' '));
    let found = fields.find_map(|mut line| {
        let (_, path, kind) = (line.next()?, line.next()?, line.next()?);
        (kind == "cgroup2").then_some(path)
    });
    found.map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_v2_is_found_wherever_it_is_mounted() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(find_cgroup2(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(find_cgroup2("proc /proc proc rw 0 0\n"), None);
    }
}
