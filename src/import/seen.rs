use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// The most ids that are remembered: about 75 MB.
const MOST: usize = 5_000_000;

/// Which ids of orders or products a file has had, by hash: what comes again is told, unless five million others came
/// before. A different body of an order is refused in any case, by the database.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Seen {
    /// Whether `id` comes for the first time.
    pub(super) fn is_new(&mut self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        if self.hashes.len() < MOST { self.hashes.insert(hash) } else { !self.hashes.contains(&hash) }
    }
}
