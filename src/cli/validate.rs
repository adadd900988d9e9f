//! `validate`: checks configuration and orders; touches neither network nor nodes, unless
//! it is to ask the clusters, the buckets and the store.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Common;
use super::exit::Exit;
use super::forms::{DataForm, ValidateForm};
use super::preflight::{self, CheckLevel, ClusterReport, NodeReport, OnlineReport, StoreReport};
use super::{notices, out, style};
use crate::app::{App, Mode, OrdersAt, StartError};
use crate::conclude::SourceLine;
use crate::config::ConfigError;
use crate::error::chain;
use crate::facts::Memory;
use crate::model::{
    AwaitedNodes, ClusterName, OrderSet, Problem, UnknownNode, visible, visible_path,
};
use crate::orders::OrdersError;
use crate::plan::NodeDoubt;
use crate::source::Freshness;

/// What `validate -o json` prints.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct ValidateAnswer<'a> {
    /// Nodes that only a cluster knows: whether it does is not seen offline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    awaited: Vec<AwaitedAnswer<'a>>,
    /// What was found at each cluster, with --online.
    #[serde(skip_serializing_if = "Option::is_none")]
    clusters: Option<&'a [ClusterReport]>,
    /// How many files of orders there are.
    files: usize,
    /// What was found at each node that is a bucket, with --online.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<&'a [NodeReport]>,
    /// How many orders are valid.
    orders: usize,
    /// How many of their positions are.
    positions: usize,
    /// What is wrong.
    problems: Vec<&'a Problem>,
    /// Which revision is checked, where the program fetches the orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a SourceLine>,
    /// What was found at the store, with --online.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a StoreReport>,
    /// True if nothing is.
    valid: bool,
    /// What is valid and probably not meant.
    warnings: Vec<&'a Problem>,
}

/// Nodes that an order names and only a cluster knows.
#[derive(Serialize, JsonSchema)]
struct AwaitedAnswer<'a> {
    /// The clusters that may know them.
    clusters: &'a [ClusterName],
    /// The file that names them.
    file: &'a str,
    /// The line, counted from 1.
    line: u64,
    /// As the order names them.
    name: &'a str,
}

/// Checks, and says what is wrong.
pub(super) async fn validate(
    common: &Common,
    online: bool,
    form: ValidateForm,
) -> anyhow::Result<Exit> {
    let loaded = load(common, online).await;
    let asked = match &loaded {
        Ok((app, _, orders)) if online => preflight::check(app, orders).await,
        _ => OnlineReport::default(),
    };
    let is_nobody_asked =
        asked.clusters.is_empty() && asked.nodes.is_empty() && asked.store.is_none();
    if online && loaded.is_ok() && is_nobody_asked {
        out::note("no clusters in the configuration, so no Proxmox VE API was asked");
    }
    match (loaded, form) {
        (Ok((app, at, orders)), ValidateForm::Text) => {
            checked_revision(&at, online);
            notices::problems(&orders);
            let unknown = unknown_nodes(&app, &orders, online).await;
            if !online {
                unchecked_nodes(&app, &orders);
            }
            for warning in &unknown {
                out::note(&format!("{} {warning}", style::warning("warning:")));
            }
            notices::awaited(&orders, &|cluster| app.is_asked(cluster), online);
            let text = asked.text() + &summary(&orders, unknown.len()) + &checked(&asked);
            out::text(&text)?;
            Ok(exit(&at, &orders, &asked))
        }
        (Ok((app, at, orders)), ValidateForm::Json | ValidateForm::Yaml) => {
            let unknown = unknown_nodes(&app, &orders, online).await;
            let answer = ValidateAnswer {
                valid: exit(&at, &orders, &asked) == Exit::Done,
                files: orders.files,
                orders: orders.orders.len(),
                positions: positions(&orders),
                problems: orders.problems().collect(),
                warnings: orders.warnings.iter().chain(&unknown).collect(),
                awaited: orders.awaited().map(AwaitedAnswer::of).collect(),
                source: at.source(),
                clusters: online.then_some(asked.clusters.as_slice()),
                nodes: online.then_some(asked.nodes.as_slice()),
                store: asked.store.as_ref(),
            };
            out::value(data(form), &answer)?;
            Ok(exit(&at, &orders, &asked))
        }
        (Ok((app, at, orders)), ValidateForm::Github) => {
            checked_revision(&at, online);
            let unknown = unknown_nodes(&app, &orders, online).await;
            let errors = orders
                .problems()
                .map(|problem| annotation("error", problem));
            let warnings = orders.warnings.iter().chain(&unknown);
            let warnings = warnings.map(|problem| annotation("warning", problem));
            let found = annotations(&asked);
            let lines: String = errors.chain(warnings).chain(found).collect();
            out::text(&(lines + &summary(&orders, unknown.len())))?;
            Ok(exit(&at, &orders, &asked))
        }
        (Err(error), ValidateForm::Text) => Err(error.into()),
        (Err(error), ValidateForm::Json | ValidateForm::Yaml) => {
            out::value(
                data(form),
                &ValidateAnswer {
                    problems: problems_of(&error).iter().collect(),
                    ..ValidateAnswer::default()
                },
            )?;
            Ok(Exit::from(&error))
        }
        (Err(error), ValidateForm::Github) => {
            let problems = problems_of(&error);
            let lines = problems.iter().map(|problem| annotation("error", problem));
            out::text(&lines.collect::<String>())?;
            Ok(Exit::from(&error))
        }
    }
}

fn data(form: ValidateForm) -> DataForm {
    match form {
        ValidateForm::Yaml => DataForm::Yaml,
        ValidateForm::Text | ValidateForm::Json | ValidateForm::Github => DataForm::Json,
    }
}

impl<'a> AwaitedAnswer<'a> {
    fn of(awaited: &'a AwaitedNodes) -> Self {
        Self {
            clusters: &awaited.clusters,
            file: &awaited.source.file,
            line: awaited.source.line,
            name: &awaited.name,
        }
    }
}

async fn load(common: &Common, online: bool) -> Result<(App, OrdersAt, Arc<OrderSet>), StartError> {
    let config = common.config.as_deref();
    let app = match online {
        true => App::start(config, Mode::ReadOnly)?,
        false => App::offline(config)?,
    };
    if online {
        // Without what is remembered: what is checked is what there is now.
        app.survey(&Memory::default()).await?;
    }
    let named = common.orders.as_deref();
    let at = match online {
        true => app.fetch_orders(named, Freshness::Now).await?,
        false => app.known_orders(named)?,
    };
    let orders = app.orders(&at)?;
    Ok((app, at, orders))
}

/// Nodes that only clusters of other sites can know and that these do not report, as warnings.
/// Offline nobody is asked: such a name is nothing to warn of, it may well be right.
async fn unknown_nodes(app: &App, orders: &OrderSet, online: bool) -> Vec<Problem> {
    let unknown = app.unknown_nodes(orders);
    if !online || unknown.is_empty() {
        return Vec::new();
    }
    // That the store cannot be used is told with what was found there.
    let fleet = app.whole_fleet().await.unwrap_or_default();
    let doubts = unknown.iter().filter_map(|unknown| {
        // Whoever asks wants to know what is not known, too.
        let fleet = fleet.as_ref().filter(|fleet| fleet.trouble.is_none());
        let doubt = NodeDoubt::of(unknown, fleet)?;
        let UnknownNode { node, source, .. } = unknown;
        let mut problem = Problem::of_file(
            source.file.clone(),
            format!("node {node} is unknown here; {doubt}"),
        );
        problem.line = Some(source.line);
        problem.hint = doubt.hint().map(str::to_owned);
        Some(problem)
    });
    doubts.collect()
}

/// Says which nodes only clusters of other sites can know: nobody is asked for what they
/// report.
fn unchecked_nodes(app: &App, orders: &OrderSet) {
    let unknown = app.unknown_nodes(orders);
    for doubt in unknown.iter().filter_map(|one| NodeDoubt::of(one, None)) {
        let UnknownNode { node, source, .. } = doubt.unknown;
        out::note(&format!(
            "{} {}:{}: node {node} is not checked here; use --online: {doubt}",
            style::warning("note:"),
            source.file,
            source.line,
        ));
    }
}

/// Says what is checked where the orders are fetched.
fn checked_revision(at: &OrdersAt, online: bool) {
    notices::source(at.source());
    let source = at.source().filter(|_| !online);
    if let Some((revision, fetched)) = source.and_then(|line| {
        let revision = line.revision.as_deref()?;
        Some((revision, line.fetched_at?))
    }) {
        out::note(&format!(
            "{} checking {}, fetched at {fetched:.0}; --online fetches the newest revision",
            style::warning("note:"),
            visible(revision),
        ));
    }
}

fn exit(at: &OrdersAt, orders: &OrderSet, asked: &OnlineReport) -> Exit {
    let is_doubtful = at.source().is_some_and(|line| line.doubt().is_some());
    let is_wrong = !orders.is_complete() || is_doubtful || asked.has_errors();
    match is_wrong {
        false => Exit::Done,
        true => Exit::Failed,
    }
}

/// What clusters, buckets and store lack, as annotations without a file.
fn annotations(asked: &OnlineReport) -> impl Iterator<Item = String> {
    asked.checks().filter_map(|(at, check)| {
        let kind = match check.level {
            CheckLevel::Ok => return None,
            CheckLevel::Warning => "warning",
            CheckLevel::Error => "error",
        };
        let message = format!("{at}: {}: {}", check.subject, check.message);
        let problem = Problem::of_file("", message);
        let help: Vec<String> = check.hint.iter().chain(&check.commands).cloned().collect();
        Some(match help.is_empty() {
            true => annotation(kind, &problem),
            false => annotation(kind, &problem.hint(help.join("; "))),
        })
    })
}

fn positions(orders: &OrderSet) -> usize {
    let orders = orders.orders.iter();
    orders.map(|order| order.positions.len()).sum()
}

/// How many errors there are beside those of the orders.
fn checked(asked: &OnlineReport) -> String {
    let clusters = asked.clusters.iter();
    let nodes = asked.nodes.iter();
    let wrong = [
        (clusters.filter(|one| one.has_errors()).count(), "cluster"),
        (nodes.filter(|one| one.has_errors()).count(), "node"),
    ];
    let wrong = wrong.iter().filter(|(count, _)| *count > 0);
    wrong
        .map(|(count, what)| format!("{} with errors\n", out::counted(*count, what)))
        .collect()
}

fn summary(orders: &OrderSet, unknown: usize) -> String {
    let warnings = match orders.warnings.len() + unknown {
        0 => String::new(),
        count => format!(", {}", out::counted(count, "warning")),
    };
    format!(
        "{} with {} in {}, {}{warnings}\n",
        out::counted(orders.orders.len(), "order"),
        out::counted(positions(orders), "valid position"),
        out::counted(orders.files, "file"),
        out::counted(orders.problems().count(), "problem"),
    )
}

/// What kept everything from being read, as problems of files.
fn problems_of(error: &StartError) -> Vec<Problem> {
    let file = match error {
        StartError::Config(ConfigError::Invalid { problems, .. }) => return problems.clone(),
        StartError::Config(ConfigError::Missing { path } | ConfigError::Read { path, .. })
        | StartError::Orders(
            OrdersError::Missing { path } | OrdersError::Unreadable { path, .. },
        ) => visible_path(path),
        StartError::Bucket(_)
        | StartError::NoOrders
        | StartError::Source(_)
        | StartError::Unconfigured { .. }
        | StartError::Upstream(_)
        | StartError::Nodes(_)
        | StartError::Cluster { .. }
        | StartError::Store(_)
        | StartError::Cache(_) => String::new(),
    };
    let problem = Problem::of_file(file, chain(error));
    vec![match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }]
}

/// A command of a GitHub workflow, which becomes an annotation of the changed file.
fn annotation(kind: &str, problem: &Problem) -> String {
    let mut properties = Vec::new();
    if !problem.file.is_empty() {
        properties.push(format!("file={}", property(&from_here(&problem.file))));
    }
    properties.extend(problem.line.map(|line| format!("line={line}")));
    properties.extend(problem.column.map(|column| format!("col={column}")));
    let mut message = problem.message.clone();
    if !problem.path.is_empty() {
        message = format!("{}: {message}", problem.path);
    }
    if let Some(hint) = &problem.hint {
        message = format!("{message}\nhint: {hint}");
    }
    let space = if properties.is_empty() { "" } else { " " };
    let properties = properties.join(",");
    format!("::{kind}{space}{properties}::{}\n", escaped(&message))
}

/// A file as GitHub knows it, by its path in the repository that is checked out.
fn from_here(file: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let below = Path::new(file).strip_prefix(here).ok();
    let below = below.and_then(Path::to_str).unwrap_or(file);
    below.strip_prefix("./").unwrap_or(below).to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line() {
        let mut problem = Problem::of_file("orders/a,b.yaml", "100% wrong\nsecond").hint("fix it");
        assert_eq!(
            annotation("warning", &problem),
            "::warning file=orders/a%2Cb.yaml::100%25 wrong%0Asecond%0Ahint: fix it\n"
        );
        (problem.line, problem.column) = (Some(3), Some(7));
        problem.path = "[0].orderid".to_owned();
        let line = annotation("error", &problem);
        assert!(line.starts_with("::error file=orders/a%2Cb.yaml,line=3,col=7::[0].orderid: 100"));
        let nowhere = Problem::of_file("", "no orders specified");
        assert_eq!(
            annotation("error", &nowhere),
            "::error::no orders specified\n"
        );
    }
}
