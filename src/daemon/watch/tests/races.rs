//! Changes at the worst moments.
//!
//! A replacement can come at any point of a look, its steps at different ones: before
//! the first survey, before each of the directories is watched, before the survey
//! behind that, after it all. All of these cases are gone through. Then it happens at
//! random, in a tight loop.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::task::JoinSet;

use super::super::Watching;
use super::case::{Case, EVENTS_ONLY, Kernel, Step, make, turn};

const ORDERS: &str = "far/above/orders";
const FILE: &str = "far/above/orders/a.yaml";

const AT_ONCE: Watching = Watching {
    quiet: Duration::from_millis(1),
    longest: Duration::from_millis(10),
    ..EVENTS_ONLY
};

static WAYS: [Way; 6] = [
    REMOVED,
    REMOVED_FROM_ABOVE,
    MOVED,
    MOVED_FAR_ABOVE,
    EXCHANGED,
    TURNED,
];

/// A way to replace the directory with the orders.
struct Way {
    what: &'static str,
    /// Makes what comes in its place, where that is made beforehand.
    prepare: fn(&Path),
    /// Everything else, ending with a write to what came in its place.
    steps: &'static [fn(&Path)],
}

const REMOVED: Way = Way {
    what: "removed and made again",
    prepare: |_| {},
    steps: &[
        |dir| fs::remove_dir_all(dir.join(ORDERS)).unwrap(),
        |dir| fs::create_dir(dir.join(ORDERS)).unwrap(),
        |dir| fs::write(dir.join(FILE), "new").unwrap(),
    ],
};

const REMOVED_FROM_ABOVE: Way = Way {
    what: "removed with the directory above, and made again",
    prepare: |_| {},
    steps: &[
        |dir| fs::remove_dir_all(dir.join("far/above")).unwrap(),
        |dir| fs::create_dir_all(dir.join(ORDERS)).unwrap(),
        |dir| fs::write(dir.join(FILE), "new").unwrap(),
    ],
};

/// The old one is kept: its end would be told by the watch that stays with it.
const MOVED: Way = Way {
    what: "moved aside for another one",
    prepare: |dir| {
        let _ = fs::remove_dir_all(dir.join("far/above/.old"));
        make(dir.join("far/above/.new/a.yaml"), "new");
    },
    steps: &[
        |dir| fs::rename(dir.join(ORDERS), dir.join("far/above/.old")).unwrap(),
        |dir| fs::rename(dir.join("far/above/.new"), dir.join(ORDERS)).unwrap(),
        |dir| fs::write(dir.join(FILE), "wen").unwrap(),
    ],
};

const MOVED_FAR_ABOVE: Way = Way {
    what: "moved aside with the directory far above",
    prepare: |dir| {
        let _ = fs::remove_dir_all(dir.join(".old"));
        make(dir.join(".new/above/orders/a.yaml"), "new");
    },
    steps: &[
        |dir| fs::rename(dir.join("far"), dir.join(".old")).unwrap(),
        |dir| fs::rename(dir.join(".new"), dir.join("far")).unwrap(),
        |dir| fs::write(dir.join(FILE), "wen").unwrap(),
    ],
};

const EXCHANGED: Way = Way {
    what: "exchanged for another one",
    prepare: |dir| make(dir.join("far/above/.new/a.yaml"), "new"),
    steps: &[
        |dir| {
            let (new, orders) = (dir.join("far/above/.new"), dir.join(ORDERS));
            renameat_with(CWD, new, CWD, orders, RenameFlags::EXCHANGE).unwrap();
        },
        |dir| fs::remove_dir_all(dir.join("far/above/.new")).unwrap(),
        |dir| fs::write(dir.join(FILE), "wen").unwrap(),
    ],
};

/// The link and the directory take turns, so that each round is like the one before.
const TURNED: Way = Way {
    what: "replaced by turning a link",
    prepare: |dir| {
        make(
            dir.join("far").join(other(dir)).join("orders/a.yaml"),
            "new",
        );
    },
    steps: &[
        |dir| turn(&dir.join("far/above"), other(dir)),
        |dir| fs::remove_dir_all(dir.join("far").join(other(dir))).unwrap(),
        |dir| fs::write(dir.join(FILE), "wen").unwrap(),
    ],
};

/// The tree that the link does not lead to.
fn other(dir: &Path) -> &'static str {
    match fs::read_link(dir.join("far/above")).unwrap().to_str() {
        Some(".1") => ".2",
        _ => ".1",
    }
}

impl Way {
    async fn watched(&self) -> Case {
        Case::with(ORDERS, AT_ONCE, Kernel::Willing, |dir| {
            if self.what == TURNED.what {
                make(dir.join("far/.1/orders/a.yaml"), "old");
                symlink(".1", dir.join("far/above")).unwrap();
            } else {
                make(dir.join(FILE), "old");
            }
        })
        .await
    }

    /// Replaces it in a look, each step at the point given for it.
    async fn replace_in_a_look(&self, case: &Case, points: [usize; 3]) {
        (self.prepare)(&case.path(""));
        let steps = points.into_iter().zip(self.steps).map(|(point, step)| {
            let dir = case.path("");
            (point, Box::new(move || step(&dir)) as Step)
        });
        let what = format!("{}, {points:?}", self.what);
        case.in_a_look(&what, steps).await;
        case.sees(&what).await;
        case.wakes(&format!("a write behind {what}"), || {
            case.write(FILE, "the write behind it");
        })
        .await;
    }
}

/// Tests every way by itself, and all of them at the same time: they wait for most of it.
async fn all_at_once<F>(test: fn(&'static Way) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tests: JoinSet<()> = WAYS.iter().map(test).collect();
    while let Some(ended) = tests.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_lost_behind_a_replacement_at_any_point_of_a_look() {
    all_at_once(|way| async move {
        let case = way.watched().await;
        let points = case.points();
        for first in 0..=points {
            for second in first..=points {
                for third in second..=points {
                    way.replace_in_a_look(&case, [first, second, third]).await;
                }
            }
        }
    })
    .await;
}

/// Nothing is waited for between a replacement and the write behind it.
#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_lost_in_two_hundred_replacements_of_each_kind() {
    all_at_once(|way| async move {
        let case = way.watched().await;
        for round in 1..=200 {
            let what = format!("{}, round {round}", way.what);
            case.wakes(&what, || {
                (way.prepare)(&case.path(""));
                for step in way.steps {
                    step(&case.path(""));
                }
            })
            .await;
            let what = format!("a write behind {what}");
            case.wakes(&what, || case.write(FILE, &round.to_string()))
                .await;
        }
        // The kernel has few, and takes its time to take them back.
        assert_eq!(case.instances(), 1, "{}", way.what);
    })
    .await;
}
