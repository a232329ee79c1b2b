//! From what is found to the steps that bring the rest: pure, so that every situation can be
//! tested without installing anything.

use std::process::Command;

use super::found::{BPFFS, Found, LINKER_VERSION, LLVM_PREFIX, Linker};

/// Debian's compiler with its prebuilt `core` for BPF.
const COMPILER_PACKAGES: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

/// One command and why it is needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What it brings, for the user.
    pub(super) reason: String,
    /// Whether only root can do it.
    pub(super) needs_root: bool,
    variables: Vec<(&'static str, &'static str)>,
    words: Vec<String>,
}

impl Step {
    fn new(reason: impl Into<String>, words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { reason: reason.into(), needs_root: false, variables: Vec::new(), words }
    }

    fn by_root(mut self) -> Self {
        self.needs_root = true;
        self
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// The program that it runs.
    pub(super) fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The command, ready to run.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.args(self.words.iter().skip(1)).envs(self.variables.iter().copied());
        command
    }
}

/// The steps that are still to do, in order; none if all is there.
pub(super) fn steps(found: &Found) -> Vec<Step> {
    let mut steps = packages(found);
    if found.compiler.is_none() && !found.debian_12 {
        steps.extend(nightly(found));
    }
    steps.extend(linker(found));
    if !found.bpffs {
        let words = ["mount", "-t", "bpf", "bpf", BPFFS];
        steps
            .push(Step::new("bpffs keeps programs and maps when the agent ends", &words).by_root());
    }
    steps
}

/// One `apt-get update` and one `apt-get install` for all missing packages.
fn packages(found: &Found) -> Vec<Step> {
    let mut wanted = Vec::new();
    let mut reasons = Vec::new();
    if found.compiler.is_none() && found.debian_12 {
        wanted.extend(COMPILER_PACKAGES);
        reasons.push("a Rust compiler with a prebuilt BPF core".to_owned());
    }
    if !found.llvm_missing.is_empty() {
        wanted.extend(&found.llvm_missing);
        reasons.push("LLVM, to build bpf-linker with".to_owned());
    }
    for tool in &found.tools_missing {
        wanted.push(tool.package);
        reasons.push(format!("{} ({})", tool.command, tool.reason));
    }
    if wanted.is_empty() {
        return Vec::new();
    }
    // Neighbours in the list may come from one package.
    wanted.dedup();
    // `--no-remove`: rather stop than take away a package that is in the way.
    let flags = ["apt-get", "install", "--yes", "--no-install-recommends", "--no-remove"];
    let install = Step::new(reasons.join("; "), &[&flags[..], &wanted].concat());
    vec![
        Step::new("package lists", &["apt-get", "update"]).by_root(),
        install.by_root().with("DEBIAN_FRONTEND", "noninteractive"),
    ]
}

/// Elsewhere than on Debian 12: the nightly compiler builds `core` from source.
fn nightly(found: &Found) -> Vec<Step> {
    let mut steps = Vec::new();
    if !found.rustup {
        let script = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh";
        steps.push(Step::new("rustup, for a nightly compiler", &["sh", "-c", script]));
    }
    let words: &[&str] = if found.nightly {
        // Not `toolchain install`, which would replace a nightly that was chosen with care.
        &["rustup", "component", "add", "rust-src", "--toolchain", "nightly"]
    } else {
        &[
            "rustup",
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ]
    };
    steps.push(Step::new("a nightly Rust compiler that builds the BPF core from source", words));
    steps
}

fn linker(found: &Found) -> Option<Step> {
    if matches!(found.linker, Linker::Good(_)) {
        return None;
    }
    let (major, minor, patch) = LINKER_VERSION;
    let version = format!("{major}.{minor}.{patch}");
    let reason = format!("bpf-linker {version}, with the same LLVM as the compiler");
    let mut words = vec!["cargo", "install", "bpf-linker", "--version", &version];
    words.extend(["--no-default-features", "--features", "llvm-22"]);
    if matches!(found.linker, Linker::Unusable(_)) {
        words.push("--force");
    }
    Some(Step::new(reason, &words).with("LLVM_PREFIX", LLVM_PREFIX))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bpf_toolchain::Compiler;

    use super::{
        super::{found::LLVM_PACKAGES, tools::TOOLS},
        *,
    };
    use crate::command::show;

    fn complete() -> Found {
        Found {
            root: true,
            debian_12: true,
            rustup: true,
            nightly: false,
            compiler: Some(Compiler::Nightly),
            linker: Linker::Good(PathBuf::from("/bin/bpf-linker")),
            llvm_missing: Vec::new(),
            tools_missing: Vec::new(),
            bpffs: true,
        }
    }

    fn shown(found: &Found) -> Vec<String> {
        steps(found).iter().map(|step| show(&step.command())).collect()
    }

    #[test]
    fn a_complete_machine_needs_nothing() {
        assert_eq!(shown(&complete()), [] as [&str; 0]);
    }

    #[test]
    fn a_fresh_debian_gets_all_packages_in_one_go_before_the_linker() {
        let found = Found {
            compiler: None,
            linker: Linker::Absent,
            llvm_missing: LLVM_PACKAGES.to_vec(),
            tools_missing: TOOLS.iter().take(1).collect(),
            bpffs: false,
            ..complete()
        };
        assert_eq!(
            shown(&found),
            [
                "apt-get update",
                "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove \
                 rustc-web libstd-rust-web-dev-bpf llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev \
                 libxml2-dev iproute2",
                "LLVM_PREFIX=/usr/lib/llvm-22 cargo install bpf-linker --version 0.13.0 \
                 --no-default-features --features llvm-22",
                "mount -t bpf bpf /sys/fs/bpf",
            ]
        );
    }

    #[test]
    fn other_systems_get_a_nightly() {
        let found = Found { compiler: None, debian_12: false, ..complete() };
        assert_eq!(
            shown(&found),
            ["rustup toolchain install nightly --profile minimal --component rust-src"]
        );
        let found = Found { nightly: true, ..found };
        assert_eq!(shown(&found), ["rustup component add rust-src --toolchain nightly"]);
    }

    #[test]
    fn a_broken_linker_is_replaced() {
        let linker = Linker::Unusable(PathBuf::from("/bin/bpf-linker"));
        let found = Found { linker, ..complete() };
        assert!(shown(&found).iter().all(|command| command.ends_with("--force")));
        assert_eq!(shown(&found).len(), 1);
    }

    #[test]
    fn steps_that_change_the_system_need_root() {
        let found = Found { tools_missing: TOOLS.iter().collect(), bpffs: false, ..complete() };
        assert!(steps(&found).iter().all(|step| step.needs_root));
    }
}
