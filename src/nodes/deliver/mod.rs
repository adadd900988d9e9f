//! One delivery: look, send, check and name.
//!
//! What is sent goes to a name in a private directory, made from the final one and the
//! digest, so that an interrupted push finds its rest again, Proxmox does not list it,
//! nobody else reaches it, and options such as `--inplace` can do no harm. The final
//! name is given on the node, after the node itself has computed the digest.
//!
//! [`early`] does all of that in one session while the file is still being written here.
//!
//! [`push`] is the order of these steps, [`prepared`] what they share, [`stream`] and
//! [`rsync`] are two ways of sending; the third is a copy on this machine,
//! [`local::copy`](super::local::copy).

pub(super) mod early;
pub(super) mod prepared;
pub(super) mod push;
mod rsync;
mod stream;
