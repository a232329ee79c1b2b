//! What measures the data plane from inside the kernel. Nothing here is part of swarmlb: no agent
//! loads it, and the measured programs are the production object's, unmodified.
//!
//! [`plan`] is what user space tells the programs. For the BPF target only: `drive` restores a frame,
//! varies its flow and calls the measured program; `floor` has the least that a balancer of each kind
//! can do; `generate` makes traffic; `maps` is what they share.
#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
pub mod drive;
#[cfg(target_arch = "bpf")]
pub mod floor;
#[cfg(target_arch = "bpf")]
pub mod floor_tc;
#[cfg(target_arch = "bpf")]
pub mod generate;
#[cfg(target_arch = "bpf")]
#[expect(missing_docs, reason = "the map's name and type say it")]
pub mod maps;
pub mod plan;
