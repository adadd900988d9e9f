//! What is remembered and counted beside the run.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{at, node};
use crate::conclude::alerts::DeliveryNumbers;
use crate::conclude::rollouts::tests::half_way;
use crate::conclude::{
    FleetAnswer, FleetSite, ReportState, RolloutLine, SiteLine, SiteRole, SourceLine, SourceState,
};
use crate::facts::{
    Backoff, KnownCertificates, Link, Memory, NodeCounts, OrderCounts, RateLimit, RolloutChange,
    RolloutInstruction, SourceUse, StorePurpose, StoreUse, StoredStock, UpstreamUse,
};
use crate::metrics::HookNumbers;
use crate::model::{LeaderEpoch, SiteName};

const MIB: u64 = 1 << 20;

pub(super) fn memory() -> Memory {
    let mut memory = Memory::default();
    let circuit = Backoff {
        failures: 1,
        until: at(130),
        error: "no route to host".to_owned(),
        lasting: None,
    };
    memory.circuits.insert(node("pve-01"), circuit);
    let link = Link {
        bytes_per_second: 12 * MIB,
        measured_at: at(90),
    };
    memory.links.insert(node("pve-02"), link);
    let certificates = KnownCertificates {
        asked_at: at(90),
        until: [("pve-02".to_owned(), at(9_000_000))].into(),
        pinned: BTreeSet::new(),
    };
    let cluster = "lab".parse().unwrap();
    memory.certificates.insert(cluster, certificates);
    memory
}

pub(super) fn upstream() -> UpstreamUse {
    let host = "api.github.com".to_owned();
    let codes = [("200".to_owned(), 3), ("timeout".to_owned(), 1)].into();
    UpstreamUse {
        requests: [(host.clone(), codes)].into(),
        limits: [(
            host,
            RateLimit {
                remaining: 57,
                reset: Some(at(3600)),
            },
        )]
        .into(),
        store: Some(StoreUse {
            used: 2,
            read_bytes: 200,
            shared: 1,
            written_bytes: 100,
            waited: 1,
            refused: 0,
            failed: 3,
            collected_images: 2,
            collected_blobs: 1,
            collected_bytes: 50,
            collected_claims: 0,
            stock: Some(StoredStock {
                images: 5,
                blobs: 4,
                bytes: 400,
            }),
        }),
        store_requests: [
            (StorePurpose::Images, 14),
            (StorePurpose::Leaders, 40),
            (StorePurpose::Sites, 9),
        ]
        .into(),
    }
}

pub(super) fn notifications() -> BTreeMap<String, DeliveryNumbers> {
    let fails = DeliveryNumbers {
        delivered: 4,
        failed: 2,
        pending: 3,
        is_failing: true,
    };
    [
        ("chat".to_owned(), fails),
        ("mail".to_owned(), DeliveryNumbers::default()),
    ]
    .into()
}

pub(super) fn hooks() -> BTreeMap<String, HookNumbers> {
    let called = HookNumbers {
        accepted: 5,
        refused: 1,
        limited: 2,
    };
    [
        ("push".to_owned(), called),
        ("unused".to_owned(), HookNumbers::default()),
    ]
    .into()
}

pub(super) fn source() -> SourceLine {
    SourceLine {
        date: Some(at(-7000)),
        state: SourceState::Rejected,
        ..SourceLine::default()
    }
}

pub(super) fn sites() -> BTreeMap<SiteName, SiteLine> {
    let led = SiteLine {
        state: SiteRole::Leader,
        leader: None,
        epoch: Some(LeaderEpoch::new(7)),
    };
    let standby = SiteLine {
        state: SiteRole::Standby,
        leader: Some("ctl-2".to_owned()),
        ..led.clone()
    };
    let named = [("prague", led), ("brno", standby)];
    named
        .map(|(name, line)| (name.parse().unwrap(), line))
        .into()
}

pub(super) fn source_use() -> SourceUse {
    SourceUse {
        failures: 3,
        rejections: 2,
        asked_at: Some(at(190)),
        answered_at: Some(at(130)),
    }
}

/// Images in rings, two of them of one order.
pub(super) fn rollouts() -> Vec<RolloutLine> {
    let mut other = half_way("prod");
    other.release = "image/id/v1.11.2/nocloud-amd64.iso".parse().unwrap();
    other.rings[1].name = None;
    let mut said = RolloutInstruction::default();
    said.change(&RolloutChange::Pause, jiff::Timestamp::UNIX_EPOCH);
    [half_way("prod"), other]
        .iter()
        .map(|planned| RolloutLine::new(planned, Some(&said)))
        .collect()
}

/// One site that reports, and one that never did.
pub(super) fn fleet() -> FleetAnswer {
    let prague = FleetSite {
        report: ReportState::Fresh,
        age_seconds: Some(12),
        leader: Some("ctl-1".to_owned()),
        epoch: Some(LeaderEpoch::new(7)),
        nodes: NodeCounts {
            all: 100,
            in_sync: 97,
            silent: 2,
        },
        orders: OrderCounts { all: 3, in_sync: 2 },
        ..FleetSite::default()
    };
    let named = [("prague", prague), ("brno", FleetSite::default())];
    FleetAnswer {
        sites: named
            .map(|(name, site)| (name.parse().unwrap(), site))
            .into(),
        trouble: None,
    }
}
