//! `notify`: tries a provider of notifications, and lists what they were told.

use anyhow::anyhow;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::Common;
use super::exit::Exit;
use super::forms::OutputForm;
use super::notify_args::{NotifyArgs, NotifyVerb};
use super::table::{Table, one_line, span};
use super::{out, style};
use crate::app::{App, Mode};
use crate::conclude::alerts::{AlertMessage, ProviderLedger};
use crate::error::chain;
use crate::notifications::Mailbox;

/// A provider, as `notify list -o json` has it.
#[derive(Serialize, JsonSchema)]
pub(super) struct ProviderLine {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Failures that it was told and that last.
    firing: usize,
    /// Failures and recoveries that it was not told yet.
    waiting: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Answers `notify`.
pub(super) async fn run(common: &Common, args: &NotifyArgs) -> anyhow::Result<Exit> {
    match &args.verb {
        NotifyVerb::Test { provider } => test(common, provider).await,
        NotifyVerb::List { output } => list(common, *output),
    }
}

async fn test(common: &Common, name: &str) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let outbox = app.outbox();
    let known = outbox.as_ref().and_then(|outbox| {
        let mailbox = outbox.mailbox(name)?;
        Some((outbox, mailbox))
    });
    let Some((outbox, mailbox)) = known else {
        let names = outbox.iter().flat_map(|outbox| &outbox.mailboxes);
        let names: Vec<&str> = names.map(Mailbox::name).collect();
        let hint = match names.as_slice() {
            [] => "the configuration has no `notifications.providers`".to_owned(),
            names => format!("the configuration has {}", names.join(", ")),
        };
        let error = style::error("error:");
        out::note(&format!(
            "{error} there is no provider {name:?}\n  hint: {hint}"
        ));
        return Ok(Exit::Usage);
    };
    let message = AlertMessage::sample(outbox.sender.clone(), app.now());
    let (kind, target) = (mailbox.target().kind(), mailbox.target().shown());
    match mailbox.send(&message).await {
        Ok(receipt) => {
            out::text(&format!(
                "{name}: delivered to {kind} {target}\nanswer: {}\n",
                receipt.answer
            ))?;
            Ok(Exit::Done)
        }
        Err(error) => {
            let hint = error.hint().map(|hint| format!("\n  hint: {hint}"));
            let hint = hint.unwrap_or_default();
            Err(anyhow!("{name}: not delivered: {}{hint}", chain(&error)))
        }
    }
}

fn list(common: &Common, output: OutputForm) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let ledger = app.state().alerts();
    let outbox = app.outbox();
    let mailboxes = outbox.iter().flat_map(|outbox| &outbox.mailboxes);
    let lines = mailboxes.map(|mailbox| {
        let nothing = ProviderLedger::default();
        let known = ledger.providers.get(mailbox.name()).unwrap_or(&nothing);
        ProviderLine {
            name: mailbox.name().to_owned(),
            kind: mailbox.target().kind(),
            firing: known.firing(),
            waiting: known.waiting(),
            delivered_at: known.delivered_at,
            next_try: known.retry_at,
            error: known.error.clone(),
        }
    });
    let lines: Vec<ProviderLine> = lines.collect();
    if let Some(form) = output.data() {
        out::value(form, &lines)?;
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        out::text("no providers\n")?;
        return Ok(Exit::Done);
    }
    let now = app.now();
    let mut table = Table::new(&["NAME", "TYPE", "FIRING", "WAITING", "DELIVERED", "ERROR"]);
    for line in lines {
        let delivered = line.delivered_at.map(|at| format!("{} ago", span(at, now)));
        table.row([
            line.name,
            line.kind.to_owned(),
            line.firing.to_string(),
            line.waiting.to_string(),
            delivered.unwrap_or_else(|| "-".to_owned()),
            one_line(line.error.as_deref().unwrap_or("-")),
        ]);
    }
    let text: String = table
        .lines()
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    out::text(&text)?;
    Ok(Exit::Done)
}
