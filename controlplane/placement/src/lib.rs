//! Where replicas should live: pure planning over a view of the cluster.
