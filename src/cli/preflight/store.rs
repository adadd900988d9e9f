//! Whether the store can be reached, and what it can be used for.

use super::report::{CheckLevel, StoreReport};
use crate::bucket::{Bucket, BucketError, Capability, Probe};
use crate::config::StoreSettings;

/// Probes it, with objects of its own that are removed again.
pub(super) async fn check(settings: &StoreSettings) -> StoreReport {
    let mut report = StoreReport {
        store: settings.bucket.name(),
        checks: Vec::new(),
    };
    match probe(settings).await {
        Ok(probe) => probed(&probe, &mut report),
        Err(error) => report.failed("access", &error),
    }
    report
}

async fn probe(settings: &StoreSettings) -> Result<Probe, BucketError> {
    Bucket::open(&settings.bucket)?.probe().await
}

fn probed(probe: &Probe, report: &mut StoreReport) {
    let is_unfit = probe.unfit().is_some();
    for check in &probe.checks {
        let subject = check.feature.what();
        match &check.wrong {
            None => report.add(CheckLevel::Ok, subject, "works".to_owned()),
            Some(wrong) => report.add(
                match check.feature.is_for_leaders() {
                    true => CheckLevel::Warning,
                    false => CheckLevel::Error,
                },
                subject,
                wrong.to_string(),
            ),
        };
    }
    if probe.has_versions && probe.capability() == Capability::Full {
        let message = "the bucket keeps versions of objects, or has done so".to_owned();
        report.add(CheckLevel::Warning, "versions", message).hint = Some(
            "use a bucket on which versioning was never enabled: a leader writes every few \
             seconds, and each version takes space"
                .to_owned(),
        );
    }
    let (level, message) = match probe.capability() {
        _ if is_unfit => (CheckLevel::Error, "for nothing"),
        Capability::Full => (CheckLevel::Ok, "for images and for leaders"),
        Capability::CacheOnly { .. } => (
            CheckLevel::Warning,
            "for images only: conditional writes do not work as they have to, so no leader can \
             be elected",
        ),
    };
    report.add(level, "can be used", message.to_owned()).hint = probe.hint().map(str::to_owned);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::{ProbeCheck, ProbeFault, StoreFeature};

    #[test]
    fn versions_are_told_of_once_with_what_they_do() {
        let ignored = ProbeFault::Wrong("the condition is ignored".to_owned());
        for (wrong, subject) in [(None, "versions"), (Some(ignored), "can be used")] {
            for has_versions in [false, true] {
                let mut report = StoreReport {
                    store: "s3://fleet".to_owned(),
                    checks: Vec::new(),
                };
                let check = ProbeCheck {
                    feature: StoreFeature::Swap,
                    wrong: wrong.clone(),
                };
                let probe = Probe {
                    checks: vec![check],
                    has_versions,
                };
                probed(&probe, &mut report);
                let hints = report.checks.iter().filter(|check| check.hint.is_some());
                let hinted: Vec<&str> = hints.map(|check| &*check.subject).collect();
                let expected = has_versions.then_some(subject);
                assert_eq!(hinted, Vec::from_iter(expected), "{wrong:?}");
            }
        }
    }
}
