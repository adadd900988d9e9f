//! What links allow: the bytes alone, the rates that were reached, and what
//! differences save.

use super::Report;
use super::layout::{mebibytes, none, number, words};
use crate::limit::Limit;
use crate::measure::median;
use crate::siblings::Sibling;

impl Report<'_> {
    pub(super) fn limits(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "the bytes alone, s",
            "download",
            "push",
            "from the relay",
            "slowest",
            "talos-order",
            "ratio",
            "cpu s: pushes",
            "their nodes",
        ])];
        for row in self
            .results
            .rows
            .iter()
            .filter(|row| !row.limits.is_empty())
        {
            let part = |of: fn(&Limit) -> f64| number(self.limit(row.job, of), 2);
            let onward = row.limits.iter().filter_map(|limit| limit.onward).collect();
            table.push(vec![
                row.job.about(),
                part(|limit| limit.download),
                part(|limit| limit.push),
                number(median(onward), 2),
                part(Limit::most),
                number(self.ours(row.job), 2),
                self.over_limit(row.job)
                    .map_or_else(none, |ratio| format!("{ratio:.2}x")),
                part(|limit| limit.cpu),
                part(|limit| limit.nodes_cpu),
            ]);
        }
        table
    }

    pub(super) fn links(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "links, Mbit/s of payload",
            "at its rate",
            "reached",
            "",
        ])];
        for (profile, links) in &self.results.links {
            let name = profile.to_string();
            let name = name.trim_end_matches('-');
            table.extend(links.iter().map(|link| {
                vec![
                    format!("{name}: {}", link.link),
                    format!("{:.1}", link.wanted),
                    format!("{:.1}", link.reached),
                    if link.is_right() { "right" } else { "off" }.to_owned(),
                ]
            }));
        }
        table
    }

    pub(super) fn siblings(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "another schematic of a version that is there",
            "s",
            "cpu s: talos-order",
            "its node",
            "MiB of data",
            "sent",
        ])];
        let all = &self.results.siblings;
        let key = |one: &Sibling| {
            let format = one.format.clone();
            (one.link_mbits, format, one.change, one.method)
        };
        for (number_of, one) in all.iter().enumerate() {
            if all[..number_of].iter().any(|other| key(other) == key(one)) {
                continue;
            }
            let middle = |of: fn(&Sibling) -> f64| {
                let same = all.iter().filter(|other| key(other) == key(one));
                median(same.map(of).collect())
            };
            table.push(vec![
                format!(
                    "{} Mbit/s, {}, {}, {}",
                    one.link_mbits, one.format, one.change, one.method
                ),
                number(middle(|one| one.seconds), 2),
                number(middle(|one| one.cpu), 2),
                number(middle(|one| one.nodes_cpu), 2),
                mebibytes(one.data),
                mebibytes(one.sent),
            ]);
        }
        table
    }
}
