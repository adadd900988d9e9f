//! `outputs`: what the runs produced, in the forms that other tools read.
//!
//! One value serves all forms. It is made of the manifests and of what is suspended;
//! no node and no upstream is asked.

mod ansible;
pub(super) mod args;
mod capmox;
mod escape;
mod hcl;
mod load;
mod one;
mod text;
mod tree;
mod wait;

use super::args::Common;
use super::exit::Exit;
use super::forms::DataForm;
use super::{out, style};
use crate::app::App;
use args::{OutputsArgs, OutputsForm};
use load::{Loaded, OutputsReader};

/// Prints the outputs that were asked for.
pub(super) async fn run(common: &Common, args: &OutputsArgs) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    // Before anything is waited for: a query with a mistake stays one.
    let query = match args.output {
        OutputsForm::External => one::Query::read()?,
        _ => one::Query::default(),
    };
    let reader = OutputsReader::new(&app, common, args, &query);
    let loaded = match args.wait {
        true => match wait::until_ready(&reader, args.timeout).await? {
            Some(loaded) => loaded,
            None => return Ok(Exit::Failed),
        },
        false => reader.load()?,
    };
    let exit = show(&loaded, args.output)?;
    for line in loaded.complaints() {
        out::note(&format!("{} {line}", style::error("error:")));
    }
    Ok(match loaded.complaints().is_empty() {
        true => exit,
        false => Exit::Failed,
    })
}

fn show(loaded: &Loaded, form: OutputsForm) -> anyhow::Result<Exit> {
    let outputs = &loaded.selected;
    if outputs.is_empty() {
        out::note("no outputs: nothing is delivered to a node");
    }
    match form {
        OutputsForm::Table => out::text(&text::tables(outputs, false))?,
        OutputsForm::Wide => out::text(&text::tables(outputs, true))?,
        OutputsForm::Json => out::value(DataForm::Json, outputs)?,
        OutputsForm::Yaml => out::value(DataForm::Yaml, outputs)?,
        OutputsForm::Tfvars => {
            warn_of(&outputs.not_ready());
            out::data(&hcl::tfvars(outputs)?)?;
        }
        OutputsForm::Ansible => {
            warn_of(&outputs.not_ready());
            out::data(&ansible::vars(outputs)?)?;
        }
        OutputsForm::External => out::json(&one::Picked::of(outputs)?.external())?,
        OutputsForm::Env => {
            let picked = one::Picked::of(outputs)?;
            // Nothing is printed: a script that goes on has no values, instead of wrong ones.
            picked.check_ready()?;
            out::data(&picked.env())?;
        }
        OutputsForm::Capmox => {
            let fragments = capmox::Fragments::of(outputs, &loaded.all);
            for line in &fragments.notes {
                out::note(&format!("{} {line}", style::warning("note:")));
            }
            out::data(&fragments.yaml()?)?;
            let left_out = outputs.templates_not_ready();
            warn_of(&left_out);
            if !left_out.is_empty() {
                return Ok(Exit::Failed);
            }
        }
    }
    Ok(Exit::Done)
}

fn warn_of(not_ready: &[String]) {
    for line in not_ready {
        out::note(&format!("{} not ready: {line}", style::warning("warning:")));
    }
}
