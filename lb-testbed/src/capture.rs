//! Packet captures by tcpdump: one is ready when it is returned, and can be read while it runs.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_common::wire::VXLAN_PORT;
use nix::sys::signal::Signal;

use crate::{cluster::Cluster, netns::Ns, process::Process};

/// How long tcpdump may take to start or to end.
const CAPTURE_LIMIT: Duration = Duration::from_secs(60);

/// A running capture into a pcap file in the cluster's directory.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

/// A tcpdump filter for the tunnel's frames of one VNI, on the UDP port 4789: the four bytes after
/// the first four of the VXLAN header (RFC 7348) are the VNI and a zero.
#[must_use]
pub fn vni_filter(vni: u32) -> String {
    format!("udp port {VXLAN_PORT} and udp[12:4]=0x{:08x}", vni << 8)
}

impl Cluster {
    /// Captures at `device` in `ns` what the tcpdump `filter` takes (empty: everything).
    ///
    /// # Errors
    /// tcpdump is missing, or refuses the device or the filter.
    pub fn capture(&self, ns: &Ns, device: &str, filter: &str) -> Result<Capture> {
        let file = self.dir().join(format!("capture-{}.pcap", self.next_number()));
        let mut command = Command::new("tcpdump");
        command.args(["-i", device, "-U", "--immediate-mode", "-s", "0", "-Z", "root"]);
        command.arg("-w").arg(&file).args(filter.split_whitespace());
        let process = self.spawn_in(ns, command)?;
        process
            .wait_stderr(CAPTURE_LIMIT, |line| line.contains("listening on").then_some(()))
            .context("tcpdump does not start")?;
        Ok(Capture { process, file })
    }

    /// Captures what a host (`n1`, `c1`) sends to and gets from the wire, at the bridge's port:
    /// XDP redirects bypass captures at the host's own `eth0`.
    ///
    /// # Errors
    /// As [`Self::capture`].
    pub fn capture_wire(&self, host: &str, filter: &str) -> Result<Capture> {
        self.capture(self.bridge_ns(), host, filter)
    }
}

impl Capture {
    /// The pcap file, written packet by packet.
    #[must_use]
    pub const fn file(&self) -> &PathBuf {
        &self.file
    }

    /// A line per packet so far, as tcpdump shows them with `options` besides `-n -t`, such as
    /// `-e -v`.
    ///
    /// # Errors
    /// tcpdump cannot read the file.
    pub fn lines(&self, options: &[&str]) -> Result<Vec<String>> {
        let mut command = Command::new("tcpdump");
        command.args(["-n", "-t"]).args(options).arg("-r").arg(&self.file);
        let output = command.output().context("cannot run tcpdump")?;
        // Its last packet may be half written: what was read until there counts.
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() || error.contains("truncated"), "tcpdump: {error}");
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// Ends the capture and returns its lines as [`Self::lines`] does.
    ///
    /// # Errors
    /// tcpdump does not end or cannot read the file.
    pub fn stop(self, options: &[&str]) -> Result<Vec<String>> {
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(CAPTURE_LIMIT)?;
        self.lines(options)
    }
}
