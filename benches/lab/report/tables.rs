//! Both ways beside each other, and the floor.

use super::layout::{mebibytes, none, number, words};
use super::{Report, peak};
use crate::floor::Floor;
use crate::measure::{Cost, median};

impl Report<'_> {
    pub(super) fn times(&self) -> Vec<Vec<String>> {
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
                row.job.about(),
                number(self.sequential(row.job, |cost| cost.seconds), 2),
                number(ours(|cost| cost.seconds), 3),
                self.ratio(row.job)
                    .map_or_else(none, |ratio| format!("{ratio:.1}x")),
                number(self.sequential(row.job, |cost| cost.cpu), 2),
                number(ours(|cost| cost.cpu), 2),
                number(ours(|cost| cost.nodes_cpu), 2),
                number(peak(row), 1),
            ]);
        }
        table
    }

    pub(super) fn bytes(&self) -> Vec<Vec<String>> {
        let mut table = vec![words(&[
            "MiB of one node",
            "from the factory",
            "sent: sequential",
            "talos-order",
            "over the uplink",
            "on its disk: sequential",
            "talos-order",
        ])];
        for row in &self.results.rows {
            let sequential = |bytes: u64| match row.sequential.is_empty() {
                true => none(),
                false => mebibytes(bytes),
            };
            table.push(vec![
                row.job.about(),
                mebibytes(row.served_bytes),
                sequential(row.sequential_bytes.sent),
                mebibytes(row.ours_bytes.sent),
                row.ours_bytes.uplink.map_or_else(none, mebibytes),
                sequential(row.sequential_bytes.allocated),
                mebibytes(row.ours_bytes.allocated),
            ]);
        }
        table
    }

    pub(super) fn floor(&self) -> Vec<Vec<String>> {
        let head = words(&[
            "floor, s",
            "download",
            "sha256",
            "unpack",
            "send",
            "floor",
            "cold, 1 node / floor",
        ]);
        if self.results.floors.is_empty() {
            return vec![head];
        }
        let part = |of: fn(&Floor) -> f64| self.floor_of(of);
        let parts = vec![
            String::new(),
            number(part(|floor| floor.download), 2),
            number(part(|floor| floor.hash), 2),
            number(part(|floor| floor.unpack), 2),
            number(part(|floor| floor.send), 2),
            number(part(Floor::total), 2),
            number(self.over_floor(), 2),
        ];
        vec![head, parts]
    }
}
