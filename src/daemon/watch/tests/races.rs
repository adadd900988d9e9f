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

use super::super::Watching;
use super::case::{Case, EVENTS_ONLY, Step, make, turn};

const ORDERS: &str = "far/above/orders";
const FILE: &str = "far/above/orders/a.yaml";

const AT_ONCE: Watching = Watching {
    quiet: Duration::from_millis(1),
    longest: Duration::from_millis(10),
    ..EVENTS_ONLY
};

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
        )
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
        Case::with(ORDERS, AT_ONCE, false, |dir| {
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

    async fn at_every_point(&self) {
        let case = self.watched().await;
        let points = case.points();
        for first in 0..=points {
            for second in first..=points {
                for third in second..=points {
                    self.replace_in_a_look(&case, [first, second, third]).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_and_made_again_at_every_point_of_a_look() {
    REMOVED.at_every_point().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_from_above_and_made_again_at_every_point_of_a_look() {
    REMOVED_FROM_ABOVE.at_every_point().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_aside_at_every_point_of_a_look() {
    MOVED.at_every_point().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_aside_from_far_above_at_every_point_of_a_look() {
    MOVED_FAR_ABOVE.at_every_point().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanged_at_every_point_of_a_look() {
    EXCHANGED.at_every_point().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_turned_at_every_point_of_a_look() {
    TURNED.at_every_point().await;
}

/// Nothing is waited for between a replacement and the writes behind it.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_replacements_with_writes_right_behind_them() {
    let ways = [
        REMOVED,
        REMOVED_FROM_ABOVE,
        MOVED,
        MOVED_FAR_ABOVE,
        EXCHANGED,
        TURNED,
    ];
    for way in &ways {
        let case = way.watched().await;
        for round in 0..200_usize.div_ceil(ways.len()) {
            let what = format!("{}, round {round}", way.what);
            case.wakes(&what, || {
                (way.prepare)(&case.path(""));
                for step in way.steps {
                    step(&case.path(""));
                }
            })
            .await;
            for text in ["one", "two"] {
                case.wakes(&format!("a write behind {what}"), || case.write(FILE, text))
                    .await;
            }
        }
    }
}
