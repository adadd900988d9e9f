//! The same for a program, with every run.

use serde_json::{Value, json};

use super::Report;
use crate::cases::MANY;
use crate::jobs::Bytes;
use crate::measure::Cost;
use crate::rounds::Row;

impl Report<'_> {
    pub fn json(&self) -> String {
        let old = &self.results.stock.old;
        let cases: Vec<Value> = self.results.rows.iter().map(|row| self.case(row)).collect();
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
        let links: Vec<Value> = self
            .results
            .links
            .iter()
            .map(|(profile, links)| json!({"profile": profile.about(), "links": links}))
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
                "xz_bytes": old.served_bytes,
                "iso_bytes": self.args.iso_bytes(),
                "many": MANY,
            },
            "cases": cases,
            "floors": floors,
            "links": links,
            "siblings": self.results.siblings,
            "targets": targets,
        });
        format!("{all:#}\n")
    }

    fn case(&self, row: &Row) -> Value {
        json!({
            "name": row.job.to_string(),
            "about": row.job.about(),
            "profile": row.job.profile.about(),
            "ratio": self.ratio(row.job),
            "over_limit": self.over_limit(row.job),
            "served_bytes": row.served_bytes,
            "limits": row.limits,
            "sequential": way(&row.sequential, row.sequential_bytes),
            "talos_order": way(&row.ours, row.ours_bytes),
        })
    }
}

fn way(costs: &[Cost], bytes: Bytes) -> Value {
    let one = |cost: &Cost| {
        json!({
            "seconds": cost.seconds,
            "cpu_seconds": cost.cpu,
            "nodes_cpu_seconds": cost.nodes_cpu,
            "peak_bytes": cost.peak,
        })
    };
    json!({
        "runs": costs.iter().map(one).collect::<Vec<_>>(),
        "sent_bytes": bytes.sent,
        "uplink_bytes": bytes.uplink,
        "allocated_bytes": bytes.allocated,
    })
}
