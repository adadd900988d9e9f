//! What was hoped for, beside what was measured.

use super::layout::{none, words};
use super::{Report, peak};
use crate::cases::Case;
use crate::jobs::Job;
use crate::net::Profile;

/// A number that was hoped for, beside the one that was measured.
pub(super) struct Target {
    pub what: &'static str,
    pub wanted: String,
    /// `None` where the case was not measured.
    pub found: Option<f64>,
    unit: &'static str,
    pub met: Option<bool>,
}

fn at_least(what: &'static str, found: Option<f64>, wanted: f64) -> Target {
    Target {
        what,
        wanted: format!("at least {wanted}"),
        found,
        unit: "x",
        met: found.map(|found| found >= wanted),
    }
}

fn at_most(what: &'static str, found: Option<f64>, wanted: f64, unit: &'static str) -> Target {
    Target {
        what,
        wanted: format!("at most {wanted}"),
        found,
        unit,
        met: found.map(|found| found <= wanted),
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "not met",
        None => "not measured",
    }
}

impl Report<'_> {
    pub(super) fn targets(&self) -> Vec<Vec<String>> {
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

    pub(super) fn all_targets(&self) -> Vec<Target> {
        use Case::{Cold, Iso, Many, Nothing};
        use Profile::{Lan, Loopback, SiteRelay};
        let ratio = |case| {
            self.ratio(Job {
                profile: Loopback,
                case,
            })
        };
        let over = |profile, case| self.over_limit(Job { profile, case });
        let rows = &self.results.rows;
        let memory = rows.iter().filter_map(peak).max_by(f64::total_cmp);
        vec![
            at_least("cold, 1 node, faster", ratio(Cold(1)), 14.0),
            at_least("cold, 8 nodes, faster", ratio(Cold(8)), 25.0),
            at_least("nothing to do, 8 nodes, faster", ratio(Nothing(8)), 100.0),
            at_least(
                "nothing to do, many images cached, faster",
                ratio(Many),
                300.0,
            ),
            at_most(
                "LAN: cold, 8 nodes / the bytes alone",
                over(Lan, Cold(8)),
                1.15,
                "x",
            ),
            at_most(
                "site with relay: cold, 8 nodes / the bytes alone",
                over(SiteRelay, Cold(8)),
                1.25,
                "x",
            ),
            at_most(
                "cold, ISO, 1 node / the bytes alone",
                over(Loopback, Iso(1)),
                1.15,
                "x",
            ),
            at_most(
                "cold, ISO, 8 nodes / the bytes alone",
                over(Loopback, Iso(8)),
                1.15,
                "x",
            ),
            at_most(
                "sent to a node / size of raw.xz or ISO",
                self.sent(),
                1.02,
                "x",
            ),
            at_most("peak memory", memory, 96.0, " MiB"),
            at_most("cold, 1 node / floor", self.over_floor(), 1.25, "x"),
        ]
    }

    /// The most that a node got on loopback, where no headers are counted, of images
    /// that are large against what else is said.
    fn sent(&self) -> Option<f64> {
        let rows = self.results.rows.iter().filter(|row| {
            let is_delivery = matches!(
                row.job.case,
                Case::Cold(_) | Case::Iso(_) | Case::New(_) | Case::Lost(_) | Case::Different(_)
            );
            is_delivery && row.job.profile == Profile::Loopback
        });
        rows.map(|row| row.ours_bytes.sent as f64 / row.served_bytes as f64)
            .max_by(f64::total_cmp)
    }
}
