//! Where membership comes from. Each source turns what it reads into a validated
//! [`crate::model::DesiredState`]; nothing outside this room knows a source's format.
pub mod derive;
pub mod docker;
pub mod file;
mod warning;

pub use warning::{Warning, local_port_warnings};
