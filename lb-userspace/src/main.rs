//! The `swarmlb` binary: command line in, function calls out.
fn main() {}
