//! The node's agent: keeps the kernel's maps, legs and links as the cluster file or the node's Docker
//! Engine wants them, and leaves everything forwarding when it goes.
//!
//! `run` is its life, `membership` says what the cluster should be, `trigger` and `changes` wake it,
//! `hold` and `leaving` decide what must wait, `workbench` does the work with `legs`, `overlay`,
//! `egress`, `attach` and `writes`, the last with `ports`, `hops` and `interfaces`, and with `docker`
//! where an engine has made legs and networks; `voice`, `record` and
//! `docker_record` tell.
mod attach;
mod changes;
mod docker;
mod docker_record;
mod egress;
mod error;
mod hold;
mod hops;
mod interfaces;
mod leaving;
mod legs;
mod lock;
mod membership;
mod overlay;
mod ports;
mod record;
mod run;
#[cfg(test)]
mod sample;
mod trigger;
mod voice;
mod workbench;
mod writes;

pub use docker_record::DockerRecord;
pub use egress::journal_dir;
pub use error::AgentError;
pub use lock::{AgentLock, LockError, is_running};
pub use record::{Record, RecordError};
pub use run::{ClusterFile, Options, Source, once, run};
