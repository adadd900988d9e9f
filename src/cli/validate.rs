//! `validate`: checks configuration and orders; touches neither network nor nodes.

use std::path::Path;
use std::sync::Arc;

use super::args::Common;
use super::exit::Exit;
use super::forms::{DataForm, ValidateForm};
use super::{notices, out};
use crate::app::{App, StartError};
use crate::config::ConfigError;
use crate::error::chain;
use crate::model::{OrderSet, Problem, visible_path};
use crate::orders::OrdersError;

/// Checks, and says what is wrong.
pub(super) fn validate(common: &Common, form: ValidateForm) -> anyhow::Result<Exit> {
    match (load(common), form) {
        (Ok(orders), ValidateForm::Text) => {
            notices::problems(&orders);
            out::text(&summary(&orders))?;
            Ok(exit(&orders))
        }
        (Ok(orders), ValidateForm::Json | ValidateForm::Yaml) => {
            let problems: Vec<&Problem> = orders.problems().collect();
            out::value(
                data(form),
                &serde_json::json!({
                    "valid": problems.is_empty(),
                    "files": orders.files,
                    "orders": orders.orders.len(),
                    "positions": positions(&orders),
                    "problems": problems,
                    "warnings": orders.warnings,
                }),
            )?;
            Ok(exit(&orders))
        }
        (Ok(orders), ValidateForm::Github) => {
            let errors = orders
                .problems()
                .map(|problem| annotation("error", problem));
            let warnings = orders.warnings.iter();
            let warnings = warnings.map(|problem| annotation("warning", problem));
            let lines: String = errors.chain(warnings).collect();
            out::text(&(lines + &summary(&orders)))?;
            Ok(exit(&orders))
        }
        (Err(error), ValidateForm::Text) => Err(error.into()),
        (Err(error), ValidateForm::Json | ValidateForm::Yaml) => {
            out::value(
                data(form),
                &serde_json::json!({
                    "valid": false,
                    "files": 0,
                    "orders": 0,
                    "positions": 0,
                    "problems": problems_of(&error),
                    "warnings": [],
                }),
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

fn load(common: &Common) -> Result<Arc<OrderSet>, StartError> {
    let app = App::offline(common.config.as_deref())?;
    app.orders(app.orders_path(common.orders.as_deref())?)
}

fn exit(orders: &OrderSet) -> Exit {
    match orders.problems().next() {
        None => Exit::Done,
        Some(_) => Exit::Failed,
    }
}

fn positions(orders: &OrderSet) -> usize {
    let orders = orders.orders.iter();
    orders.map(|order| order.positions.len()).sum()
}

fn summary(orders: &OrderSet) -> String {
    let warnings = match orders.warnings.len() {
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
        StartError::NoOrders
        | StartError::Unconfigured { .. }
        | StartError::Upstream(_)
        | StartError::Nodes(_)
        | StartError::Cluster { .. }
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
