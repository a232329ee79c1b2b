//! Paths: tunnel and direct return, large transfers, MTU, fragments, ICMP errors, the gateway leg.

mod client;
mod errors;
mod fragments;
mod gateway;
mod mss;
mod mtu;
mod returning;
mod site;
mod transfer;
