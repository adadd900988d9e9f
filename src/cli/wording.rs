//! A step reads the same in the plan, in the progress of a run, in `events`, in
//! `history` and in messages, whatever its kind.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{events, history, progress};
use crate::conclude::{EventRecord, RunRecord, StepRecord, Verdict};
use crate::facts::{Failure, FailureKind, Outcome, StepId};
use crate::model::{
    ArtifactId, FileName, Method, PartName, Proof, PushTarget, Sha256, StoredForm, Trigger,
};
use crate::plan::render::{PlanView, render};
use crate::plan::{
    Action, Blocked, BlockedReason, Plan, Size, Step, Transport, TransportReason, WantedBy, Why,
};

/// One action of each kind.
fn actions() -> Vec<Action> {
    let file: FileName = "a.iso".parse().unwrap();
    let cache_file: FileName = "a.raw.xz".parse().unwrap();
    let target = PushTarget {
        node: "pve-01".parse().unwrap(),
        dir: "/var/lib/vz/template/iso".parse().unwrap(),
    };
    let sha256 = Sha256::from_bytes([7; 32]);
    let schematic = "ab".repeat(32).parse().unwrap();
    let artifact: ArtifactId = serde_json::from_value(serde_json::json!({
        "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
        "secureboot": false, "schematic": "ab".repeat(32), "format": "iso",
    }))
    .unwrap();
    let bytes = 1 << 20;
    vec![
        Action::Register {
            schematic,
            expected: schematic,
            document: String::new(),
        },
        Action::Fetch {
            url: "https://factory.example.net/a".to_owned(),
            download: artifact.clone(),
            file: file.clone(),
            unpack: None,
            pinned: None,
            bytes: Size::Unknown,
            stored: false,
        },
        Action::Unpack {
            from: artifact.clone(),
            from_file: cache_file.clone(),
            to: artifact.clone(),
            file: "b.raw".parse().unwrap(),
            bytes,
        },
        Action::Push {
            target: target.clone(),
            artifact,
            cache_file,
            file: file.clone(),
            bytes: Size::Known(bytes),
            form: StoredForm::Same,
            replace: false,
            deletion: None,
            transport: Transport {
                method: Method::Copy,
                because: TransportReason::Local,
                wire_bytes: None,
                via: None,
                unrelayed: None,
                while_fetching: None,
                proof: Proof::default(),
            },
        },
        Action::PruneCache {
            file: file.clone(),
            bytes,
        },
        Action::PruneNode {
            target: target.clone(),
            file: file.clone(),
            bytes,
            sha256,
        },
        Action::ClearPart {
            target: target.clone(),
            part: PartName::new(&file, &sha256),
            bytes,
            idle_seconds: 1,
        },
        Action::VerifyNode {
            target,
            file: file.clone(),
            bytes,
            sha256,
        },
        Action::VerifyCache {
            file: file.clone(),
            bytes,
        },
        Action::ClearPartial { file, bytes },
    ]
}

fn shown(plan: &Plan, detailed: bool) -> String {
    let view = PlanView {
        width: 1000,
        detailed,
        ..PlanView::default()
    };
    // Columns are padded.
    let text = render(plan, &view);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn in_history(step: StepRecord) -> String {
    plain(&history::text(&RunRecord {
        started: Timestamp::UNIX_EPOCH,
        finished: Timestamp::UNIX_EPOCH,
        trigger: Trigger::Manual,
        revision: None,
        verdict: Verdict::Stalled,
        error: None,
        steps: vec![step],
        more_steps: 0,
        blocked: 0,
        in_sync: 0,
        totals: Default::default(),
    }))
}

#[test]
fn a_step_is_written_one_way_everywhere() {
    let actions = actions();
    assert_eq!(actions.len(), 10, "one of each kind");
    for action in actions {
        let id = action.step_id();
        let text = id.text().to_string();
        let blocked = |reason| Blocked {
            id: id.clone(),
            reason,
            wanted_by: WantedBy::default(),
        };
        let plan = Plan {
            blocked: vec![blocked(BlockedReason::SourceBlocked { source: id.clone() })],
            steps: vec![Step {
                id: id.clone(),
                action,
                why: Why::Purge,
                needs: Vec::new(),
                wanted_by: WantedBy::default(),
            }],
            ..Plan::default()
        };
        let detailed = shown(&plan, true);
        assert!(detailed.contains(&text), "{text}: {detailed}");
        let is_blocked = format!("blocked {text} ({text} is blocked)");
        assert!(detailed.contains(&is_blocked), "{text}: {detailed}");
        // The short form names an image above its pushes.
        let short = shown(&plan, false);
        assert!(short.contains(&text), "{text}: {short}");

        let failed = Outcome::Failed {
            failure: Failure {
                error: "no route to host".to_owned(),
                hint: Some("try again".to_owned()),
                transient: true,
                kind: FailureKind::Unreachable,
            },
        };
        let line = format!("{text}: failed: no route to host");
        let record = StepRecord::new(None, &id, None, &failed);
        assert_eq!(record.to_string(), line);
        assert_eq!(
            plain(&events::line(&EventRecord::Step(record.clone()))),
            line
        );
        let progress = plain(&progress::finished(&id, &failed));
        assert_eq!(progress, format!("{line}\n  hint: try again"));
        let history = in_history(record.clone());
        assert!(history.contains(&format!("\n    {line}\n")), "{history}");

        let skipped = Outcome::Skipped { needs: id.clone() };
        assert_eq!(skipped.to_string(), format!("{text} did not succeed"));

        // What is on disk says as much.
        let written = serde_json::to_string(&record).unwrap();
        let read: StepRecord = serde_json::from_str(&written).unwrap();
        assert_eq!(read.to_string(), line);
    }
}

#[test]
fn what_a_step_did_is_told_after_its_text() {
    let record = |step: &str, rest: serde_json::Value| {
        let mut value = BTreeMap::from([("step", step.into()), ("end", "done".into())]);
        for (key, of) in rest.as_object().unwrap() {
            value.insert(key, of.clone());
        }
        let value = serde_json::to_value(value).unwrap();
        let record: StepRecord = serde_json::from_value(value).unwrap();
        record.to_string()
    };
    let json = |text: &str| serde_json::from_str(text).unwrap();
    for (step, rest, line) in [
        (
            "push/pve-01/iso/a.iso",
            r#"{"bytes": 4194304, "sent_bytes": 1048576, "millis": 3000}"#,
            "push a.iso to pve-01: done in 3.0 s, 1.0 MiB sent",
        ),
        // As version 0.1.0 wrote it.
        (
            "push/pve-01/iso/a.iso",
            r#"{"bytes": 4194304}"#,
            "push a.iso to pve-01: done, 4.0 MiB written",
        ),
        (
            "push/pve-01/iso/a.iso",
            r#"{"adopted": true}"#,
            "push a.iso to pve-01: adopted",
        ),
        (
            "fetch/a.iso",
            r#"{"bytes": 1048576}"#,
            "fetch a.iso: done, 1.0 MiB downloaded",
        ),
        (
            "prune-cache/a.iso",
            r#"{"bytes": 1048576}"#,
            "prune a.iso from the cache: done, 1.0 MiB freed",
        ),
        (
            "fetch/a.iso",
            r#"{"end": "cancelled", "message": "continues in the background"}"#,
            "fetch a.iso: continues in the background",
        ),
        (
            "fetch/a.iso",
            r#"{"end": "cancelled"}"#,
            "fetch a.iso: cancelled",
        ),
        (
            "clone/pve-01/9000",
            r#"{"bytes": 7}"#,
            "clone/pve-01/9000: done",
        ),
    ] {
        assert_eq!(record(step, json(rest)), line);
    }
    let id: StepId = serde_json::from_str("\"fetch/a.iso\"").unwrap();
    let under_way = StepRecord::new(None, &id, None, &Outcome::UnderWay);
    assert_eq!(
        under_way.to_string(),
        "fetch a.iso: continues in the background"
    );
}
