//! How a node finds its cluster, or makes one with its peers. Pure: greetings in, a step out.
//!
//! ```text
//!  own list of peers ─┬─ somebody belongs to a cluster ─┬─ I am one of its voters, same disk ─► Vote
//!                     │                                 ├─ my name, another disk ─────────────► identity lost
//!                     │                                 └─ not me ────────────────────────────► Join (data only)
//!                     ├─ all have answered, none belongs anywhere, I have the lowest name ────► Vote, as founder
//!                     └─ otherwise ───────────────────────────────────────────────────────────► Wait
//! ```
//!
//! One node initialises the group: the lowest name among those that were given the whole list. The others learn the
//! voters from its greeting, so that two lists that differ can never make two groups of the same nodes. The incarnation
//! follows from the cluster id and the voters' disks; a cluster made again from new disks is another one.

use crate::data_dir::{Member, Membership};
use phoenixmldb_types::{ClusterId, NodeName, RaftId};
use std::collections::BTreeMap;

/// What a node says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// Who it is.
    pub member: Member,
    /// Whether it may vote in the control group.
    pub controller: bool,
    /// The cluster it wants, or belongs to.
    pub cluster_id: Option<ClusterId>,
    /// The life it belongs to.
    pub incarnation: Option<String>,
    /// Peers it was started with, itself not among them; empty for one that joins.
    pub peers: Vec<String>,
    /// Voters, once known.
    pub voters: Vec<Member>,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Ask again; the text says for whom.
    Wait(String),
    /// Take part in the control group.
    Vote(Membership),
    /// Belong to the cluster without a vote.
    Join(Membership),
    /// It cannot work; the text says why.
    WrongCluster(String),
    /// The cluster knows this name with another disk.
    IdentityLost(String),
}

/// Identity of the life of a cluster that these disks begin.
#[must_use]
pub fn incarnation(cluster_id: &ClusterId, voters: &[Member]) -> String {
    let mut ids: Vec<RaftId> = voters.iter().map(|member| member.raft_id).collect();
    ids.sort();
    let mut bytes = cluster_id.as_str().as_bytes().to_vec();
    for id in ids {
        bytes.extend_from_slice(&id.0.to_be_bytes());
    }
    uuid::Uuid::from_u128(xxhash_rust::xxh3::xxh3_128(&bytes)).to_string()
}

/// Decides from what has been heard: answers by the address that was asked, and `bootstrap` addresses of others.
///
/// `default_cluster` is the id for a cluster that nobody has named.
#[must_use]
pub fn decide(own: &Hello, bootstrap: &[String], heard: &BTreeMap<String, Hello>, default_cluster: &ClusterId) -> Step {
    for (address, other) in heard {
        if let (Some(mine), Some(theirs)) = (&own.cluster_id, &other.cluster_id)
            && mine != theirs
        {
            let name = &other.member.name;
            return Step::WrongCluster(format!(
                "cluster id mismatch: peer {name} ({address}) says {:?}, you said {:?}",
                theirs.as_str(),
                mine.as_str()
            ));
        }
    }
    let formed: Vec<&Hello> = heard.values().filter(|other| other.incarnation.is_some()).collect();
    if let Some(first) = formed.first() {
        if let Some(second) = formed.iter().find(|other| other.incarnation != first.incarnation) {
            let life = |hello: &Hello| hello.incarnation.clone().unwrap_or_default();
            return Step::WrongCluster(two_lives(
                (&first.member.name, &life(first)),
                (&second.member.name, &life(second)),
            ));
        }
        return enter(own, first);
    }
    let missing: Vec<&String> = own.peers.iter().chain(bootstrap).filter(|peer| !heard.contains_key(*peer)).collect();
    let whole = own.peers.len() + 1;
    if own.peers.is_empty() && !bootstrap.is_empty() {
        let who: Vec<&str> = bootstrap.iter().map(String::as_str).collect();
        return Step::Wait(format!("waiting for {} to form the cluster", who.join(", ")));
    }
    let names = |addresses: &[&String]| addresses.iter().map(|a| host(a).to_owned()).collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        return Step::Wait(format!("forming, {}/{whole}, waiting for {}", whole - missing.len(), names(&missing)));
    }
    let peers: Vec<&Hello> = own.peers.iter().filter_map(|address| heard.get(address)).collect();
    if let Some(same) = peers.iter().find(|other| other.member.name == own.member.name) {
        return Step::WrongCluster(format!(
            "node id {:?} is used twice: here and at {}",
            own.member.name.as_str(),
            same.member.peer_address
        ));
    }
    let mut lists: Vec<&Hello> = peers.iter().copied().filter(|other| !other.peers.is_empty()).collect();
    if let Some(other) = lists.iter().find(|other| other.peers.len() != own.peers.len()) {
        return Step::Wait(format!(
            "forming: {} was started with {} peers, this node with {}; give all the same list",
            other.member.name,
            other.peers.len(),
            own.peers.len()
        ));
    }
    lists.push(own);
    let founder: &NodeName =
        lists.iter().map(|hello| &hello.member.name).min().expect("the list holds at least this node");
    if *founder != own.member.name {
        return Step::Wait(format!("forming, {whole}/{whole}, waiting for {founder} to begin"));
    }
    let mut voters: Vec<Member> =
        peers.iter().filter(|other| other.controller).map(|other| other.member.clone()).collect();
    voters.push(own.member.clone());
    voters.sort();
    let named = own.cluster_id.clone().or_else(|| peers.iter().find_map(|other| other.cluster_id.clone()));
    let cluster_id = named.unwrap_or_else(|| default_cluster.clone());
    let incarnation = incarnation(&cluster_id, &voters);
    Step::Vote(Membership { cluster_id, incarnation, voters, founder: true })
}

/// Two nodes were initialised apart from each other, under one cluster id.
#[must_use]
pub fn two_lives(one: (&NodeName, &str), other: (&NodeName, &str)) -> String {
    format!("two different incarnations: {} ({}), {} ({})", one.0, one.1, other.0, other.1)
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Somebody belongs to a cluster: take one's place in it.
fn enter(own: &Hello, other: &Hello) -> Step {
    let (Some(cluster_id), Some(incarnation)) = (other.cluster_id.clone(), other.incarnation.clone()) else {
        return Step::Wait(format!("waiting for {} to know its cluster", other.member.name));
    };
    let membership = Membership { cluster_id, incarnation, voters: other.voters.clone(), founder: false };
    match other.voters.iter().find(|voter| voter.name == own.member.name) {
        Some(voter) if voter.raft_id == own.member.raft_id => Step::Vote(membership),
        Some(_) => Step::IdentityLost(format!(
            "identity lost: {name} is a member of cluster {cluster} with another disk; bring that disk back, or give this node another --node-id",
            name = own.member.name,
            cluster = membership.cluster_id
        )),
        None => Step::Join(membership),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(n: u64, peers: &[u64]) -> Hello {
        Hello {
            member: Member {
                name: NodeName::parse(&format!("node{n}")).unwrap(),
                raft_id: RaftId(n * 100),
                peer_address: format!("node{n}:5433"),
                data: true,
            },
            controller: true,
            cluster_id: None,
            incarnation: None,
            peers: peers.iter().map(|p| format!("node{p}:5433")).collect(),
            voters: vec![],
        }
    }

    fn run(own: &Hello, bootstrap: &[String], heard: &[&Hello]) -> Step {
        let heard = heard.iter().map(|other| (other.member.peer_address.clone(), (*other).clone())).collect();
        decide(own, bootstrap, &heard, &ClusterId::parse("default").unwrap())
    }

    fn formed(mut hello: Hello, membership: &Membership) -> Hello {
        hello.cluster_id = Some(membership.cluster_id.clone());
        hello.incarnation = Some(membership.incarnation.clone());
        hello.voters = membership.voters.clone();
        hello
    }

    #[test]
    fn all_listed_peers_have_to_be_seen_once_and_the_lowest_name_begins() {
        let (one, two, three) = (hello(1, &[2, 3]), hello(2, &[1, 3]), hello(3, &[1, 2]));
        assert_eq!(run(&one, &[], &[&two]), Step::Wait("forming, 2/3, waiting for node3".into()));
        assert_eq!(run(&two, &[], &[&one, &three]), Step::Wait("forming, 3/3, waiting for node1 to begin".into()));
        let Step::Vote(membership) = run(&one, &[], &[&two, &three]) else { panic!() };
        assert!(membership.founder);
        assert_eq!(membership.voters.len(), 3);
        assert_eq!(membership.cluster_id.as_str(), "default");
        let one = formed(one, &membership);
        let Step::Vote(learned) = run(&two, &[], &[&one, &three]) else { panic!() };
        assert_eq!(learned, Membership { founder: false, ..membership });
    }

    #[test]
    fn a_joining_node_waits_for_its_bootstrap_peer_and_takes_its_place() {
        let (one, two) = (hello(1, &[2]), hello(2, &[]));
        let bootstrap = ["node1:5433".to_owned()];
        assert!(matches!(run(&two, &bootstrap, &[]), Step::Wait(text) if text.contains("node1:5433")));
        assert!(matches!(run(&two, &bootstrap, &[&one]), Step::Wait(_)));
        let Step::Vote(membership) = run(&one, &[], &[&two]) else { panic!() };
        assert!(matches!(run(&two, &bootstrap, &[&formed(one.clone(), &membership)]), Step::Vote(_)));
        let stranger = hello(9, &[]);
        assert!(matches!(run(&stranger, &bootstrap, &[&formed(one, &membership)]), Step::Join(_)));
    }

    #[test]
    fn a_node_without_peers_makes_a_cluster_of_one() {
        let Step::Vote(membership) = run(&hello(1, &[]), &[], &[]) else { panic!() };
        assert_eq!(membership.voters.len(), 1);
    }

    #[test]
    fn a_wiped_disk_is_a_stranger() {
        let (one, two) = (hello(1, &[2]), hello(2, &[1]));
        let Step::Vote(membership) = run(&one, &[], &[&two]) else { panic!() };
        let mut wiped = hello(2, &[1]);
        wiped.member.raft_id = RaftId(999);
        let Step::IdentityLost(text) = run(&wiped, &[], &[&formed(one, &membership)]) else { panic!() };
        assert!(text.contains("node2 is a member") && text.contains("another --node-id"), "{text}");
    }

    #[test]
    fn different_ids_lives_and_lists_are_told_apart() {
        let (mut one, mut two) = (hello(1, &[2]), hello(2, &[1]));
        one.cluster_id = Some(ClusterId::parse("x").unwrap());
        two.cluster_id = Some(ClusterId::parse("my-cluster").unwrap());
        let Step::WrongCluster(text) = run(&one, &[], &[&two]) else { panic!() };
        assert!(text.contains("says \"my-cluster\", you said \"x\""), "{text}");

        let (one, two, three) = (hello(1, &[2, 3]), hello(2, &[]), hello(3, &[]));
        let life = |own: &Hello, other: &Hello| {
            let mut own = own.clone();
            own.peers = vec![other.member.peer_address.clone()];
            let Step::Vote(membership) = run(&own, &[], &[other]) else { panic!() };
            formed(own, &membership)
        };
        let (two, three) = (life(&two, &hello(4, &[])), life(&three, &hello(5, &[])));
        let Step::WrongCluster(text) = run(&one, &[], &[&two, &three]) else { panic!() };
        assert!(text.contains("two different incarnations"), "{text}");

        let (one, two) = (hello(1, &[2]), hello(2, &[1, 3]));
        assert!(matches!(run(&one, &[], &[&two]), Step::Wait(text) if text.contains("same list")));
        let mut twin = hello(1, &[1]);
        twin.peers = vec!["node1:6000".into()];
        let mut other = hello(1, &[]);
        other.member.peer_address = "node1:6000".into();
        assert!(matches!(run(&twin, &[], &[&other]), Step::WrongCluster(text) if text.contains("used twice")));
    }
}
