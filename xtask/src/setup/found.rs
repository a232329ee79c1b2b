//! What this machine has. Reads only: files, `PATH`, and the versions that tools report.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use bpf_toolchain::{Compiler, Missing};

use super::{
    Need,
    plan::Step,
    tools::{self, TOOLS, Tool},
};

/// Where pins live.
pub(super) const BPFFS: &str = "/sys/fs/bpf";
/// The LLVM that `bpf-linker` is built with; its version is that of the compilers we use.
pub(super) const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
/// What building `bpf-linker` needs of LLVM and the libraries that LLVM itself links.
pub(super) const LLVM_PACKAGES: [&str; 5] =
    ["llvm-22-dev", "libpolly-22-dev", "zlib1g-dev", "libzstd-dev", "libxml2-dev"];
/// The oldest `bpf-linker` known to work, and the one that is installed.
pub(super) const LINKER_VERSION: (u32, u32, u32) = (0, 13, 0);

/// The state of the machine, as far as setup cares.
#[derive(Debug)]
pub(super) struct Found {
    /// Whether this process is root.
    pub(super) root: bool,
    /// Whether this is Debian 12, whose archive has everything.
    pub(super) debian_12: bool,
    /// Whether rustup is there.
    pub(super) rustup: bool,
    /// Whether rustup has a nightly toolchain; not asked for where a compiler was found.
    pub(super) nightly: bool,
    /// The BPF compiler that will be used.
    pub(super) compiler: Option<Compiler>,
    /// Whether `bpf-linker` runs and is new enough.
    pub(super) linker: Linker,
    /// LLVM's packages, as far as absent.
    pub(super) llvm_missing: Vec<&'static str>,
    /// Tools that are absent.
    pub(super) tools_missing: Vec<&'static Tool>,
    /// Whether bpffs is mounted.
    pub(super) bpffs: bool,
}

/// The state of `bpf-linker`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Linker {
    /// Runs and is new enough.
    Good(PathBuf),
    /// Is there, but too old or not able to start (its LLVM may be gone).
    Unusable(PathBuf),
    /// Not there.
    Absent,
}

impl Found {
    /// Looks around. What `need` does not ask for counts as present.
    ///
    /// # Errors
    /// When `LB_BPF_RUSTC` names a compiler that cannot build BPF programs.
    pub(super) fn look(need: Need) -> Result<Self> {
        let running = need != Need::Build;
        let linker = look_for_linker();
        let llvm_needed = !matches!(linker, Linker::Good(_));
        let compiler = look_for_compiler()?;
        Ok(Self {
            root: nix::unistd::geteuid().is_root(),
            debian_12: is_debian_12(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
            rustup: tools::find("rustup").is_some(),
            nightly: compiler.is_none() && has_nightly(),
            compiler,
            linker,
            llvm_missing: if llvm_needed { llvm_missing() } else { Vec::new() },
            tools_missing: if running { tools::missing(need == Need::Measure) } else { Vec::new() },
            bpffs: !running
                || is_bpffs(&fs::read_to_string("/proc/self/mounts").unwrap_or_default()),
        })
    }

    /// Whether this process may run the step here.
    pub(super) fn can_run(&self, step: &Step) -> bool {
        (self.root || !step.needs_root) && tools::find(step.program()).is_some()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.compiler {
            Some(compiler @ Compiler::Prebuilt(_)) => {
                writeln!(f, "compiler  {compiler}: preferred, as it needs no nightly")?;
            }
            Some(compiler @ Compiler::Nightly) => {
                writeln!(f, "compiler  {compiler}: no rustc with a prebuilt BPF core was found")?;
            }
            None => writeln!(f, "compiler  none")?,
        }
        match &self.linker {
            Linker::Good(path) => writeln!(f, "linker    {}", path.display())?,
            Linker::Unusable(path) => writeln!(f, "linker    {} (unusable)", path.display())?,
            Linker::Absent => writeln!(f, "linker    none")?,
        }
        for tool in &TOOLS {
            let mark = if self.tools_missing.contains(&tool) { "absent" } else { "found" };
            writeln!(f, "{:<9} {mark}: {}", tool.command, tool.reason)?;
        }
        let mark = if self.bpffs { "mounted" } else { "not mounted" };
        write!(f, "bpffs     {mark} at {BPFFS}: keeps programs and maps when the agent ends")
    }
}

fn look_for_compiler() -> Result<Option<Compiler>, Missing> {
    match bpf_toolchain::find_compiler() {
        Ok(compiler) => Ok(Some(compiler)),
        Err(chosen @ Missing::Chosen(_)) => Err(chosen),
        Err(_) => Ok(None),
    }
}

fn has_nightly() -> bool {
    let output = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn look_for_linker() -> Linker {
    let Some(path) = bpf_toolchain::find_linker() else { return Linker::Absent };
    let output = Command::new(&path).arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    match version.as_deref().and_then(parse_version) {
        Some(version) if version >= LINKER_VERSION => Linker::Good(path),
        _ => Linker::Unusable(path),
    }
}

/// Reads `bpf-linker 0.13.0`.
fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split_whitespace().nth(1)?.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Headers and archives stand for their packages: a file is found without asking dpkg.
fn llvm_missing() -> Vec<&'static str> {
    let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let files = [
        format!("{LLVM_PREFIX}/include/llvm-c/Core.h"),
        format!("{LLVM_PREFIX}/lib/libPolly.a"),
        "/usr/include/zlib.h".to_owned(),
        "/usr/include/zstd.h".to_owned(),
        format!("{multiarch}/libxml2.so"),
    ];
    let missing = LLVM_PACKAGES.iter().zip(&files).filter(|(_, file)| !Path::new(file).exists());
    missing.map(|(package, _)| *package).collect()
}

fn is_debian_12(os_release: &str) -> bool {
    let has = |line: &str| os_release.lines().any(|other| other.replace('"', "") == line);
    has("ID=debian") && has("VERSION_ID=12")
}

fn is_bpffs(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(1);
        fields.next() == Some(BPFFS) && fields.next() == Some("bpf")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_12_is_told_from_others() {
        let bookworm =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert!(is_debian_12(bookworm));
        assert!(!is_debian_12(&bookworm.replace("\"12\"", "\"13\"")));
        assert!(!is_debian_12("ID=ubuntu\nVERSION_ID=\"12\"\n"));
    }

    #[test]
    fn bpffs_is_seen_only_where_pins_live() {
        assert!(is_bpffs("proc /proc proc rw 0 0\nbpf /sys/fs/bpf bpf rw,relatime 0 0\n"));
        assert!(!is_bpffs("bpf /run/bpf bpf rw 0 0\ntmpfs /sys/fs/bpf tmpfs rw 0 0\n"));
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("bpf-linker 0.13.0\n"), Some((0, 13, 0)));
        assert!(parse_version("bpf-linker 0.9.15") < Some(LINKER_VERSION));
        assert_eq!(parse_version(""), None);
    }
}
