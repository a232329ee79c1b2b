//! Established flows and the agent: what survives scaling, drains, kills, restarts and upgrades.

mod agent;
mod evict;
mod flows;
mod load;
mod pins;
mod ports;
mod reload;
mod remains;
mod stage;
mod udp;
