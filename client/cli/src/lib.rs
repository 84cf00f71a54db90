//! The operator's and user's command line, phoenixmldb-cluster.
