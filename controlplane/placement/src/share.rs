//! Who holds how many copies, and then which: the shares are settled first, so that the last shard finds room as well.
//!
//! ```text
//!  zones ─► so many copies of each shard in each zone, as even as can be   (some zones take one more: the extras)
//!        ─► how often each zone is the one to take an extra                (so that its nodes hold no more than others)
//!        ─► how many copies each node of a zone holds                      (differs by at most one within the zone)
//!  shard ─► its zones, then its nodes: the preferred ones that have something left of their share
//! ```
//!
//! Zones go first: a zone of one small node takes a copy of every shard when there are as many copies as zones, because
//! the loss of a zone is what zones are for. Within that, no plan has a lower highest load.
//!
//! Why the shards never run out of room: of what is left to fill, every part wants `base` or `base + 1` different holders
//! per shard, and such a table can be completed as long as nobody has more left than there are shards left (Gale 1957,
//! Ryser 1957). [`pick`] keeps that true by taking first whoever has exactly that much left.

use crate::roster::Roster;

/// Copies of every shard in each zone.
struct Even {
    /// In each zone, for every shard.
    base: Vec<usize>,
    /// Whether a zone has a node left for one more.
    open: Vec<bool>,
    /// Open zones that take one more, for every shard.
    extras: usize,
}

/// Spreads `copies` over zones of these sizes so that no zone has two more than another that has a node left.
fn even(sizes: &[usize], copies: usize) -> Even {
    let (mut level, mut taken) = (0, 0);
    loop {
        let open = sizes.iter().filter(|size| **size > level).count();
        if open == 0 || taken + open > copies {
            break;
        }
        (level, taken) = (level + 1, taken + open);
    }
    Even {
        base: sizes.iter().map(|size| level.min(*size)).collect(),
        open: sizes.iter().map(|size| *size > level).collect(),
        extras: copies - taken,
    }
}

/// How often each zone takes an extra: one after the other to the zone whose nodes hold the least, once per shard.
fn zone_shares(sizes: &[usize], even: &Even, shards: usize) -> Vec<usize> {
    let mut shares = vec![0; sizes.len()];
    let load = |zone: usize, share: usize| (shards * even.base[zone] + share + 1, sizes[zone]);
    for _ in 0..shards * even.extras {
        let free = (0..sizes.len()).filter(|zone| even.open[*zone] && shares[*zone] < shards);
        let least = free.min_by(|a, b| {
            let ((a_copies, a_nodes), (b_copies, b_nodes)) = (load(*a, shares[*a]), load(*b, shares[*b]));
            (a_copies * b_nodes).cmp(&(b_copies * a_nodes))
        });
        shares[least.expect("there are at least as many open zones as extras")] += 1;
    }
    shares
}

/// Takes `count` of the candidates, which come in order of preference, that have something left of their share.
///
/// With `remaining` shards to go, this one included, whoever has that much left has to be in every one of them.
fn pick(mut candidates: Vec<usize>, left: &mut [usize], remaining: usize, count: usize) -> Vec<usize> {
    candidates.sort_by_key(|candidate| left[*candidate] < remaining);
    let picked: Vec<usize> = candidates.into_iter().filter(|candidate| left[*candidate] > 0).take(count).collect();
    assert_eq!(picked.len(), count, "shares add up to what is left to place");
    for one in &picked {
        left[*one] -= 1;
    }
    picked
}

/// The nodes that hold each shard, in its order of preference. There are no more `copies` than nodes.
pub(crate) fn choose(roster: &Roster<'_>, preferences: &[Vec<usize>], copies: usize) -> Vec<Vec<usize>> {
    let shards = preferences.len();
    let sizes: Vec<usize> = roster.zones.iter().map(Vec::len).collect();
    let even = even(&sizes, copies);
    let mut zones_left = zone_shares(&sizes, &even, shards);
    let mut nodes_left = vec![0; roster.nodes.len()];
    for (zone, members) in roster.zones.iter().enumerate() {
        let total = shards * even.base[zone] + zones_left[zone];
        for (rank, node) in members.iter().enumerate() {
            nodes_left[*node] = total / members.len() + usize::from(rank < total % members.len());
        }
    }
    let mut placed = Vec::with_capacity(shards);
    for (done, preference) in preferences.iter().enumerate() {
        let mut counts = even.base.clone();
        let mut open = Vec::new();
        let mut seen = vec![false; sizes.len()];
        for zone in preference.iter().map(|node| roster.zone_of[*node]) {
            if even.open[zone] && !std::mem::replace(&mut seen[zone], true) {
                open.push(zone);
            }
        }
        for zone in pick(open, &mut zones_left, shards - done, even.extras) {
            counts[zone] += 1;
        }
        let mut chosen = vec![false; roster.nodes.len()];
        for (zone, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let members = preference.iter().copied().filter(|node| roster.zone_of[*node] == zone).collect();
            for node in pick(members, &mut nodes_left, shards - done, count) {
                chosen[node] = true;
            }
        }
        placed.push(preference.iter().copied().filter(|node| chosen[*node]).collect());
    }
    placed
}
