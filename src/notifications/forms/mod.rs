//! What each kind of receiver takes: from the message to the body of a request.
//!
//! Each is a function of the message alone, keeps within the size that its receiver takes,
//! and escapes every text for it.

pub(super) mod alertmanager;
pub(super) mod discord;
pub(super) mod mail;
pub(super) mod matrix;
pub(super) mod ntfy;
pub(super) mod slack;
pub(super) mod teams;
pub(super) mod webhook;

/// So many causes stand in a message for people; the rest is counted.
const ITEMS_MOST: usize = 10;
