//! The data plane on a real kernel: pins, links, writes, and what views read back. Needs root; each test has a network
//! namespace and a pin root of its own, and leaves neither behind.
mod bed;
mod hidden;
mod links;
mod pins;
mod views;
mod writes;
