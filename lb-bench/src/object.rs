//! The measuring programs, loaded: drivers with the plan and the target that they are given, floors,
//! generators.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader, Pod, TestRun as _, TestRunOptions,
    maps::{Array, MapData, PerCpuArray, ProgramArray},
    programs::{Program, ProgramFd, TestRunAttrs, Xdp},
};
use lb_bench_ebpf::plan::{Plan, Route, Seen};

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("LB_BENCH_OBJECT"));

/// Larger than any measured frame.
const FRAME_LEN: usize = 2048;

/// Which hook a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// XDP.
    Xdp,
    /// tcx.
    Tc,
}

impl Hook {
    const fn target(self) -> &'static str {
        match self {
            Self::Xdp => "XDP_TARGET",
            Self::Tc => "TC_TARGET",
        }
    }

    /// The empty program.
    #[must_use]
    pub const fn empty(self) -> &'static str {
        match self {
            Self::Xdp => "empty_xdp",
            Self::Tc => "empty_tc",
        }
    }

    /// The context of a frame of `length` bytes that came in by `ifindex`.
    #[must_use]
    pub fn context(self, length: usize, ifindex: u32) -> Vec<u8> {
        // `struct xdp_md`: data_end at 4, ingress_ifindex at 12; `struct __sk_buff`: ifindex at 40.
        let (len, fields) = match self {
            Self::Xdp => (24, vec![(4, length as u32), (12, ifindex)]),
            Self::Tc => (192, vec![(40, ifindex)]),
        };
        let mut context = vec![0; len];
        for (at, value) in fields {
            context[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        context
    }
}

/// The loaded programs with their maps.
#[derive(Debug)]
pub struct Measuring {
    ebpf: Ebpf,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What the program returned.
    pub value: u32,
    /// The frame as it left it.
    pub frame: Vec<u8>,
    /// Mean time of a run by the kernel's clock, ns.
    pub mean_ns: u64,
}

/// A plain record of ours as an element of a map.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Element<T>(T);

// SAFETY: only made of `Plan`, `Route` and `Seen`, which are `repr(C)` integers without padding.
unsafe impl<T: Copy + 'static> Pod for Element<T> {}

impl Measuring {
    /// Loads all programs. Needs root.
    ///
    /// # Errors
    /// The verifier refuses one.
    pub fn load() -> Result<Self> {
        let mut ebpf =
            EbpfLoader::new().load(OBJECT).context("cannot load the measuring programs")?;
        for (name, program) in ebpf.programs_mut() {
            let loaded = match program {
                Program::Xdp(program) => program.load(),
                Program::SchedClassifier(program) => program.load(),
                _ => continue,
            };
            loaded.with_context(|| format!("cannot load the measuring program {name}"))?;
        }
        Ok(Self { ebpf })
    }

    /// A program by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn program(&self, name: &str) -> Result<&Program> {
        self.ebpf.program(name).with_context(|| format!("no measuring program {name}"))
    }

    /// The descriptor of a program by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn fd(&self, name: &str) -> Result<ProgramFd> {
        Ok(self.program(name)?.fd()?.try_clone()?)
    }

    /// An XDP program, to be attached.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn xdp_mut(&mut self, name: &str) -> Result<&mut Xdp> {
        let program = self.ebpf.program_mut(name);
        Ok(program.with_context(|| format!("no measuring program {name}"))?.try_into()?)
    }

    /// Sets what drivers of `hook` call.
    ///
    /// # Errors
    /// The kernel finds that the program cannot be called from there.
    pub fn set_target(&mut self, hook: Hook, program: &ProgramFd) -> Result<()> {
        let map = self.ebpf.map_mut(hook.target()).context("no map for targets")?;
        let mut targets = ProgramArray::<&mut MapData>::try_from(map)?;
        targets.set(0, program, 0).context("cannot call the measured program by tail call")
    }

    /// Sets what drivers and generators make.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn set_plan(&mut self, plan: &Plan) -> Result<()> {
        self.set("PLAN", *plan)
    }

    /// Sets where generators send.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn set_route(&mut self, route: Route) -> Result<()> {
        self.set("ROUTE", route)
    }

    fn set<T: Copy + 'static>(&mut self, name: &str, value: T) -> Result<()> {
        let map = self.ebpf.map_mut(name).with_context(|| format!("no map {name}"))?;
        let mut array = Array::<&mut MapData, Element<T>>::try_from(map)?;
        array.set(0, Element(value), 0).with_context(|| format!("cannot write {name}"))
    }

    /// What sinks have counted since they were loaded.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn seen(&self) -> Result<Seen> {
        let map = self.ebpf.map("SEEN").context("no map SEEN")?;
        let seen = PerCpuArray::<&MapData, Element<Seen>>::try_from(map)?.get(&0, 0)?;
        Ok(seen.iter().fold(Seen::default(), |sum, Element(cpu)| Seen {
            packets: sum.packets + cpu.packets,
            bytes: sum.bytes + cpu.bytes,
        }))
    }

    /// A map, to be filled.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn map_mut(&mut self, name: &str) -> Result<&mut aya::maps::Map> {
        self.ebpf.map_mut(name).with_context(|| format!("no map {name}"))
    }

    /// Runs a program `repeat` times.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn run(&self, name: &str, frame: &[u8], context: &[u8], repeat: u32) -> Result<Ended> {
        let mut out = vec![0; FRAME_LEN];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ctx_in: Some(context),
            repeat,
            ..TestRunOptions::new()
        };
        let result = match self.program(name)? {
            Program::Xdp(program) => program.test_run(options),
            Program::SchedClassifier(program) => program.test_run(options),
            _ => anyhow::bail!("{name} is for another hook"),
        };
        let result = result.with_context(|| format!("cannot run {name}"))?;
        out.truncate(result.data_size_out as usize);
        let mean_ns = u64::try_from(result.duration.as_nanos())?;
        Ok(Ended { value: result.return_value, frame: out, mean_ns })
    }

    /// Has an XDP program handle `count` real frames, which really go where it sends them.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn send(&self, name: &str, frame: &[u8], count: u32) -> Result<()> {
        let Program::Xdp(program) = self.program(name)? else {
            anyhow::bail!("{name} is no XDP program");
        };
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: count,
            attrs: TestRunAttrs::new().xdp_live_frames(64),
            ..TestRunOptions::new()
        };
        program.test_run(options).with_context(|| format!("cannot send by {name}"))?;
        Ok(())
    }

    /// Sizes of all programs as the kernel translated and compiled them: instructions, bytes.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn sizes(&self) -> Result<BTreeMap<String, (u32, u32)>> {
        self.ebpf
            .programs()
            .map(|(name, program)| Ok((name.to_owned(), program_size(program)?)))
            .collect()
    }
}

/// Size of a program: translated instructions, compiled bytes.
///
/// # Errors
/// The kernel does not tell.
pub fn program_size(program: &Program) -> Result<(u32, u32)> {
    let info = match program {
        Program::Xdp(program) => program.info()?,
        Program::SchedClassifier(program) => program.info()?,
        _ => anyhow::bail!("not a packet program"),
    };
    let translated = info.size_translated().unwrap_or_default();
    ensure!(translated != 0, "the kernel shows no translated instructions (not root?)");
    Ok((translated / 8, info.size_jitted()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_have_the_interface_where_the_kernel_reads_it() {
        let xdp = Hook::Xdp.context(64, 7);
        assert_eq!(
            (xdp.len(), &xdp[4..8], &xdp[12..16]),
            (24, &64_u32.to_ne_bytes()[..], &7_u32.to_ne_bytes()[..])
        );
        let tc = Hook::Tc.context(64, 7);
        assert_eq!((tc.len(), &tc[40..44]), (192, &7_u32.to_ne_bytes()[..]));
    }
}
