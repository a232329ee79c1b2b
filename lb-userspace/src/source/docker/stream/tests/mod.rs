//! The stream as a whole, between streams on loopback addresses with certificates of their own.
mod files;
mod refused;
mod spoken;
mod swarm;
