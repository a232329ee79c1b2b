//! Programs to run: those that a node's agent has attached, found by their pinned links, and an
//! empty one of each kind to subtract.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions, TestRunResult, Xdp};
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn, bpf_prog_type};
use aya_obj::programs::XdpAttachType;

/// Operations of `mov r0, 0; exit` (RFC 9669 §4.1, §4.3).
const EMPTY: [u8; 2] = [0xb7, 0x95];

/// The hook a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// On a NIC.
    Xdp,
    /// On a leg.
    Tcx,
}

/// A program that can be run.
#[derive(Debug)]
pub(crate) enum Program {
    Xdp(Xdp),
    Tcx(SchedClassifier),
}

impl Program {
    /// The program behind a pinned link; it is pinned as well, in `dir`, to be opened.
    pub(crate) fn attached(link: &Path, hook: Hook, dir: &Path) -> Result<Self> {
        let shown = bpftool(&["--json", "link", "show", "pinned", &link.to_string_lossy()])?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let shown = shown.get(0).unwrap_or(&shown);
        let id = shown["prog_id"].as_u64().with_context(|| format!("no program in {shown}"))?;
        let pin = pin_of(dir, link.file_name().unwrap_or_default().to_string_lossy().as_ref());
        if !pin.exists() {
            bpftool(&["prog", "pin", "id", &id.to_string(), &pin.to_string_lossy()])?;
        }
        Self::open(&pin, hook)
    }

    /// A program that only returns, in `dir`.
    pub(crate) fn empty(hook: Hook, dir: &Path) -> Result<Self> {
        let (name, kind, attach) = match hook {
            Hook::Xdp => ("xdp", bpf_prog_type::BPF_PROG_TYPE_XDP, bpf_attach_type::BPF_XDP),
            Hook::Tcx => {
                let attach = bpf_attach_type::BPF_TCX_INGRESS;
                ("tcx", bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, attach)
            }
        };
        let pin = pin_of(dir, &format!("empty-{name}"));
        pin_to(&load(kind as u32, attach as u32)?, &pin)?;
        Self::open(&pin, hook)
    }

    fn open(pin: &Path, hook: Hook) -> Result<Self> {
        Ok(match hook {
            Hook::Xdp => Self::Xdp(Xdp::from_pin(pin, XdpAttachType::Interface)?),
            Hook::Tcx => Self::Tcx(SchedClassifier::from_pin(pin)?),
        })
    }

    /// Runs it once.
    pub(crate) fn run(&self, frame: &[u8], context: Option<&[u8]>) -> Result<TestRunResult> {
        let options =
            TestRunOptions { data_in: Some(frame), ctx_in: context, ..TestRunOptions::new() };
        Ok(match self {
            Self::Xdp(program) => program.test_run(options)?,
            Self::Tcx(program) => program.test_run(options)?,
        })
    }
}

fn pin_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("bench-{name}"))
}

fn bpftool(arguments: &[&str]) -> Result<String> {
    let output = Command::new("bpftool").args(arguments).output().context("cannot run bpftool")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "bpftool {}: {error}", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn insn(code: u8) -> bpf_insn {
    let _bitfield_1 = bpf_insn::new_bitfield_1(0, 0);
    bpf_insn { code, _bitfield_align_1: [], _bitfield_1, off: 0, imm: 0 }
}

fn load(kind: u32, attach: u32) -> Result<OwnedFd> {
    let empty = EMPTY.map(insn);
    // SAFETY: `bpf_attr` takes all zeros.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the union's arm for `BPF_PROG_LOAD`, all zeros so far.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = kind;
    load.expected_attach_type = attach;
    load.insns = empty.as_ptr() as u64;
    load.insn_cnt = empty.len() as u32;
    load.license = c"GPL".as_ptr() as u64;
    let fd = bpf(bpf_cmd::BPF_PROG_LOAD, &attr).context("cannot load the empty program")?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn pin_to(program: &OwnedFd, pin: &Path) -> Result<()> {
    let path = std::ffi::CString::new(pin.as_os_str().as_encoded_bytes())?;
    // SAFETY: `bpf_attr` takes all zeros.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the union's arm for `BPF_OBJ_PIN`, all zeros so far.
    let object = unsafe { &mut attr.__bindgen_anon_4 };
    object.pathname = path.as_ptr() as u64;
    object.bpf_fd = u32::try_from(program.as_raw_fd())?;
    bpf(bpf_cmd::BPF_OBJ_PIN, &attr).with_context(|| format!("cannot pin {}", pin.display()))?;
    Ok(())
}

fn bpf(command: bpf_cmd, attr: &bpf_attr) -> Result<i32> {
    // SAFETY: the kernel reads `attr` and what it points at, which outlives the call.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, attr, size_of::<bpf_attr>())
    };
    if result < 0 {
        bail!(io::Error::last_os_error());
    }
    Ok(i32::try_from(result)?)
}
