//! Established flows and the agent: what survives scaling, drains, kills, restarts and upgrades.
