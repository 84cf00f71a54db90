//! Identifiers as newtypes, so that a shard can never be passed where a group is meant.
//!
//! Text forms are stable: they appear in commands, logs and metrics. [`NodeName`] and [`ClusterId`] are what people
//! type; [`RaftId`] is what Raft counts votes by and comes from the disk, not from the name.

use crate::name::NameError;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Identity of a Raft participant: 64 bits of a uuid made at the first start of a data directory.
///
/// A node whose disk was wiped gets another one, so it can never vote as its former self.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RaftId(pub u64);

impl fmt::Display for RaftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RaftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "raft:{:016x}", self.0)
    }
}

/// Number of a shard, from 0 to `shards - 1`. Never reused, also after a split.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Identity of a Raft group within a cluster: the control group, the clock group, or a shard's group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The control plane's group: membership, shard map, settings.
    pub const CONTROL: Self = Self(0);
    /// The group that gives out timestamps.
    pub const CLOCK: Self = Self(1);
    /// First group number used for shards; the ones below are kept for groups of the cluster itself.
    const FIRST_SHARD: u32 = 16;

    /// The group that replicates `shard`.
    #[must_use]
    pub const fn shard(shard: ShardId) -> Self {
        Self(Self::FIRST_SHARD + shard.0)
    }

    /// The shard this group replicates, if it is a shard's group.
    #[must_use]
    pub const fn as_shard(self) -> Option<ShardId> {
        if self.0 >= Self::FIRST_SHARD { Some(ShardId(self.0 - Self::FIRST_SHARD)) } else { None }
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.as_shard()) {
            (_, Some(shard)) => write!(f, "shard-{shard}"),
            (Self::CONTROL, None) => f.write_str("control"),
            (Self::CLOCK, None) => f.write_str("clock"),
            (Self(other), None) => write!(f, "group-{other}"),
        }
    }
}

/// Identity of a container; given out once by the control plane and never reused, also not for the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct ContainerId(pub u64);

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// Identity of a transaction: the shard that holds its record, and its start timestamp there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct TxnId {
    /// Shard of the transaction record.
    pub anchor: ShardId,
    /// Unique in the cluster, because the clock group gives each timestamp out once.
    pub start_ts: Timestamp,
}

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.anchor.0, self.start_ts.0)
    }
}

impl std::str::FromStr for TxnId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parts = text.split_once('-').and_then(|(anchor, start)| {
            Some(Self {
                anchor: ShardId(anchor.parse().ok()?),
                start_ts: Timestamp(u64::from_str_radix(start, 16).ok()?),
            })
        });
        parts.ok_or_else(|| NameError::TransactionId { text: text.to_owned() })
    }
}

/// Identity of a client session; random, made by the client. Writes are numbered within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u128);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session:{:032x}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The only constructor. Error: [`NameError::Identifier`], naming the rule; final.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if identifier(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError::Identifier { what: $rule, text: text.to_owned() })
                }
            }

            /// The checked text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

checked_name!(
    /// Name of a node, as people type it: `[a-z0-9][a-z0-9._-]{0,62}`.
    NodeName,
    "node id"
);
checked_name!(
    /// Name of a cluster, as people type it: `[a-z0-9][a-z0-9._-]{0,62}`. Carried by every message between nodes.
    ClusterId,
    "cluster id"
);

/// The rule shared by node and cluster ids.
fn identifier(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = |b: &u8| first(*b) || matches!(b, b'.' | b'_' | b'-');
    text.len() <= crate::limits::IDENTIFIER_BYTES_MAX
        && text.bytes().next().is_some_and(first)
        && text.as_bytes().iter().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_follow_the_rule() {
        for good in ["node1", "0", "a.b_c-d", &"n".repeat(63)] {
            assert_eq!(NodeName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "-a", ".a", "Node1", "ä", &"n".repeat(64)] {
            let message = NodeName::parse(bad).unwrap_err().to_string();
            assert!(message.contains("[a-z0-9][a-z0-9._-]{0,62}"), "{bad:?}: {message}");
        }
    }

    #[test]
    fn groups_know_their_shard() {
        assert_eq!(GroupId::shard(ShardId(7)).as_shard(), Some(ShardId(7)));
        assert_eq!(GroupId::CONTROL.as_shard(), None);
        assert_eq!(GroupId::CLOCK.to_string(), "clock");
        assert_eq!(GroupId::shard(ShardId(7)).to_string(), "shard-7");
    }

    #[test]
    fn transaction_ids_round_trip_through_text() {
        let id = TxnId { anchor: ShardId(3), start_ts: Timestamp(0x1f_00ab) };
        assert_eq!(id.to_string().parse::<TxnId>().unwrap(), id);
        assert!("3".parse::<TxnId>().is_err());
        assert!("x-1".parse::<TxnId>().is_err());
    }
}
