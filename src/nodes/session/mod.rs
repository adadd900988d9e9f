//! A session with one node: how it is reached, what runs there, and within which limits.
//!
//! [`node_session`] runs scripts and hands on their answers, [`timeouts`] and [`rates`]
//! say how long a script and how fast bytes may go, [`queue`] lets operations of this
//! process on one directory follow one another.

pub(crate) mod node_session;
pub(crate) mod queue;
pub(crate) mod rates;
pub(crate) mod timeouts;
