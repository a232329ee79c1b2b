//! Images of the test-bed's servers: the `testbed` binary, its loader and its libraries, imported into
//! each engine, so that no registry is asked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, ensure};

use super::Swarm;

impl Swarm {
    /// Gives every engine an image whose containers run `testbed` with the words of `entry`, and those
    /// of `command` unless a service says others.
    ///
    /// # Errors
    /// The `testbed` binary was not found, or an engine refuses the image.
    pub fn add_image(&self, name: &str, entry: &[&str], command: &[&str]) -> Result<()> {
        let archive = self.archive()?;
        let entry = [&["/testbed"], entry].concat();
        let import = |node: &str| {
            let socket = self.engine(node).host();
            let mut docker = Command::new("docker");
            docker.args(["-H", &socket, "import", "--change", &format!("ENTRYPOINT {entry:?}")]);
            docker.args(["--change", &format!("CMD {command:?}")]).arg(&archive).arg(name);
            let output = self.cluster.run_in(&self.cluster.node(node).ns, docker)?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "image {name} on {node}: {error}");
            Ok(())
        };
        thread::scope(|scope| {
            let all: Vec<_> = self.names().map(|node| scope.spawn(move || import(node))).collect();
            let ended = |one: thread::ScopedJoinHandle<'_, Result<()>>| {
                one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            all.into_iter().try_for_each(ended)
        })
    }

    /// The file system of the images, made once.
    fn archive(&self) -> Result<PathBuf> {
        let archive = self.cluster.dir().join("testbed.tar");
        if !archive.exists() {
            let root = self.cluster.dir().join("image");
            let binary = self.cluster.testbed_command()?;
            fill(&root, Path::new(binary.get_program()))?;
            let draft = self.cluster.dir().join("testbed.tar.draft");
            let tar =
                Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&draft).arg(".").output();
            let tar = tar.context("cannot run tar")?;
            ensure!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr));
            fs::rename(&draft, &archive)?;
        }
        Ok(archive)
    }
}

/// Puts the binary and what it is linked with below `root`.
fn fill(root: &Path, binary: &Path) -> Result<()> {
    for dir in ["etc", "tmp"] {
        fs::create_dir_all(root.join(dir))?;
    }
    // Docker adds resolv.conf and hosts.
    fs::write(root.join("etc/nsswitch.conf"), "hosts: files dns\n")?;
    fs::copy(binary, root.join("testbed"))?;
    let linked = Command::new("ldd").arg(binary).output().context("cannot run ldd")?;
    for library in libraries(&String::from_utf8_lossy(&linked.stdout)) {
        let inside = root.join(library.trim_start_matches('/'));
        inside.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::copy(library, &inside).with_context(|| format!("cannot copy {library}"))?;
    }
    Ok(())
}

/// The files that `ldd` names: `libc.so.6 => /lib/libc.so.6 (0x7f..)`, and the loader by itself. A
/// static binary has none.
fn libraries(ldd: &str) -> Vec<&str> {
    ldd.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffc)\n\
                   \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fb3)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f55)\n";
        let wanted = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries(ldd), wanted);
        assert!(libraries("\tstatically linked\n").is_empty());
    }
}
