//! What people and programs see of a node: pinned maps and links in, tables and JSON out. Reads
//! pins only, so every view works while no agent runs.
//!
//! `pins` reads, `snapshot` holds plain values, each other file is one view and pure.
mod drops;
mod error;
mod flow;
mod flows;
mod inspect;
mod nodes;
mod pins;
mod services;
mod share;
mod snapshot;
mod status;
mod tasks;
mod view;

pub use drops::{DropLine, DropList};
pub use error::ObserveError;
pub use flow::{FlowState, HomeFlow};
pub use flows::{FlowLine, FlowList};
pub use inspect::{BackendDetail, RangeDetail, ServiceDetail, StatsDetail};
pub use nodes::{NodeLine, NodeList};
pub use pins::Pins;
pub use services::{ServiceLine, ServiceList};
pub use share::RowShares;
pub use snapshot::{NodeRecord, PortRecord, ServiceRecord, Snapshot, TaskRecord};
pub use status::{AgentState, MapLine, Status};
pub use tasks::{TaskLine, TaskList};
pub use view::View;
