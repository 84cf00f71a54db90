//! What `--version` says: release, commit, and the protocol that nodes and clients have to share.

use phoenixmldb_types::PROTOCOL_VERSION;
use std::sync::LazyLock;

/// `0.1.0 (commit 3d9b2bf0aa, protocol 1)`; the commit is `unknown` when built without git.
#[must_use]
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let (release, commit) = (env!("CARGO_PKG_VERSION"), env!("PHOENIXMLDB_COMMIT"));
        format!("{release} (commit {commit}, protocol {PROTOCOL_VERSION})")
    });
    &TEXT
}
