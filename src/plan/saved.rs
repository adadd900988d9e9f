//! A plan in a file: reviewed now, and applied later if a run would still do the same.
//!
//! The file has the plan as it is told to machines. What is compared is what each step
//! does and why, and what is blocked for which reason. Figures are measured and left out:
//! sizes, ages, speeds. Everything else counts, also what a later version adds, because a
//! difference costs a new plan and a missed one could cost an image.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blocked::Blocked;
use super::selection::Selection;
use super::step::Plan;
use crate::facts::StepId;
use crate::model::{Node, NodeId};

/// The form of the file; counted up when an old one would be misread.
const FORMAT: u32 = 1;

/// Parts of an action that are measured, or tell why it is done in this way.
const MEASURED: [&str; 7] = [
    "bytes",
    "size",
    "wire_bytes",
    "because",
    "unrelayed",
    "idle_seconds",
    "stored",
];

/// A plan as it is kept in a file, with what it was made from.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlan<P> {
    format: u32,
    /// Which version of the program made it.
    pub program: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// The configuration file by its whole path, if there was one.
    pub configuration: Option<String>,
    /// The orders, by their whole path.
    pub orders: String,
    /// The revision of the orders, where they are under git.
    pub revision: Option<String>,
    /// What it was asked for.
    pub options: SavedOptions,
    /// The addresses of the nodes that its steps change.
    #[serde(default)]
    pub nodes: BTreeMap<NodeId, String>,
    /// The plan.
    pub plan: P,
}

/// What the plan was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedOptions {
    /// The cache is emptied first.
    pub purge_cache: bool,
    /// Closed windows do not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_windows: bool,
    /// The orders and nodes that it is for.
    #[serde(flatten)]
    pub selection: Selection,
}

/// The inputs of a plan that is saved.
pub struct PlanOrigin {
    /// When it was made.
    pub made_at: Timestamp,
    /// The configuration file by its whole path, if there was one.
    pub configuration: Option<String>,
    /// The orders, by their whole path.
    pub orders: String,
    /// The revision of the orders, where they are under git.
    pub revision: Option<String>,
    /// What it was asked for.
    pub options: SavedOptions,
}

/// What of a plan is compared, as it is in the file.
#[derive(Debug, Deserialize)]
pub struct PlannedWork {
    steps: Vec<PlannedStep>,
    #[serde(rename = "held")]
    blocked: Vec<PlannedBlock>,
}

#[derive(Debug, Deserialize)]
struct PlannedStep {
    id: StepId,
    action: Value,
    why: Value,
}

#[derive(Debug, Deserialize)]
struct PlannedBlock {
    id: StepId,
    reason: Value,
}

/// Why a file cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It is something else.
    #[error("it is not a saved plan")]
    NoPlan,
    /// A later version of the program wrote it.
    #[error("it has format {found}, and this program reads format {FORMAT}")]
    Later {
        /// The format it says.
        found: u64,
    },
    /// Something is missing in it, or it ends too early.
    #[error("it is damaged")]
    Damaged(#[source] serde_json::Error),
}

impl<'a> SavedPlan<&'a Plan> {
    /// A plan for a file; `nodes` are those that the orders and the configuration name.
    pub fn new(plan: &'a Plan, nodes: &BTreeMap<NodeId, Node>, origin: PlanOrigin) -> Self {
        Self {
            format: FORMAT,
            program: concat!("talos-order ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_at: origin.made_at,
            configuration: origin.configuration,
            orders: origin.orders,
            revision: origin.revision,
            options: origin.options,
            nodes: addresses(plan, nodes),
            plan,
        }
    }
}

impl SavedPlan<PlannedWork> {
    /// Reads the content of a file.
    ///
    /// # Errors
    /// When it is something else, of a later format, or damaged.
    pub fn read(text: &[u8]) -> Result<Self, SavedPlanError> {
        let begins_as_object = text.trim_ascii_start().first() == Some(&b'{');
        let value: Value = match serde_json::from_slice(text) {
            Ok(value) => value,
            Err(error) if begins_as_object => return Err(SavedPlanError::Damaged(error)),
            Err(_) => return Err(SavedPlanError::NoPlan),
        };
        let format = value.get("format").and_then(Value::as_u64);
        match format.filter(|&format| format > 0 && value.get("plan").is_some()) {
            None => Err(SavedPlanError::NoPlan),
            Some(found) if found > u64::from(FORMAT) => Err(SavedPlanError::Later { found }),
            Some(_) => serde_json::from_value(value).map_err(SavedPlanError::Damaged),
        }
    }

    /// What a run would do otherwise now; nothing if both come to the same.
    ///
    /// # Errors
    /// Never, as a plan can be written; serde cannot tell.
    pub fn changes(
        &self,
        now: &Plan,
        nodes: &BTreeMap<NodeId, Node>,
    ) -> Result<Vec<PlanChange>, serde_json::Error> {
        let fresh: PlannedWork = serde_json::from_value(serde_json::to_value(now)?)?;
        let (before, after) = (WorkByStep::of(&self.plan), WorkByStep::of(&fresh));
        let reasons = now
            .blocked()
            .map(|blocked| (&blocked.id, blocked))
            .collect();
        let in_sync = now.in_sync.iter().collect();
        let ids: BTreeSet<&StepId> = before.0.keys().chain(after.0.keys()).copied().collect();
        let changes = ids.into_iter().filter_map(|step| {
            let pair = (before.0.get(step), after.0.get(step));
            let (sign, what) = change(step, pair, &reasons, &in_sync)?;
            let about = step.text().to_string();
            Some(PlanChange { about, sign, what })
        });
        // The same step at another address goes to another machine.
        let moved = addresses(now, nodes).into_iter().filter_map(|(node, now)| {
            let before = self.nodes.get(&node).map_or("unknown", String::as_str);
            (before != now).then(|| PlanChange {
                about: format!("node {node}"),
                sign: '~',
                what: format!("address: {before} → {now}"),
            })
        });
        Ok(moved.chain(changes).collect())
    }
}

/// One thing that a run would do otherwise now: `~ fetch a.iso: url: a → b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanChange {
    /// Which step or node.
    pub about: String,
    /// `+` it came, `-` it is gone, `~` it changed, `!` it is blocked.
    pub sign: char,
    /// What changed, in words.
    pub what: String,
}

impl fmt::Display for PlanChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.sign, self.about, self.what)
    }
}

/// What a plan comes to for one step.
#[derive(PartialEq)]
enum Entry {
    /// It is done: action and reason without what is measured.
    Step(Value),
    /// It is blocked, for this kind of reason.
    Blocked(String),
}

struct WorkByStep<'a>(BTreeMap<&'a StepId, Entry>);

impl<'a> WorkByStep<'a> {
    fn of(work: &'a PlannedWork) -> Self {
        let steps = work.steps.iter().map(|step| {
            let mut what = essence(&step.action);
            if let Value::Object(fields) = &mut what {
                fields.insert("why".to_owned(), reason(&step.why));
            }
            (&step.id, Entry::Step(what))
        });
        let blocked = work.blocked.iter().filter_map(|blocked| {
            let kind = blocked.reason.get("reason").and_then(Value::as_str)?;
            // It is not what the run is for.
            (kind != "not-selected").then(|| (&blocked.id, Entry::Blocked(kind.to_owned())))
        });
        Self(blocked.chain(steps).collect())
    }
}

/// Where the nodes are that a plan changes something on.
fn addresses(plan: &Plan, nodes: &BTreeMap<NodeId, Node>) -> BTreeMap<NodeId, String> {
    let changed = plan.steps.iter().flat_map(|step| step.action.nodes());
    let found = changed.filter_map(|id| Some((id.clone(), nodes.get(id)?.reach.address())));
    found.collect()
}

/// An action without what is measured.
fn essence(action: &Value) -> Value {
    match action {
        Value::Object(fields) => {
            let fields = fields.iter();
            let kept = fields.filter(|(name, _)| !MEASURED.contains(&name.as_str()));
            let kept = kept.map(|(name, value)| (name.clone(), essence(value)));
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

/// A reason without ages and sizes. That a part of a download is there makes the step
/// shorter, and no other one.
fn reason(why: &Value) -> Value {
    let Value::Object(fields) = why else {
        return why.clone();
    };
    let fields = fields.iter();
    let kept = fields.filter(|(_, value)| !value.is_number() && !value.is_null());
    let kept = kept.map(|(name, value)| {
        let value = match value.as_str() {
            Some("partial") if name == "reason" => "missing".into(),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(kept.collect())
}

type Reasons<'a> = BTreeMap<&'a StepId, &'a Blocked>;

fn change(
    step: &StepId,
    pair: (Option<&Entry>, Option<&Entry>),
    reasons: &Reasons<'_>,
    in_sync: &BTreeSet<&StepId>,
) -> Option<(char, String)> {
    let reason = || {
        let blocked = reasons.get(step);
        blocked.map_or_else(String::new, |blocked| blocked.reason.to_string())
    };
    Some(match pair {
        (before, after) if before == after => return None,
        (Some(Entry::Step(before)), Some(Entry::Step(after))) => {
            let mut fields = Vec::new();
            compare("", before, after, &mut fields);
            ('~', fields.join(", "))
        }
        (Some(Entry::Blocked(_)), Some(Entry::Blocked(_))) => {
            ('!', format!("blocked for another reason: {}", reason()))
        }
        (_, Some(Entry::Blocked(_))) => ('!', format!("blocked now: {}", reason())),
        (Some(Entry::Blocked(_)), Some(Entry::Step(_))) => {
            ('+', "no longer blocked, a step now".to_owned())
        }
        (Some(Entry::Blocked(_)), None) => ('-', "no longer blocked".to_owned()),
        (None, Some(Entry::Step(_))) => ('+', "a new step".to_owned()),
        (Some(Entry::Step(_)), None) if in_sync.contains(step) => {
            ('-', "no longer a step, it is in sync".to_owned())
        }
        (_, None) => ('-', "no longer a step".to_owned()),
    })
}

/// Each field that differs, as `name: before → after`.
fn compare(name: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for field in names {
            let path = match name {
                "" => field.clone(),
                name => format!("{name}.{field}"),
            };
            let of = |fields: &serde_json::Map<String, Value>| {
                fields.get(field).cloned().unwrap_or(Value::Null)
            };
            compare(&path, &of(old), &of(new), found);
        }
        return;
    }
    found.push(format!("{name}: {} → {}", text(before), text(after)));
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
