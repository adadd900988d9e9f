//! The words of the command line: the forms in which answers are written, and kinds of
//! things.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// How an answer is written. Which of these a command accepts is said beside its option.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputForm {
    /// For people.
    #[default]
    Text,
    /// For people, with all columns.
    Wide,
    /// For machines.
    Json,
    /// For machines, as YAML.
    Yaml,
    /// Only the names, one per line.
    Name,
}

/// A form that another program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataForm {
    Json,
    Yaml,
}

impl OutputForm {
    /// The form of the data; `None` for text.
    pub(super) const fn data(self) -> Option<DataForm> {
        match self {
            Self::Json => Some(DataForm::Json),
            Self::Yaml => Some(DataForm::Yaml),
            Self::Text | Self::Wide | Self::Name => None,
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "wide" => Self::Wide,
            "json" => Self::Json,
            "yaml" => Self::Yaml,
            "name" => Self::Name,
            _ => Self::Text,
        }
    }
}

fn parser(
    more: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> impl TypedValueParser<Value = OutputForm> {
    let usual = [
        ("text", "For people"),
        ("json", "For machines"),
        ("yaml", "For machines"),
    ];
    let values = usual.into_iter().chain(more);
    let values = values.map(|(name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).map(|name| OutputForm::named(&name))
}

const WIDE: (&str, &str) = ("wide", "For people, with all columns");

/// What every command accepts.
pub(super) fn text_forms() -> impl TypedValueParser<Value = OutputForm> {
    parser([])
}

/// What `status` accepts.
pub(super) fn status_forms() -> impl TypedValueParser<Value = OutputForm> {
    parser([WIDE])
}

/// What `get` accepts.
pub(super) fn object_forms() -> impl TypedValueParser<Value = OutputForm> {
    parser([WIDE, ("name", "Only the names")])
}

/// How the result of `validate` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValidateForm {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For machines.
    Yaml,
    /// Annotations of a GitHub workflow.
    Github,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ObjectKind {
    /// Orders.
    #[value(alias = "order")]
    Orders,
    /// Nodes.
    #[value(alias = "node")]
    Nodes,
    /// Images, wanted ones and those in the cache.
    #[value(alias = "image")]
    Images,
}

/// What can be suspended on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeKind {
    /// An order, by its id.
    Order,
    /// A node, by its name.
    Node,
}

/// A file or an answer with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// config.yaml
    Config,
    /// orders
    Orders,
    /// what apply -o json prints
    Apply,
    /// what diff -o json prints
    Diff,
    /// each line of events -o json
    Events,
    /// what get images -o json prints
    GetImages,
    /// what get nodes -o json prints
    GetNodes,
    /// what get orders -o json prints
    GetOrders,
    /// what history -o json prints
    History,
    /// the manifest of an order
    Manifest,
    /// what outputs -o json prints
    Outputs,
    /// what a webhook of notifications receives
    Notification,
    /// what notify list -o json prints
    NotifyList,
    /// what plan -o json prints
    Plan,
    /// what rollout list -o json and rollout show -o json print
    Rollout,
    /// what schematic -o json prints
    Schematic,
    /// what status -o json and reconcile -o json print
    Status,
    /// what status --fleet -o json prints
    StatusFleet,
    /// what validate -o json prints
    Validate,
    /// what versions -o json prints
    Versions,
    /// what wait -o json prints
    Wait,
}
