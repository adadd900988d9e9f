//! Whether a node that is a bucket can be reached, and takes deliveries.

use super::report::{CheckLevel, NodeReport};
use crate::app::{App, BucketLook, BucketUse, StartError};
use crate::bucket::{Bucket, Probe, ProbeCheck, ProbeFault, StoreFeature};
use crate::cli::out;
use crate::error::chain;
use crate::facts::{DirState, NodeState};
use crate::model::{Dir, FileName, OrderSet};

const PARTS_HINT: &str = "allow the access key to abort uploads, if it is not allowed to, and \
                          set a lifecycle rule on the bucket that removes incomplete ones";

/// Checks all of them, one after the other.
pub(super) async fn check_all(app: &App, orders: &OrderSet) -> Vec<NodeReport> {
    let used = app.bucket_uses(orders);
    if used.is_empty() {
        return Vec::new();
    }
    let look = app.bucket_look();
    let mut reports = Vec::new();
    for used in used {
        reports.push(check(app, &used, look.as_ref()).await);
    }
    reports
}

/// Probes it, with hidden objects that are removed again, and looks into its directories.
async fn check(app: &App, used: &BucketUse, look: Result<&BucketLook, &StartError>) -> NodeReport {
    let mut report = NodeReport {
        node: used.node.id.to_string(),
        bucket: used.settings.name(),
        checks: Vec::new(),
    };
    let bucket = match Bucket::open(&used.settings) {
        Ok(bucket) => bucket.of_node(),
        Err(error) => {
            report.failed("access", &error);
            return report;
        }
    };
    match bucket.probe_deliveries().await {
        Ok(probe) => {
            probed(&probe, app.settings().fleet.is_some(), &mut report);
            directories(look, used, &mut report).await;
        }
        Err(error) => {
            report.failed("access", &error);
            left(&bucket, &mut report).await;
        }
    }
    report
}

/// What it means for deliveries that a server does not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    Nothing,
    /// Something else is left behind than should be.
    Tidiness,
    /// Several controllers cannot tell that they meet.
    Conditions,
    /// Nothing can be delivered, or it cannot be known what was.
    Everything,
}

fn lack(check: &ProbeCheck) -> Lack {
    let Some(wrong) = &check.wrong else {
        return Lack::Nothing;
    };
    match (check.feature, wrong) {
        (StoreFeature::GiveUp, ProbeFault::NotDone(_)) => Lack::Tidiness,
        // An image that is not what it has to be would be there.
        (StoreFeature::GiveUp, ProbeFault::Wrong(_)) => Lack::Everything,
        (StoreFeature::Race, _)
        | (StoreFeature::Create | StoreFeature::Swap, ProbeFault::Wrong(_)) => Lack::Conditions,
        // The record is written under these conditions.
        (StoreFeature::Create | StoreFeature::Swap, ProbeFault::NotDone(_)) => Lack::Everything,
        (
            StoreFeature::ReadBack
            | StoreFeature::Range
            | StoreFeature::List
            | StoreFeature::Remove
            | StoreFeature::Upload,
            _,
        ) => Lack::Everything,
    }
}

fn probed(probe: &Probe, is_fleet: bool, report: &mut NodeReport) {
    let level = |lack| match lack {
        Lack::Nothing => CheckLevel::Ok,
        Lack::Tidiness => CheckLevel::Warning,
        // A controller of a fleet is never the only one.
        Lack::Conditions if !is_fleet => CheckLevel::Warning,
        Lack::Conditions | Lack::Everything => CheckLevel::Error,
    };
    for check in &probe.checks {
        let found = match &check.wrong {
            None => "works".to_owned(),
            Some(wrong) => wrong.to_string(),
        };
        let added = report.add(level(lack(check)), check.feature.what(), found);
        if lack(check) == Lack::Tidiness {
            added.hint = Some(PARTS_HINT.to_owned());
        }
    }
    let (level, message) = match probe.checks.iter().map(lack).max() {
        None | Some(Lack::Nothing | Lack::Tidiness) => (CheckLevel::Ok, "for deliveries"),
        Some(Lack::Conditions) => (
            level(Lack::Conditions),
            "for deliveries of a single controller: conditional writes do not work as they have \
             to, so several controllers cannot rely on their records",
        ),
        Some(Lack::Everything) => (CheckLevel::Error, "for nothing"),
    };
    report.add(level, "can be used", message.to_owned()).hint = probe.hint().map(str::to_owned);
}

/// What a run finds there.
async fn directories(
    look: Result<&BucketLook, &StartError>,
    used: &BucketUse,
    report: &mut NodeReport,
) {
    let look = match look {
        Ok(look) => look,
        Err(error) => {
            report.add(CheckLevel::Error, "directories", chain(error));
            return;
        }
    };
    match look.at(used).await {
        NodeState::Listed { dirs, .. } => {
            for (dir, state) in &dirs {
                directory(dir, state, report);
            }
        }
        NodeState::Unreachable { why, .. } => {
            report.add(CheckLevel::Error, "directories", why);
        }
    }
}

fn directory(dir: &Dir, state: &DirState, report: &mut NodeReport) {
    let subject = format!("directory {dir}");
    if let Some(why) = &state.unread {
        let message = format!("the record of earlier deliveries cannot be read: {why}");
        report.add(CheckLevel::Error, &subject, message);
        return;
    }
    let is_there = |name: &&FileName| state.files.contains_key(&name.to_string());
    let message = match state.files.len() {
        0 => "no files".to_owned(),
        count => format!(
            "{}, {} in the record of deliveries",
            out::counted(count, "file"),
            state.record.keys().filter(is_there).count()
        ),
    };
    report.add(CheckLevel::Ok, &subject, message);
}

/// Whoever may write and not remove leaves what was written to try it.
async fn left(bucket: &Bucket, report: &mut NodeReport) {
    if let Ok(count @ 1..) = bucket.left_of_probes().await {
        let message = format!(
            "{} of checks below {}",
            out::counted(count, "object"),
            bucket.probes()
        );
        let added = report.add(CheckLevel::Warning, "left behind", message);
        added.hint = Some("remove them, or allow the access key to: the next check removes what is older than an hour".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a server that lacks this, and whether it fails.
    fn said(feature: StoreFeature, wrong: ProbeFault, is_fleet: bool) -> (String, bool) {
        let mut report = NodeReport {
            node: "images".to_owned(),
            bucket: "s3://images".to_owned(),
            checks: Vec::new(),
        };
        let fine = ProbeCheck {
            feature: StoreFeature::ReadBack,
            wrong: None,
        };
        let wrong = ProbeCheck {
            feature,
            wrong: Some(wrong),
        };
        let probe = Probe {
            checks: vec![fine, wrong],
            has_versions: true,
        };
        probed(&probe, is_fleet, &mut report);
        let check = report.checks.last().unwrap();
        let hint = check.hint.as_deref().unwrap_or_default();
        (format!("{} {hint}", check.message), report.has_errors())
    }

    #[test]
    fn conditions_that_do_not_hold_are_a_matter_of_several_controllers() {
        let wrong = || ProbeFault::Wrong("the condition is ignored".to_owned());
        for feature in [StoreFeature::Create, StoreFeature::Swap, StoreFeature::Race] {
            for is_fleet in [false, true] {
                let (said, fails) = said(feature, wrong(), is_fleet);
                assert!(said.starts_with("for deliveries of a single"), "{said}");
                assert!(said.contains("versioning"), "{said}");
                assert_eq!(fails, is_fleet);
            }
        }
    }

    #[test]
    fn conditions_that_nothing_can_be_written_under_are_of_no_use() {
        let lacks = || ProbeFault::NotDone("501 Not Implemented".to_owned());
        for feature in [StoreFeature::Create, StoreFeature::Swap] {
            let (said, fails) = said(feature, lacks(), false);
            assert!(said.starts_with("for nothing"), "{said}");
            assert!(fails);
        }
        let (tidy, fails) = said(StoreFeature::GiveUp, lacks(), false);
        assert_eq!((tidy.as_str(), fails), ("for deliveries ", false));
        let object = ProbeFault::Wrong("there is an object of it".to_owned());
        let (said, fails) = said(StoreFeature::GiveUp, object, false);
        assert!(said.starts_with("for nothing"), "{said}");
        assert!(fails);
    }
}
