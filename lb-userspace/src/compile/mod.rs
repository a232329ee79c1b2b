//! Desired state in, map contents out. Pure: no clock, no randomness, no I/O, so that every node
//! computes alike and properties can be tested.
mod contents;

pub use contents::{
    BackendContents, MapContents, PeerContents, Previous, PreviousService, ServiceContents,
};
