//! Messages to people: over HTTP, and by mail.
//!
//! Decides nothing: what is told, to whom and when is decided in `conclude/alerts`. A
//! [`Mailbox`] is a provider that is ready to be sent to; `forms` has one function for each
//! kind, from the message to what its receiver takes. Only an answer that confirms the
//! receipt counts. Redirects are not followed: the request has secrets in it.

#![expect(
    clippy::disallowed_methods,
    reason = "sends messages over the network, within a time"
)]

mod answer;
mod error;
mod escape;
mod forms;
mod http;
mod mailbox;
mod outbox;
mod smtp;

pub(crate) use forms::webhook::WebhookBody;
pub(crate) use mailbox::Mailbox;
pub(crate) use outbox::Outbox;

#[cfg(test)]
mod tests;
