//! The flow hash that all nodes share: keyed with a cluster-wide secret so that nobody outside can
//! aim flows at one backend, cheap enough to run per packet without a helper call.

use crate::addr::Address;

/// The finaliser of MurmurHash3 (64 bit): every input bit changes every output bit with
/// probability one half.
#[inline(always)]
#[must_use]
pub const fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Hash of a client's flow towards a service: {client address, client port, protocol, service}.
/// The dialled node is left out on purpose, so that every entry node finds the same row.
///
/// `key` is the cluster's secret, `seed` the service's ([`crate::service::Service::seed`]);
/// `client_port` is zero for affinity by client address.
#[inline(always)]
#[must_use]
pub fn flow_hash<A: Address>(
    key: u64,
    seed: u32,
    client: A,
    client_port: [u8; 2],
    proto: u8,
) -> u32 {
    let port = u64::from(u16::from_be_bytes(client_port));
    let lane = (port << 40) | (u64::from(proto) << 32) | u64::from(seed);
    let hash = mix(mix(client.fold().rotate_left(32) ^ lane ^ key).wrapping_add(key));
    (hash >> 32) as u32 ^ hash as u32
}

/// Hash of a name (FNV-1a, then mixed), from which addresses left out of a cluster file and service
/// seeds are derived; must never change, since all nodes derive alone.
#[must_use]
pub const fn name_hash(key: u64, name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ key;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    mix(hash)
}
