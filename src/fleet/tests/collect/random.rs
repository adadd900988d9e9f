//! Random sites, wants, times and faults: nothing goes that anybody may want.

use std::collections::BTreeMap;

use futures_util::FutureExt;

use super::*;
use crate::fleet::tests::disturbed::StoreFault;

const SITES: [&str; 4] = ["prague", "brno", "ostrava", "plzen"];
const IMAGES: usize = 8;

/// What is true of an image, whatever anybody believes.
#[derive(Debug, Clone, Default)]
struct ImageTruth {
    /// When a look last found that a site wants it.
    wanted: Duration,
}

struct WorldOfSites {
    lab: Lab,
    dice: fastrand::Rng,
    now: Duration,
    /// The latest report of each site, and whether the view has it.
    reports: BTreeMap<SiteName, (SiteReport, bool)>,
    images: Vec<ImageTruth>,
}

fn image(number: usize) -> String {
    format!("image{number}")
}

/// Some images have the same content.
fn content(number: usize) -> String {
    format!("content {}", number / 2)
}

impl WorldOfSites {
    async fn new(seed: u64) -> Self {
        let lab = Lab::new().await;
        for name in SITES {
            lab.put(&format!("v1/leaders/{name}.json"), "{}").await;
        }
        let empty = SITES.map(|name| (site(name), (report(&[]), true)));
        Self {
            lab,
            dice: fastrand::Rng::with_seed(seed),
            now: Duration::ZERO,
            reports: empty.into(),
            images: vec![ImageTruth::default(); IMAGES],
        }
    }

    /// Something happens somewhere.
    async fn happen(&mut self) {
        match self.dice.u8(..10) {
            0..4 => {
                let name = site(SITES[self.dice.usize(..SITES.len())]);
                let wanted = (0..IMAGES).filter(|_| self.dice.u8(..4) == 0);
                let wanted: Vec<String> = wanted.map(image).collect();
                let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                let report = SiteReport {
                    is_complete: self.dice.u8(..8) > 0,
                    ..report(&wanted)
                };
                let is_fresh = self.dice.u8(..8) > 0;
                self.reports.insert(name, (report, is_fresh));
            }
            4..6 => {
                let number = self.dice.usize(..IMAGES);
                self.lab.share(&image(number), &content(number)).await;
            }
            6..8 => {
                // All of them report.
                for (report, is_fresh) in self.reports.values_mut() {
                    (report.is_complete, *is_fresh) = (true, true);
                }
            }
            _ => {
                let verbs = [
                    ("list", "v1/"),
                    ("get", "v1/"),
                    ("put", "v1/unwanted"),
                    ("delete", "v1/"),
                ];
                let (verb, key) = verbs[self.dice.usize(..verbs.len())];
                let fault = match self.dice.bool() {
                    true => StoreFault::Fails,
                    false => StoreFault::LosesAnswer,
                };
                self.lab.store.inject(verb, key, fault, 1);
            }
        }
    }

    fn is_silent(&self) -> bool {
        let known = |(report, is_fresh): &(SiteReport, bool)| report.is_complete && *is_fresh;
        !self.reports.values().all(known)
    }

    fn is_wanted(&self, number: usize) -> bool {
        let name = name(&image(number));
        let mut reports = self.reports.values();
        reports.any(|(report, _)| report.wanted.contains(&name))
    }

    /// Time goes by, and somebody collects.
    async fn look(&mut self) {
        let time = Duration::from_secs(self.dice.u64(3600..30 * 3600));
        self.now += time;
        self.lab.store.advance(time);
        let views = self.reports.iter().map(|(name, (report, is_fresh))| {
            let view = SiteView {
                age_seconds: 0,
                is_fresh: *is_fresh,
                report: report.clone(),
            };
            (name.clone(), view)
        });
        self.lab.view.sites = views.collect();
        if self.dice.u8(..4) == 0 {
            let (store, tally) = (self.lab.store.bucket(), self.lab.tally.clone());
            self.lab.collector = StoreCollector::new(store, KEEP, tally);
        }
        let leads = self.dice.u8(..8) > 0;
        let before = self.lab.there().await;
        let collected = self.lab.collect_while(|| leads).await;
        let after = self.lab.there().await;
        self.check(&before, &after);
        // What is wanted while nobody can look is not known later.
        for number in 0..IMAGES {
            if collected.is_ok() && self.is_wanted(number) {
                self.images[number].wanted = self.now;
            }
        }
    }

    fn check(&self, before: &BTreeSet<String>, after: &BTreeSet<String>) {
        let gone: Vec<&String> = before.difference(after).collect();
        assert!(gone.is_empty() || !self.is_silent(), "{gone:?}");
        for number in 0..IMAGES {
            let entry = index(&image(number));
            let unwanted_for = self.now - self.images[number].wanted;
            if gone.contains(&&entry) {
                assert!(!self.is_wanted(number), "{entry}");
                assert!(unwanted_for >= KEEP.images, "{entry} {unwanted_for:?}");
            }
            // The bytes of an entry are there as long as it is.
            if before.contains(&entry) {
                let bytes = blob(&content(number));
                assert!(!gone.contains(&&bytes), "{entry}");
            }
        }
    }
}

async fn run(seed: u64) {
    let mut world = WorldOfSites::new(seed).await;
    for _ in 0..60 {
        for _ in 0..world.dice.u8(..4) {
            world.happen().await;
        }
        world.look().await;
    }
    // At last all is well, and nobody wants anything.
    world.lab.store.recover();
    for (report, is_fresh) in world.reports.values_mut() {
        (report.is_complete, *is_fresh) = (true, true);
        report.wanted.clear();
    }
    assert!(!world.is_silent());
    for _ in 0..30 {
        world.look().await;
    }
    assert_eq!(world.lab.there().await, BTreeSet::new());
}

/// A seed that fails prints itself.
fn runs(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let ran = std::panic::AssertUnwindSafe(run(seed)).catch_unwind();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        if let Err(panic) = runtime.block_on(ran) {
            println!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn nothing_goes_that_a_site_wants_or_may_want() {
    runs(0..40);
}

#[test]
#[ignore = "takes a minute"]
fn nothing_goes_that_a_site_wants_or_may_want_in_many_worlds() {
    runs(1000..4000);
}
