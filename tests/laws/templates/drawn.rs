//! That the laws speak of something.

use proptest::strategy::ValueTree;

use super::*;

/// Everything that the laws speak of happens in the worlds drawn here.
#[test]
fn the_universe_of_templates_holds_what_the_laws_speak_of() {
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |what: String| *seen.entry(what).or_default() += 1;
    for _ in 0..2048 {
        let case = template_case()
            .new_tree(&mut runner)
            .expect("a case")
            .current();
        let plan = planned(&case, &case.observed);
        for step in template_steps(&plan) {
            let kind = step.id.as_str().split('/').next().expect("a kind");
            let why = serde_json::to_value(&step.why).expect("a reason");
            count(format!(
                "{kind} {}",
                why["reason"].as_str().expect("a reason")
            ));
            if step
                .needs
                .iter()
                .any(|need| need.kind() == Some(StepKind::SwitchTemplate))
            {
                count("rollout".to_owned());
            }
        }
        for blocked in &plan.blocked {
            match &blocked.reason {
                BlockedReason::Template { why } => {
                    let why = serde_json::to_value(why).expect("a reason");
                    count(format!("blocked {}", why["kind"].as_str().expect("a kind")));
                }
                BlockedReason::InGrace { .. } | BlockedReason::InUse { .. }
                    if blocked.id.vmid().is_some() =>
                {
                    count("in grace or in use".to_owned());
                }
                _ => {}
            }
        }
        for id in &plan.in_sync {
            if id.kind() == Some(StepKind::CreateTemplate) {
                count("in sync".to_owned());
            }
        }
    }
    for expected in [
        "create-template missing",
        "create-template other-template-image",
        "create-template other-hardware",
        "switch-template not-switched",
        "switch-template other-labels",
        "remove-template replaced",
        "remove-template unfinished",
        "remove-template beyond-retired",
        "remove-template not-wanted",
        "blocked vms-unknown",
        "blocked foreign-name",
        "blocked vm-id-taken",
        "blocked no-free-vm-id",
        "blocked locked",
        "blocked protected",
        "blocked clones-unknown",
        "blocked target-unfit",
        "in grace or in use",
        "in sync",
        "rollout",
    ] {
        assert!(
            seen.contains_key(expected),
            "{expected} did not happen in {seen:#?}"
        );
    }
}
