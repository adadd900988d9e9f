//! From the command line to the verb that answers it, and to the exit code.

use std::process::ExitCode;

use clap::Parser;

use super::apply::PlanShown;
use super::args::{Cli, Color, LogFormat, Verb};
use super::exit::Exit;
use super::safe::Log;
use super::{
    apply, control, demo, docs, events, history, inspect, out, run as controller, status, style,
    validate,
};
use crate::app::StartError;
use crate::controller::http::ControlError;
use crate::error::chain;
use crate::reconcile::ReconcileError;
use crate::store::StateError;

/// The whole program: reads the command line of the process, answers it, and prints the
/// error where there is one.
///
/// It is here and not in `main.rs` because the code of an async function is generated in
/// the crate that polls it. With the runtime in `main.rs`, that was the program's, and
/// whatever the library needs as well was generated twice.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => report(&error).into(),
    }
}

/// Answers a parsed command line.
///
/// # Errors
/// Whatever kept the verb from answering; problems in orders are answers.
async fn run(cli: Cli) -> anyhow::Result<Exit> {
    set_color(cli.common.color);
    start_log(&cli)?;
    if let Some(flag) = cli.misplaced() {
        out::note(&format!(
            "{} {flag} applies only without a command; write it after the command if the command \
             accepts it, or leave the command out",
            style::error("error:")
        ));
        return Ok(Exit::Usage);
    }
    let Cli {
        command,
        common,
        pass: pass_args,
        once: _,
        dry_run,
        detailed_exitcode,
        yes,
    } = cli;
    match command {
        None if dry_run => {
            let shown = PlanShown::dry_run(&pass_args);
            apply::plan(&common, &pass_args, detailed_exitcode, shown).await
        }
        None => apply::apply(&common, &pass_args, yes).await,
        Some(Verb::Plan {
            pass: args,
            filter,
            manifests,
            detailed_exitcode,
        }) => {
            let shown = PlanShown::new(filter.into(), manifests);
            apply::plan(&common, &args, detailed_exitcode, shown).await
        }
        Some(Verb::Apply { pass: args, yes }) => apply::apply(&common, &args, yes).await,
        Some(Verb::Run { once }) => Box::pin(controller::run(&common, once)).await,
        Some(Verb::Status { filter, output }) => status::run(&common, &filter.into(), output),
        Some(Verb::History { number, output }) => history::run(&common, number, output),
        Some(Verb::Events { watch, output }) => events::run(&common, watch, output).await,
        Some(Verb::Suspend(what)) => control::suspend(&common, what).await,
        Some(Verb::Resume(what)) => control::resume(&common, what).await,
        Some(Verb::Approve { id }) => control::approve(&common, id).await,
        Some(Verb::Reconcile {
            order,
            node,
            timeout,
            output,
        }) => control::reconcile(&common, order, node, timeout, output).await,
        Some(Verb::Validate { output }) => validate::validate(&common, output),
        Some(Verb::Schematic { file, output }) => inspect::schematic(&file, output),
        Some(Verb::Versions { minor, all, output }) => {
            inspect::versions(&common, minor, all, output).await
        }
        Some(Verb::Schema { file }) => docs::schema(file),
        Some(Verb::Demo {
            dir, clean: true, ..
        }) => demo::clean(dir.as_deref()),
        Some(Verb::Demo { dir, serve, .. }) => demo::run(&common, dir.as_deref(), serve).await,
        Some(Verb::Completions { shell }) => docs::completions(shell),
        Some(Verb::Man { dir }) => docs::manual(dir.as_deref()),
    }
}

fn set_color(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

fn start_log(cli: &Cli) -> anyhow::Result<()> {
    // The scheduler tells of every alarm it sets, which nobody has asked for.
    let usual = match cli.command {
        Some(Verb::Run { .. }) => "info,tokio_cron_scheduler=warn",
        _ => "warn",
    };
    let filter = cli.common.log.as_deref().unwrap_or(usual);
    // What the watcher of the orders has to say comes to us as a value. Besides, it
    // warns of every watched directory that goes, which git-sync and Kubernetes make
    // happen with each change. Whoever names it in --log hears it all the same.
    let filter = tracing_subscriber::EnvFilter::try_new(format!("notify=off,{filter}"))
        .map_err(|error| anyhow::anyhow!("--log {filter:?}: {error}"))?;
    let json = matches!(cli.common.log_format, LogFormat::Json);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Log { json })
        .log_internal_errors(false);
    // A second start (the demo answers several command lines in one process)
    // keeps the first log.
    let _ = match cli.common.log_format {
        LogFormat::Text => {
            let colors =
                anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
            log.with_ansi(colors).with_target(false).try_init()
        }
        LogFormat::Json => log.json().try_init(),
    };
    Ok(())
}

/// Prints an error with its causes and, where one is known, a hint; the exit code
/// says whether the command line or the configuration is to blame.
fn report(error: &anyhow::Error) -> Exit {
    let start = error.downcast_ref::<StartError>();
    out::note(&format!(
        "{} {}",
        style::error("error:"),
        chain(error.as_ref())
    ));
    if let Some(StartError::Config(config)) = start {
        for problem in config.problems() {
            out::note(&format!("{} {problem}", style::error("error:")));
        }
    }
    let hint = start
        .and_then(StartError::hint)
        .or_else(|| {
            error
                .downcast_ref::<ReconcileError>()
                .and_then(ReconcileError::hint)
        })
        .or_else(|| {
            let state = error.downcast_ref().and_then(StateError::hint);
            let hint = state.or_else(|| error.downcast_ref().and_then(ControlError::hint));
            hint.map(str::to_owned)
        });
    if let Some(hint) = hint {
        out::note(&format!("  hint: {hint}"));
    }
    start.map_or(Exit::Failed, Exit::from)
}
