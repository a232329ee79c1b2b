//! Paths: tunnel and direct return, large transfers, MTU, fragments, ICMP errors, the gateway leg.
