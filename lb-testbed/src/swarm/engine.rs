//! A node's Docker Engine: `dockerd`, which starts a containerd of its own, in the node's network
//! namespace. All its files lie in the cluster's directory, its containers' cgroups under the node's
//! name. It has no mount namespace of its own: its sandboxes are seen by agents as on a real host.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use super::{DOCKER_LIMIT, api};
use crate::{cluster::Cluster, process::Process, wait::eventually};

/// A node's Docker Engine. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Name of its node.
    pub node: String,
    /// `dockerd` itself.
    pub process: Process,
    dir: PathBuf,
}

impl Engine {
    /// Starts it; it may not answer yet.
    pub(super) fn start(cluster: &Cluster, node: &str) -> Result<Self> {
        let dir = dir(cluster, node);
        fs::create_dir_all(&dir)?;
        // The machine's own configuration, /etc/docker/daemon.json, must not count.
        fs::write(dir.join("daemon.json"), "{}")?;
        let cgroup = cluster.prefix().name(node);
        let process = cluster.spawn_in(&cluster.node(node).ns, command(node, &dir, &cgroup)?)?;
        Ok(Self { node: node.to_owned(), process, dir })
    }

    /// Waits until it answers.
    pub(super) fn await_answer(&self) -> Result<()> {
        let answers =
            || api::get(&self.socket_file(), "/_ping").is_ok() || !self.process.is_running();
        eventually(DOCKER_LIMIT, &format!("an answer of {}", self.process), answers)
            .with_context(|| self.process.tail())?;
        anyhow::ensure!(self.process.is_running(), "dockerd ended\n{}", self.process.tail());
        Ok(())
    }

    /// Address of its API, as `docker -H` and `swarmlb --docker-host` take it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket_file().display())
    }

    pub(super) fn socket_file(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// Where it keeps what lasts, the node's certificates among it.
    #[must_use]
    pub fn data_root(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Where it keeps what runs, the sandboxes' namespaces among it.
    #[must_use]
    pub fn exec_root(&self) -> PathBuf {
        self.dir.join("exec")
    }

    /// Kills it with SIGKILL; its containers go on.
    ///
    /// # Errors
    /// It does not end.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Asks it to end, which stops its containers.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn stop(&self) -> Result<()> {
        self.process.terminate(DOCKER_LIMIT).map(drop)
    }
}

/// Directory of a node's engine.
fn dir(cluster: &Cluster, node: &str) -> PathBuf {
    cluster.dir().join(node)
}

/// Address of the API of a node's engine.
pub(super) fn socket(cluster: &Cluster, node: &str) -> String {
    format!("unix://{}/docker.sock", dir(cluster, node).display())
}

/// The command, with a hostname of its own.
fn command(node: &str, dir: &std::path::Path, cgroup: &str) -> Result<Command> {
    let dir = dir.to_str().context("the directory for temporary files has a strange name")?;
    let mut command = Command::new("unshare");
    command.args(["--uts", "sh", "-c", "hostname \"$0\" && exec \"$@\"", node, "dockerd"]);
    command.args(["--host", &format!("unix://{dir}/docker.sock")]);
    command.args(["--config-file", &format!("{dir}/daemon.json")]);
    command.args(["--data-root", &format!("{dir}/data"), "--exec-root", &format!("{dir}/exec")]);
    command.args(["--pidfile", &format!("{dir}/dockerd.pid")]);
    command.args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent"]);
    command.arg(format!("/{cgroup}"));
    command.args(["--userland-proxy=false", "--ip6tables=false"]);
    Ok(command)
}
