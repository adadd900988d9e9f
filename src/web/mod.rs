//! What a running controller serves over HTTP to people and to other programs: the status
//! page, hooks, metrics and health.
//!
//! It is off unless an address is configured. Requests never touch a run: a page is made of
//! shared values ([`Live`](crate::live::Live)) and of the small files of the state
//! directory; an action changes such a file, or wakes the loop through [`Control`]. How
//! much clients may use at once is bounded in `server`, which hosts may be asked for in
//! `guard`, and who may act in `session`.
//!
//! | path | what |
//! |---|---|
//! | `/` and below | the status page; `visits` asks `pages` for them |
//! | `/live` | the version of what the pages show, as server-sent events; `stream` |
//! | `/login`, `/logout`, `/actions/…` | whoever may act; `actions` |
//! | `/hooks/NAME` | programs that say that the orders have changed; `hooks` |
//! | `/v1/status` | what `status -o json` prints |
//! | `/metrics` | numbers for Prometheus; `metrics` |
//! | `/healthz`, `/readyz` | for whoever supervises the process; `health` |

#![expect(
    clippy::disallowed_methods,
    reason = "listens, and bounds how long a client may take"
)]

mod actions;
mod answer;
mod config;
mod guard;
mod health;
mod hook_calls;
mod hooks;
mod last_text;
mod metrics;
mod pages;
mod peer;
mod rollouts;
mod router;
mod server;
mod session;
mod site;
mod stream;
#[cfg(test)]
mod tests;
mod visits;

pub(crate) use config::{ManifestPaths, WebConfig};
pub(crate) use server::{WebError, WebServer};
pub(crate) use site::{Control, Instructed, Vitals, WebParts};
