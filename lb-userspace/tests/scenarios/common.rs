//! What scenarios share: a cluster with the agent under test, task namespaces with servers in them,
//! and cluster files as text.

use lb_testbed::Cluster;

/// A cluster of three nodes and two clients, without agents yet.
pub(crate) fn cluster() -> Cluster {
    let cluster = Cluster::builder().nodes(3).clients(2).swarmlb(env!("CARGO_BIN_EXE_swarmlb"));
    cluster.build().expect("a cluster")
}
