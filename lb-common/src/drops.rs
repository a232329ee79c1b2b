//! Why a packet went no further: one enum for the kernel's counters, the CLI and the docs.
//! `DROPS` is a per-CPU array of `u64` indexed by [`Reason`].

macro_rules! reasons {
    ($($name:ident = $code:literal, $slug:literal, $text:literal, $fix:literal;)*) => {
        /// Why a packet was dropped or refused. Every non-forwarding end of a path counts one.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $text] $name = $code,)*
        }

        impl Reason {
            /// All reasons, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Short name for tables and metrics.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// What happened, for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What to do about it, for people.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)* }
            }
        }
    };
}

reasons! {
    Malformed = 1, "malformed", "A header is cut short or contradicts itself.", "Capture on the sender; something on the way mangles packets.";
    NoBackend = 2, "no-backend", "The service has no live task; the client was refused (RST or ICMP port unreachable).", "Start a task or raise a weight above 0.";
    TaskGone = 3, "task-gone", "The task named by the row has no leg on this node; the client was refused.", "Check that the task's namespace exists: `swarmlb service ps`.";
    NoSocket = 4, "no-socket", "A TCP segment of a flow that neither the owner nor a former owner knows; the client was reset.", "Normal after a task was removed; else check that all nodes have the same cluster file.";
    Quiet = 5, "quiet", "As no-socket, but shortly after a change, when another node may still know better; dropped without a reset.", "None needed; the client retransmits.";
    UnknownPeer = 6, "unknown-peer", "A tunnel frame whose outer source is no node of the cluster.", "Add the node, or find who sends forged frames.";
    ForgedReply = 7, "forged-reply", "A reply frame whose inner source is not one of this node's published addresses.", "Find who sends forged frames; or the port was unpublished while replies were under way.";
    UnknownPort = 8, "unknown-port", "A tunnel frame for a port that this node does not know as published.", "Check that all nodes have the same cluster file.";
    TooBig = 9, "too-big", "A packet larger than the tunnel carries; the sender was told by ICMP fragmentation needed.", "Raise the underlay's MTU by 50 bytes to carry full-size datagrams.";
    NoNextHop = 10, "no-next-hop", "No route or no neighbour towards the client or the peer node.", "Check routes and ARP of this node.";
    LegIsolation = 11, "leg-isolation", "A task sent to another task's gateway leg.", "Tasks reach each other by published ports or overlay networks.";
    LegSpoof = 12, "leg-spoof", "A task sent from an address that is not its gateway leg's.", "Bind to the leg's address.";
    LegFromOutside = 13, "leg-from-outside", "A packet from outside to a gateway leg's address, or in the name of one.", "Publish the port; give clients addresses outside the gateway subnet.";
    PortsExhausted = 14, "ports-exhausted", "No free port of the node for a connection whose source is translated: of a task to a published port of its own node, or to a task of a node without agent.", "Fewer open connections of these kinds: tasks use the overlay, all nodes get an agent.";
    ClashExhausted = 15, "clash-exhausted", "One client port is in use towards one task through three other dialled addresses or ports.", "Let the client use another port.";
    MapFull = 16, "map-full", "A map update failed.", "Raise the map's size.";
    Internal = 17, "internal", "A helper failed that does not fail on supported kernels.", "Please report it with `swarmlb status`.";
    IcmpUnmatched = 18, "icmp-unmatched", "An ICMP error about a balanced packet whose flow is unknown here.", "None needed.";
    UnknownVni = 19, "unknown-vni", "A VXLAN frame of a network that this node does not know.", "Check that all nodes have the same cluster file, or find who sends forged frames.";
    ForgedFrame = 20, "forged-frame", "A VXLAN frame from another node than the one that its inner source lives on.", "Check that all nodes have the same cluster file, or find who sends forged frames.";
    OverlaySpoof = 21, "overlay-spoof", "A task sent into a network from an address that is not its own there.", "Bind to the task's own address in the network.";
    NoEndpoint = 22, "no-endpoint", "Nobody has this address in the network.", "Check the address; `swarmlb network inspect` lists who is there.";
    NotCarried = 23, "not-carried", "A task sent what overlay networks do not carry: broadcast, multicast, IPv6 or another protocol than IPv4 and ARP.", "None needed; every task sends some when its interface comes up.";
    NoLeg = 24, "no-leg", "A packet for a task of this node that has no leg in the network (yet); refused where it can be.", "Check that the task's namespace exists: `swarmlb service ps`.";
    TunnelFragment = 25, "tunnel-fragment", "A tunnel frame that came in pieces; only the first is counted.", "Set the same, true MTU on all nodes' underlay interfaces; swarmlb itself never cuts tunnel frames.";
    TunnelMerged = 26, "tunnel-merged", "Several tunnel frames that the network card handed over as one.", "`ethtool -K NIC rx-udp-gro-forwarding off rx-gro-list off`.";
}

/// Elements of `DROPS`: one more than the highest reason.
pub const DROPS_LEN: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_explains_every_reason() {
        let readme = include_str!("../../README.md");
        for reason in Reason::ALL {
            let row = format!("| `{}` | {} | {} |", reason.slug(), reason.text(), reason.fix());
            assert!(readme.contains(&row), "README.md lacks the line\n{row}");
        }
    }

    #[test]
    fn reasons_fit_the_map_and_are_distinct() {
        let mut slugs: Vec<_> = Reason::ALL.iter().map(|r| r.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Reason::ALL.len());
        assert!(Reason::ALL.iter().all(|&r| (r as u32) < DROPS_LEN));
    }
}
