//! What people and programs see of a node: pinned maps and links in, tables and JSON out. Reads
//! pins only, so every view works while no agent runs.
//!
//! `pins` reads, `snapshot` holds plain values, each other file is one view and pure.
mod drops;
mod error;
mod flow;
mod flows;
mod inspect;
mod network;
mod networks;
mod nodes;
mod overlay;
mod pins;
#[cfg(test)]
mod sample;
mod services;
mod share;
mod snapshot;
mod status;
mod tasks;
mod view;
mod vip_flows;

pub use drops::{DropLine, DropList};
pub use error::ObserveError;
pub use flow::{FlowState, HomeFlow};
pub use flows::{FlowLine, FlowList};
pub use inspect::{BackendDetail, RangeDetail, ServiceDetail, StatsDetail, VipDetail};
pub use network::{MemberLine, NetworkDetail};
pub use networks::{NetworkLine, NetworkList, SubnetLine};
pub use nodes::{NodeLine, NodeList};
pub use overlay::{EndpointRecord, NetworkRecord, Vip};
pub use pins::Pins;
pub use services::{ServiceLine, ServiceList, VipLine};
pub use share::RowShares;
pub use snapshot::{NodeRecord, PortRecord, ServiceRecord, Snapshot, TaskRecord};
pub use status::{AgentState, MapLine, Status};
pub use tasks::{TaskLine, TaskList};
pub use view::View;
pub use vip_flows::{VipFlow, VipFlowLine, VipFlowList};
