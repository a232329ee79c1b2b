//! The node's agent: keeps the kernel's maps, legs and links as the cluster file wants them, and
//! leaves everything forwarding when it goes.
mod lock;
mod record;

pub use lock::{AgentLock, LockError, is_running};
pub use record::{Record, RecordError};
