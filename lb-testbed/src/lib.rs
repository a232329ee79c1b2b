//! A cluster of nodes in network namespaces on one machine.
