//! From the command line to the verb that answers it, and to the exit code.

use std::process::ExitCode;

use clap::Parser;

use super::args::{Cli, Verb};
use super::asked::{ApplyAsked, PlanShown};
use super::exit::Exit;
use super::forms::Color;
use super::saved::PlanFileError;
use super::{
    apply, complete, control, demo, diff, docs, events, get, history, inspect, log, notify, out,
    outputs, pve_setup, rollout, run as controller, signal, status, style, validate, wait,
};
use crate::app::{InstructError, StartError};
use crate::controller::LeadError;
use crate::controller::http::ControlError;
use crate::error::chain;
use crate::plan::UnmatchedPattern;
use crate::reconcile::ReconcileError;
use crate::store::StateError;
use crate::web::WebError;

/// The whole program: reads the command line of the process, answers it, and prints the
/// error where there is one.
///
/// It is here and not in `main.rs` because the code of an async function is generated in
/// the crate that polls it. With the runtime in `main.rs`, that was the program's, and
/// whatever the library needs as well was generated twice.
#[must_use]
pub fn main() -> ExitCode {
    if complete::complete() {
        return ExitCode::SUCCESS;
    }
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
    let usual = match cli.command {
        Some(Verb::Run(_)) => "info",
        _ => "warn",
    };
    log::start(&cli.common, usual)?;
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
        run: run_args,
        metrics,
        once: _,
        dry_run,
        detailed_exitcode,
        yes,
    } = cli;
    match command {
        None if dry_run => {
            let shown = PlanShown::dry_run(&run_args);
            let plan = apply::plan(&common, &run_args, detailed_exitcode, shown);
            signal::unless_stopped(Box::pin(plan)).await
        }
        None => {
            let asked = ApplyAsked {
                metrics_file: metrics.metrics_file,
                ..ApplyAsked::all(yes)
            };
            apply::apply(&common, &run_args, asked).await
        }
        Some(Verb::Plan {
            run: args,
            select,
            out,
            manifests,
            detailed_exitcode,
        }) => {
            let shown = PlanShown::new(select.into(), manifests, out);
            let plan = apply::plan(&common, &args, detailed_exitcode, shown);
            signal::unless_stopped(Box::pin(plan)).await
        }
        Some(Verb::Diff { filter, output }) => {
            let selection = filter.into();
            let diff = diff::run(&common, &selection, output);
            signal::unless_stopped(Box::pin(diff)).await
        }
        Some(Verb::Apply {
            file,
            run: args,
            metrics,
            select,
            yes,
        }) => {
            let asked = ApplyAsked {
                file,
                selection: select.into(),
                yes,
                metrics_file: metrics.metrics_file,
            };
            apply::apply(&common, &args, asked).await
        }
        Some(Verb::Run(args)) => Box::pin(controller::run(&common, &args)).await,
        Some(Verb::Status {
            fleet: true,
            output,
            ..
        }) => signal::unless_stopped(status::fleet::run(&common, output)).await,
        Some(Verb::Status { filter, output, .. }) => {
            status::run(&common, &filter.into(), output).await
        }
        Some(Verb::Get {
            kind,
            names,
            output,
        }) => get::run(&common, kind, &names, output),
        Some(Verb::Outputs(args)) => outputs::run(&common, &args).await,
        Some(Verb::History { number, output }) => history::run(&common, number, output),
        Some(Verb::Events { watch, output }) => events::run(&common, watch, output).await,
        Some(Verb::Suspend(what)) => control::suspend(&common, what).await,
        Some(Verb::Resume(what)) => control::resume(&common, what).await,
        Some(Verb::Approve { id }) => control::approve(&common, id).await,
        Some(Verb::Rollout(args)) => rollout::run(&common, &args).await,
        Some(Verb::Reconcile(args)) => control::reconcile(&common, args).await,
        Some(Verb::Notify(args)) => notify::run(&common, &args).await,
        Some(Verb::Wait(args)) => Box::pin(wait::run(&common, &args)).await,
        Some(Verb::Validate { online, output }) => {
            let validate = validate::validate(&common, online, output);
            signal::unless_stopped(Box::pin(validate)).await
        }
        Some(Verb::Schematic { file, output }) => inspect::schematic(&file, output),
        Some(Verb::Versions { minor, all, output }) => {
            inspect::versions(&common, minor, all, output).await
        }
        Some(Verb::Schema { file }) => docs::schema(file),
        Some(Verb::PveSetup(args)) => {
            pve_setup::run(common.config.as_deref(), common.orders.as_deref(), args).await
        }
        Some(Verb::Demo {
            dir, clean: true, ..
        }) => demo::clean(dir.as_deref()),
        Some(Verb::Demo {
            dir, pve, serve, ..
        }) => demo::run(&common, dir.as_deref(), pve, serve).await,
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
            let control = || error.downcast_ref().and_then(ControlError::hint);
            let web = || error.downcast_ref().and_then(WebError::hint);
            let lead = || error.downcast_ref().and_then(LeadError::hint);
            state.or_else(control).or_else(web).or_else(lead)
        });
    let instruct = error.downcast_ref().and_then(InstructError::hint);
    let hint = hint.or(instruct);
    let hint = hint.or_else(|| error.downcast_ref().and_then(rollout::hint));
    let file = error.downcast_ref::<PlanFileError>();
    let hint = hint.or_else(|| file.and_then(PlanFileError::hint));
    let unmatched = error.downcast_ref::<UnmatchedPattern>();
    let hint = hint.or_else(|| unmatched.map(UnmatchedPattern::hint));
    if let Some(hint) = hint {
        out::note(&format!("  hint: {hint}"));
    }
    if unmatched.is_some() || file.is_some() {
        return Exit::Usage;
    }
    start.map_or(Exit::Failed, Exit::from)
}
