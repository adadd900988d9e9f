//! The options of `notify`.

use clap::{Args, Subcommand};

use super::forms::{OutputForm, text_forms};

/// What is asked of the providers of notifications.
#[derive(Debug, Clone, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct NotifyArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: NotifyVerb,
}

/// What can be done with providers.
#[derive(Debug, Clone, Subcommand)]
pub enum NotifyVerb {
    /// Send a sample failure, and print what the receiver answers
    ///
    /// Exit code: 0 if the receiver confirmed it, 1 if not.
    Test {
        /// The provider, as the configuration calls it
        #[arg(value_name = "NAME")]
        provider: String,
    },
    /// List the providers: what they were told, and what waits
    List {
        /// Output format
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
}
