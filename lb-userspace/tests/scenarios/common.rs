//! What scenarios share: a cluster with the agent under test, task namespaces with servers in them,
//! and cluster files as text.

use lb_testbed::Cluster;

/// A cluster of three nodes and a client, without agents yet.
pub(crate) fn cluster() -> Cluster {
    Cluster::builder().nodes(3).swarmlb(env!("CARGO_BIN_EXE_swarmlb")).build().expect("a cluster")
}
