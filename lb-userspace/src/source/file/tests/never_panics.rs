//! Whatever the file holds, the parser answers; the seed of a fuzz target.

use proptest::{collection::vec, prelude::*, sample::select};

use super::parsed;

/// Lines that are near a cluster file, so that their mixtures get past the TOML syntax.
const LINES: &[&str] = &[
    "[cluster]",
    "[[node]]",
    "[[network]]",
    "[[service]]",
    "[[service.task]]",
    "[service]",
    "[[service.publish]]",
    "name = \"a\"",
    "name = \"\"",
    "name = 'b\u{7}\u{e4}'",
    "name = 3",
    "address = \"10.0.0.1\"",
    "address = \"255.255.255.255\"",
    "subnet = \"0.0.0.0/8\"",
    "subnet = \"255.255.255.248/29\"",
    "subnet = \"10.0.0.0/99\"",
    "gateway = \"10.0.0.1\"",
    "gateway = \"255.255.255.255\"",
    "range = \"255.255.255.255/32\"",
    "range = \"0.0.0.0/8\"",
    "subnets = [{ subnet = \"255.255.255.248/29\" }, { subnet = \"0.0.0.0/8\", vni = 5 }, 7]",
    "subnets = []",
    "mtu = 9000",
    "macs = { a = \"02:42:0a:00:00:03\", b = \"x\" }",
    "vni = 4294967295",
    "vni = -99999999999999999999999999999999999999999999",
    "mesh_vni = 4094",
    "gateway_subnet = \"10.0.0.0/16\"",
    "networks = [\"a\", 1]",
    "networks = [\"a\"]",
    "addresses = { a = \"10.0.0.3\", b = 1 }",
    "vip = { a = \"255.255.255.254\" }",
    "publish = [{ published = 80, target = 1, mode = \"host\" }, 5]",
    "node = \"a\"",
    "netns = \"pid:1\"",
    "number = 65535",
    "weight = 1.5",
    "seed_file = \"x\"",
    "x = 1979-05-27",
    "\u{feff}",
    "",
];

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _: Result<_, _> = parsed(&text);
    }

    #[test]
    fn any_mixture_of_lines_is_answered_with_lines_of_the_file(lines in vec(select(LINES), 0..40)) {
        if let Err(errors) = parsed(&lines.join("\n")) {
            for error in errors.errors {
                prop_assert!((1..=lines.len().max(1)).contains(&error.line.unwrap()), "{error}");
                prop_assert!(!error.message.is_empty() && !error.fix.is_empty());
            }
        }
    }
}
