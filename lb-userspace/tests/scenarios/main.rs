//! Scenarios on namespace clusters: real packets, real servers, real agents. A module a subject, a
//! test a behaviour, named for it. Each test makes its own cluster, so they run in parallel.

mod common;
mod maps;
mod mesh;
mod names;
mod overlay;
mod paths;
mod survival;
