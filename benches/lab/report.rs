//! What came out, as tables for a user or as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::args::Args;
use crate::bench::MANY;
use crate::cases::Case;
use crate::floor::Floor;
use crate::machine::{self, Machine};
use crate::measure::{Cost, median};
use crate::rounds::{Results, Row};

const MIB: f64 = (1 << 20) as f64;

/// Everything that is printed.
pub struct Report<'a> {
    args: &'a Args,
    machine: &'a Machine,
    results: &'a Results,
    load_after: String,
}

/// A number that was hoped for, beside the one that was measured.
struct Target {
    what: &'static str,
    wanted: String,
    /// `None` where the case was not measured.
    found: Option<f64>,
    unit: &'static str,
    met: Option<bool>,
}

impl<'a> Report<'a> {
    pub fn new(args: &'a Args, machine: &'a Machine, results: &'a Results) -> Self {
        Self {
            args,
            machine,
            results,
            load_after: machine::load(),
        }
    }

    /// Tables.
    pub fn text(&self) -> String {
        let old = &self.results.old;
        let mut text = String::new();
        for line in self.machine.lines() {
            push(&mut text, &line);
        }
        push(
            &mut text,
            &format!(
                "load {} before and {} after; medians of rounds: {}",
                self.machine.load, self.load_after, self.args.rounds
            ),
        );
        push(
            &mut text,
            &format!(
                "images of {:.0} MiB, {:.1} MiB of it not holes, {:.1} MiB as raw.xz; nodes are \
                 sshd on this machine",
                old.raw_bytes as f64 / MIB,
                old.data_bytes as f64 / MIB,
                old.xz_bytes as f64 / MIB
            ),
        );
        if self.args.quick {
            push(&mut text, "--quick: small images, few nodes; not a result");
        }
        for table in [self.times(), self.bytes(), self.floor(), self.targets()] {
            text.push('\n');
            text.push_str(&aligned(&table));
        }
        text
    }

    fn times(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "case",
            "sequential s",
            "talos-order s",
            "ratio",
            "cpu s: sequential",
            "talos-order",
            "its nodes",
            "peak MiB",
        ])];
        for row in &self.results.rows {
            let ours = |of: fn(&Cost) -> f64| median(row.ours.iter().map(of).collect());
            table.push(vec![
                row.case.about(),
                number(self.sequential(row.case, |cost| cost.seconds), 2),
                number(ours(|cost| cost.seconds), 3),
                self.ratio(row.case)
                    .map_or_else(none, |ratio| format!("{ratio:.1}x")),
                number(self.sequential(row.case, |cost| cost.cpu), 2),
                number(ours(|cost| cost.cpu), 2),
                number(ours(|cost| cost.nodes_cpu), 2),
                number(peak(row), 1),
            ]);
        }
        table
    }

    fn bytes(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "MiB of one node",
            "sent: sequential",
            "talos-order",
            "on its disk: sequential",
            "talos-order",
        ])];
        for row in &self.results.rows {
            let sequential = |bytes: u64| match row.sequential.is_empty() {
                true => none(),
                false => mebibytes(bytes),
            };
            table.push(vec![
                row.case.about(),
                sequential(row.sequential_bytes.0),
                mebibytes(row.ours_bytes.0),
                sequential(row.sequential_bytes.1),
                mebibytes(row.ours_bytes.1),
            ]);
        }
        table
    }

    fn floor(&self) -> Vec<Vec<String>> {
        let part = |of: fn(&Floor) -> f64| self.floor_of(of);
        vec![
            words(&[
                "floor, s",
                "download",
                "sha256",
                "unpack",
                "send",
                "floor",
                "cold, 1 node / floor",
            ]),
            vec![
                String::new(),
                number(part(|floor| floor.download), 2),
                number(part(|floor| floor.hash), 2),
                number(part(|floor| floor.unpack), 2),
                number(part(|floor| floor.send), 2),
                number(part(Floor::total), 2),
                number(self.over_floor(), 2),
            ],
        ]
    }

    fn floor_of(&self, of: fn(&Floor) -> f64) -> Option<f64> {
        median(self.results.floors.iter().map(of).collect())
    }

    fn targets(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&["target", "wanted", "measured", ""])];
        for target in self.all_targets() {
            table.push(vec![
                target.what.to_owned(),
                format!("{}{}", target.wanted, target.unit),
                target
                    .found
                    .map_or_else(none, |found| format!("{found:.2}{}", target.unit)),
                verdict(target.met).to_owned(),
            ]);
        }
        table
    }

    fn all_targets(&self) -> Vec<Target> {
        let at_least = |what, case, wanted: f64| {
            let found = self.ratio(case);
            Target {
                what,
                wanted: format!("at least {wanted}"),
                found,
                unit: "x",
                met: found.map(|found| found >= wanted),
            }
        };
        let at_most = |what, found: Option<f64>, wanted: f64, unit| Target {
            what,
            wanted: format!("at most {wanted}"),
            found,
            unit,
            met: found.map(|found| found <= wanted),
        };
        let rows = &self.results.rows;
        let sent = rows
            .iter()
            .filter(|row| matches!(row.case, Case::Cold(_) | Case::New(_) | Case::Lost(_)))
            .map(|row| row.ours_bytes.0 as f64 / self.results.old.xz_bytes as f64)
            .max_by(f64::total_cmp);
        let memory = rows.iter().filter_map(peak).max_by(f64::total_cmp);
        let many = "nothing to do, many images cached, faster";
        vec![
            at_least("cold, 1 node, faster", Case::Cold(1), 8.0),
            at_least("cold, 8 nodes, faster", Case::Cold(8), 15.0),
            at_least("nothing to do, 8 nodes, faster", Case::Nothing(8), 100.0),
            at_least(many, Case::Many, 300.0),
            at_most("sent to a node / size of raw.xz", sent, 1.05, "x"),
            at_most("peak memory", memory, 128.0, " MiB"),
            at_most("cold, 1 node / floor", self.over_floor(), 1.25, "x"),
        ]
    }

    fn row(&self, case: Case) -> Option<&Row> {
        self.results.rows.iter().find(|row| row.case == case)
    }

    /// Of a controller that runs it is the sequential way's second run.
    fn sequential(&self, case: Case, of: fn(&Cost) -> f64) -> Option<f64> {
        let case = match case {
            Case::Resident(nodes) => Case::Nothing(nodes),
            case => case,
        };
        median(self.row(case)?.sequential.iter().map(of).collect())
    }

    fn ours(&self, case: Case) -> Option<f64> {
        let costs = self.row(case)?.ours.iter();
        median(costs.map(|cost| cost.seconds).collect())
    }

    fn ratio(&self, case: Case) -> Option<f64> {
        Some(self.sequential(case, |cost| cost.seconds)? / self.ours(case)?)
    }

    fn over_floor(&self) -> Option<f64> {
        Some(self.ours(Case::Cold(1))? / self.floor_of(Floor::total)?)
    }

    /// The same for a program, with every run.
    pub fn json(&self) -> String {
        let old = &self.results.old;
        let costs = |costs: &[Cost]| -> Vec<Value> {
            let one = |cost: &Cost| {
                json!({
                    "seconds": cost.seconds,
                    "cpu_seconds": cost.cpu,
                    "nodes_cpu_seconds": cost.nodes_cpu,
                    "peak_bytes": cost.peak,
                })
            };
            costs.iter().map(one).collect()
        };
        let cases: Vec<Value> = self
            .results
            .rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.case.to_string(),
                    "about": row.case.about(),
                    "ratio": self.ratio(row.case),
                    "sequential": {
                        "runs": costs(&row.sequential),
                        "sent_bytes": row.sequential_bytes.0,
                        "allocated_bytes": row.sequential_bytes.1,
                    },
                    "talos_order": {
                        "runs": costs(&row.ours),
                        "sent_bytes": row.ours_bytes.0,
                        "allocated_bytes": row.ours_bytes.1,
                    },
                })
            })
            .collect();
        let floors: Vec<Value> = self
            .results
            .floors
            .iter()
            .map(|floor| {
                json!({
                    "download": floor.download,
                    "sha256": floor.hash,
                    "unpack": floor.unpack,
                    "send": floor.send,
                    "total": floor.total(),
                })
            })
            .collect();
        let targets: Vec<Value> = self
            .all_targets()
            .iter()
            .map(|target| {
                json!({
                    "what": target.what,
                    "wanted": target.wanted,
                    "found": target.found,
                    "met": target.met,
                })
            })
            .collect();
        let all = json!({
            "machine": self.machine,
            "quick": self.args.quick,
            "rounds": self.args.rounds,
            "load_after": self.load_after,
            "image": {
                "raw_bytes": old.raw_bytes,
                "data_bytes": old.data_bytes,
                "xz_bytes": old.xz_bytes,
                "many": MANY,
            },
            "cases": cases,
            "floors": floors,
            "targets": targets,
        });
        format!("{all:#}\n")
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "not met",
        None => "not measured",
    }
}

/// The most memory of any run of a case, in MiB.
fn peak(row: &Row) -> Option<f64> {
    let peaks = row.ours.iter().map(|cost| cost.peak as f64 / MIB);
    peaks.max_by(f64::total_cmp)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn none() -> String {
    "-".to_owned()
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(none, |value| format!("{value:.digits$}"))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / MIB)
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The first column to the left, numbers to the right, nothing behind the last one.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(String::len).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = match column {
                0 => write!(line, "{cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        push(&mut text, line.trim_end());
    }
    text
}
