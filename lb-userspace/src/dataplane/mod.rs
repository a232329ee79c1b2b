//! The only room that knows aya: loads the BPF object, pins its maps, attaches its programs, and
//! reads and writes the maps.
//!
//! [`Dataplane::open`] comes first; `attach_*` connect it to interfaces; [`Dataplane::apply`] makes
//! the maps hold what `compile` wants; [`detach`] removes everything again. Calls concern the
//! network namespace of the calling thread, which must be the node's.

mod apply;
mod attach;
mod cgroup;
#[cfg(feature = "trace")]
mod decisions;
mod detach;
mod elements;
mod error;
mod executor;
mod globals;
mod hidden;
mod ingress_flows;
mod inventory;
mod link;
mod load;
mod maps;
mod mmap;
mod networks;
mod object;
mod overlay_legs;
mod pins;
mod programs;
mod ranges;
mod read;
mod schema;
mod services;
mod settle;
mod state;
mod sweep;
mod xdp_query;

pub use apply::{ApplyError, Report};
pub use detach::{DetachError, Removed, detach, detach_after};
pub use elements::PeerHop;
pub use globals::Globals;
pub use hidden::{HiddenEnd, HiddenEnds};
pub use inventory::{Inventory, InventoryError, LinkEntry, MapEntry, ProgramEntry};
pub use link::{AttachError, Attached};
pub use load::{Dataplane, LoadError, Refused};
pub use maps::{Devices, Maps, MapsError, PinnedHash};
pub use mmap::{MappedArray, OutOfRange};
pub use object::{Object, ObjectError};
pub use pins::{PinLock, Pins, PinsError};
pub use programs::{CGROUP_PROGRAMS, Hook, PROGRAMS, TcProgram, XDP_NODE};
pub use ranges::NoRoom;
pub use schema::{MapSchema, SchemaError};
