//! Large transfers, every byte compared.

use anyhow::Result;
use lb_testbed::{Bulk, Direction};

use super::site::{DIRECT, Site, TUNNEL, WAYS};

const LOCAL_BYTES: u64 = 100 << 20;
const REMOTE_BYTES: u64 = 500 << 20;

#[test]
fn five_hundred_megabytes_both_ways_with_return_by_tunnel() -> Result<()> {
    transfer(TUNNEL)
}

#[test]
fn five_hundred_megabytes_both_ways_with_direct_return() -> Result<()> {
    transfer(DIRECT)
}

fn transfer(port: u16) -> Result<()> {
    let site = Site::new()?;
    for way in WAYS.into_iter().filter(|way| way.port == port) {
        let len_bytes = if way.is_local() { LOCAL_BYTES } else { REMOTE_BYTES };
        for direction in [Direction::Download, Direction::Upload] {
            let done = Bulk::run(site.client(), site.dialled(way), direction, len_bytes)?;
            println!("{way:?} {direction:?} {len_bytes} B: {:.2} Gbit/s", done.gbit_per_s());
        }
    }
    site.expect_drops(&[])
}
