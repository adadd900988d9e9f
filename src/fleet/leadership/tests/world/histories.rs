//! Many fleets: a few dozen with every test run, ten thousand in a campaign.

use super::{Counts, FleetWorld, WorldSize};

/// Runs the fleet of a seed; a failure says which it was.
fn history(seed: u64, size: WorldSize) -> Counts {
    let ran = std::panic::catch_unwind(|| FleetWorld::new(seed, size).run().counts);
    ran.unwrap_or_else(|_| panic!("the fleet of seed {seed} with {size:?} failed"))
}

/// The size of the fleet of a seed: most are small, since what can go wrong between two
/// sites can go wrong between fifty.
fn size(seed: u64) -> WorldSize {
    let mut random = fastrand::Rng::with_seed(!seed);
    let (sites, nodes) = match seed {
        seed if seed % 1000 == 999 => (50, 100),
        seed if seed % 100 == 99 => (8, 20),
        _ => (random.usize(1..=3), random.usize(1..=4)),
    };
    WorldSize {
        sites,
        nodes,
        is_calm: seed % 10 == 7,
        restores: seed % 10 == 3,
        loses_leaders: seed % 10 == 5,
        has_rings: seed % 4 != 2,
    }
}

fn histories(seeds: impl Iterator<Item = u64>) -> Counts {
    seeds.fold(Counts::default(), |all, seed| {
        let one = history(seed, size(seed));
        Counts {
            leaders: all.leaders + one.leaders,
            pushes: all.pushes + one.pushes,
            removals: all.removals + one.removals,
            fenced: all.fenced + one.fenced,
            downloads: all.downloads + one.downloads,
            from_store: all.from_store + one.from_store,
            takeovers: all.takeovers + one.takeovers,
            runs: all.runs + one.runs,
            rings: all.rings + one.rings,
            awaited: all.awaited + one.awaited,
            promoted: all.promoted + one.promoted,
            waits: all.waits + one.waits,
            instructed: all.instructed + one.instructed,
            reports: all.reports + one.reports,
            lost: all.lost + one.lost,
            late_reports: all.late_reports + one.late_reports,
            outdated: all.outdated + one.outdated,
            lost_leaderships: all.lost_leaderships + one.lost_leaderships,
            double_runs: all.double_runs + one.double_runs,
            partial_pushed: all.partial_pushed + one.partial_pushed,
            partial_kept: all.partial_kept + one.partial_kept,
            garbled: all.garbled + one.garbled,
            stops_kept: all.stops_kept + one.stops_kept,
        }
    })
}

#[test]
fn whatever_goes_wrong_every_site_has_one_leader_and_gets_what_it_wants() {
    let counts = histories(0..60);
    // The histories are not empty ones.
    let Counts {
        leaders,
        pushes,
        removals,
        fenced,
        downloads,
        from_store,
        takeovers,
        runs,
        rings,
        awaited,
        promoted,
        waits,
        instructed,
        reports,
        lost,
        late_reports,
        outdated,
        lost_leaderships,
        double_runs,
        partial_pushed,
        partial_kept,
        garbled,
        stops_kept,
    } = counts;
    assert!(leaders > 400 && runs > 1500 && pushes > 500, "{counts:?}");
    assert!(removals > 80 && fenced > 10, "{counts:?}");
    assert!(downloads > 200 && from_store > 200, "{counts:?}");
    assert!(takeovers > 20, "{counts:?}");
    assert!(rings > 300 && awaited > 80 && promoted > 100, "{counts:?}");
    assert!(waits > 300 && instructed > 100 && lost > 20, "{counts:?}");
    assert!(reports > 1000 && late_reports > 5, "{counts:?}");
    assert!(lost_leaderships > 20 && outdated > 5, "{counts:?}");
    assert!(double_runs > 150, "{counts:?}");
    assert!(garbled > 200 && stops_kept > 100, "{counts:?}");
    assert!(partial_pushed > 50 && partial_kept > 200, "{counts:?}");
}

/// `cargo test --release --lib ten_thousand_fleets -- --ignored --nocapture`; `SEEDS=A..B` for
/// others than the usual ten thousand.
#[test]
#[ignore = "a campaign of ten thousand fleets takes a quarter of an hour"]
fn ten_thousand_fleets() {
    let seeds = std::env::var("SEEDS").unwrap_or_else(|_| "0..10000".to_owned());
    let (first, end) = seeds.split_once("..").expect("SEEDS is like 0..10000");
    let (first, end): (u64, u64) = (first.parse().unwrap(), end.parse().unwrap());
    println!("{:?}", histories(first..end));
}
