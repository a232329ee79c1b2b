//! Names that fit the maps: what is too long is cut and ends in a hash of the whole, so that the same
//! name is cut alike on every node and two names do not meet.

use lb_common::{hash::name_hash, info::NAME_LEN};

/// Longest name, bytes: what the maps hold, less a final zero; also the longest label of a name in the
/// DNS (RFC 1035, 2.3.4).
pub const MAX_NAME: usize = NAME_LEN - 1;

/// Bytes of `~` and eight hexadecimal digits.
const MARK: usize = 9;
/// Sets this use of the hash apart from others.
const KEY: u64 = 0x7e;

/// `name` in at most `max` bytes: itself, or its beginning, `~` and 32 bits of its hash. Below nine
/// bytes only the mark fits.
#[must_use]
pub fn fit(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let mut cut = max.saturating_sub(MARK);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let hash = name_hash(KEY, name.as_bytes()) >> 32;
    format!("{}~{hash:08x}", &name[..cut])
}

/// Name of the service that the virtual IP of `service` in `network` is: `SERVICE@NETWORK`, both parts
/// cut where they do not fit together.
#[must_use]
pub fn vip_name(service: &str, network: &str) -> String {
    let room = MAX_NAME - 1;
    let service = fit(service, room - network.len().min(room / 2));
    format!("{service}@{}", fit(network, room - service.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_keeps_its_beginning() {
        assert_eq!(fit("web", 3), "web");
        let long = fit("a-name-with-26-characters-", 20);
        assert_eq!((long.len(), &long[..12]), (20, "a-name-with~"));
        assert_ne!(fit("a-name-with-26-characters+", 20), long);
        assert_eq!(fit("ééééééééé", 12).len(), 11, "no character is cut in two");
    }

    #[test]
    fn a_virtual_ip_keeps_as_much_of_both_names_as_fits() {
        assert_eq!(vip_name("web", "front"), "web@front");
        let (service, network) = ("s".repeat(63), "n".repeat(80));
        let name = vip_name(&service, "front");
        assert_eq!((name.len(), name.rsplit_once('@').map(|(_, net)| net)), (63, Some("front")));
        let name = vip_name("web", &network);
        assert!(name.len() == 63 && name.starts_with("web@nnnn"), "{name}");
        let name = vip_name(&service, &network);
        assert_eq!((name.len(), name.find('@')), (63, Some(31)));
    }
}
