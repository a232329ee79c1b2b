//! The real object against the tables of `lb_ebpf::testing`: every verdict and every drop reason, by
//! `BPF_PROG_TEST_RUN`, byte for byte, and the same state in kernel maps as in plain ones.
//!
//! Needs root. [`place`] is a namespace with a node's interfaces and a task's, [`object`] the loaded
//! programs, [`maps`] what they look at.
mod any;
mod maps;
mod object;
mod place;
mod table;
