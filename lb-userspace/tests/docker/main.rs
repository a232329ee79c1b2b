//! Scenarios on real Docker Engines: a Swarm made with Docker's own commands, on a kernel without IPVS
//! as with it, and `swarmlb agent --source docker` beside each engine. A module a subject, a test a
//! behaviour. Tests that leave nodes and agents alone share a Swarm ([`bed`]); the others make their own.

mod bed;
mod before;
mod change;
mod clients;
mod detach;
mod encrypted;
mod failure;
mod labels;
mod managers;
mod mesh;
mod no_agent;
mod ports;
mod soon;
mod vip;
mod vip_kinds;
