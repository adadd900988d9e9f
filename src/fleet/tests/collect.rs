//! What no site wants goes from the store, and nothing else does.

mod faults;
mod random;

use std::collections::BTreeSet;
use std::time::Duration;

use super::disturbed::DisturbedStore;
use crate::bucket::{ObjectKey, WriteCondition};
use crate::facts::{FleetView, SiteReport, SiteView, StoreUse, StoredStock};
use crate::fleet::{CollectError, FleetWants, KeepTimes, StoreCollector, WantsDoubt};
use crate::io::hash::Hasher;
use crate::model::SiteName;
use crate::upstream::RequestTally;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

const KEEP: KeepTimes = KeepTimes {
    images: Duration::from_secs(7 * 24 * 3600),
    blobs: DAY,
};

/// A store, what its sites say, and who collects.
struct Lab {
    store: DisturbedStore,
    collector: StoreCollector,
    tally: RequestTally,
    view: FleetView,
}

fn site(name: &str) -> SiteName {
    name.parse().unwrap()
}

fn report(wanted: &[&str]) -> SiteReport {
    SiteReport {
        is_complete: true,
        wanted: wanted.iter().copied().map(name).collect(),
        ..SiteReport::default()
    }
}

/// The name of an image in the index.
fn name(image: &str) -> String {
    format!("nocloud/{image}/v1.11.3/nocloud-amd64.iso.01234567.json")
}

fn index(image: &str) -> String {
    format!("v1/index/{}", name(image))
}

/// Where the bytes with this content are.
fn blob(content: &str) -> String {
    let mut hasher = Hasher::default();
    hasher.update(content.as_bytes());
    let hex = hasher.finish().sha256.to_string();
    format!("v1/blobs/sha256/{}/{hex}", &hex[..2])
}

impl Lab {
    /// Two sites: prague, which this controller leads, and brno.
    async fn new() -> Self {
        let store = DisturbedStore::default();
        let tally = RequestTally::default();
        let mut lab = Self {
            collector: StoreCollector::new(store.bucket(), KEEP, tally.clone()),
            store,
            tally,
            view: FleetView::default(),
        };
        lab.reports("prague", report(&[]));
        lab.put("v1/leaders/prague.json", "{}").await;
        lab.put("v1/leaders/brno.json", "{}").await;
        lab
    }

    fn reports(&mut self, name: &str, report: SiteReport) {
        let view = SiteView {
            age_seconds: 60,
            is_fresh: true,
            report,
        };
        self.view.sites.insert(site(name), view);
    }

    fn brno(mut self, report: SiteReport) -> Self {
        self.reports("brno", report);
        self
    }

    async fn put(&self, key: &str, text: &str) {
        let key: ObjectKey = key.parse().unwrap();
        let bucket = self.store.apart().bucket();
        let put = bucket.put(&key, text.to_owned(), WriteCondition::Always);
        put.await.unwrap();
    }

    /// An image with this content is shared.
    async fn share(&self, image: &str, content: &str) {
        let blob = blob(content);
        let digest = blob.rsplit('/').next().unwrap();
        self.put(&blob, content).await;
        let entry = format!("{{\"format\":1,\"sha256\":\"{digest}\"}}");
        self.put(&index(image), &entry).await;
    }

    /// The index entries and blobs that are there.
    async fn there(&self) -> BTreeSet<String> {
        let bucket = self.store.apart().bucket();
        let mut there = BTreeSet::new();
        for prefix in ["v1/index", "v1/blobs", "v1/claims"] {
            let listed = bucket.list(&prefix.parse().unwrap()).await.unwrap();
            there.extend(listed.into_iter().map(|object| object.key.to_string()));
        }
        there
    }

    fn wants(&self) -> Result<FleetWants, WantsDoubt> {
        FleetWants::of(&[site("brno"), site("prague")], &self.view)
    }

    async fn collect(&mut self) -> Result<(), CollectError> {
        self.collect_while(|| true).await
    }

    /// Time goes by, in which the leader renews its leadership, and then it collects.
    async fn collect_after(&mut self, time: Duration) -> Result<(), CollectError> {
        self.store.advance(time);
        self.collect().await
    }

    async fn collect_while(&mut self, leads: impl Fn() -> bool) -> Result<(), CollectError> {
        self.put("v1/leaders/prague.json", "{}").await;
        let led = [site("prague")].into();
        let wants = self.wants()?;
        self.collector.collect(&wants, &led, leads).await.map(drop)
    }

    fn counted(&self) -> StoreUse {
        self.tally.read().store.unwrap_or_default()
    }
}

fn all(keys: &[String]) -> BTreeSet<String> {
    keys.iter().cloned().collect()
}

#[tokio::test]
async fn what_no_site_wants_goes_first_from_the_index_and_then_its_bytes() {
    let mut lab = Lab::new().await.brno(report(&["b"]));
    lab.reports("prague", report(&["a"]));
    for image in ["a", "b", "c"] {
        lab.share(image, &format!("content of {image}")).await;
    }
    let claim = "v1/claims/nocloud/c/v1.11.3/x.json";
    lab.put(claim, "{}").await;
    let of = |image: &str| [index(image), blob(&format!("content of {image}"))];
    let wanted = [of("a"), of("b")].concat();
    let everything = [&wanted[..], &of("c"), &[claim.to_owned()]].concat();
    lab.collect().await.unwrap();
    assert_eq!(lab.there().await, all(&everything));
    // What is in the store is known from the first time on.
    let stock = StoredStock {
        images: 3,
        blobs: 3,
        bytes: 36,
    };
    assert_eq!(lab.counted().stock, Some(stock));
    for _ in 0..6 {
        lab.collect_after(DAY).await.unwrap();
    }
    let kept = [&wanted[..], &of("c")].concat();
    assert_eq!(lab.there().await, all(&kept), "the claim alone is gone");
    lab.collect_after(DAY).await.unwrap();
    let kept = [&wanted[..], &of("c")[1..]].concat();
    assert_eq!(lab.there().await, all(&kept), "the bytes stay for a day");
    lab.collect_after(HOUR).await.unwrap();
    lab.collect_after(DAY - HOUR).await.unwrap();
    assert_eq!(lab.there().await, all(&kept));
    lab.collect_after(HOUR).await.unwrap();
    assert_eq!(lab.there().await, all(&wanted));
    let StoreUse {
        collected_images,
        collected_blobs,
        collected_bytes,
        collected_claims,
        ..
    } = lab.counted();
    let counts = (collected_images, collected_blobs, collected_claims);
    assert_eq!((counts, collected_bytes), ((1, 1, 1), 12));
}

#[tokio::test]
async fn bytes_that_another_image_has_stay() {
    let mut lab = Lab::new().await.brno(report(&["b"]));
    lab.share("a", "the same").await;
    lab.share("b", "the same").await;
    for _ in 0..20 {
        lab.collect_after(DAY).await.unwrap();
    }
    assert_eq!(lab.there().await, all(&[index("b"), blob("the same")]));
}

#[tokio::test]
async fn an_image_that_is_wanted_again_has_its_whole_time_again() {
    let mut lab = Lab::new().await.brno(report(&[]));
    lab.share("a", "a").await;
    for _ in 0..7 {
        lab.collect_after(DAY).await.unwrap();
    }
    lab = lab.brno(report(&["a"]));
    lab.collect_after(DAY).await.unwrap();
    lab = lab.brno(report(&[]));
    for _ in 0..7 {
        lab.collect_after(DAY).await.unwrap();
        assert!(lab.there().await.contains(&index("a")));
    }
    lab.collect_after(DAY).await.unwrap();
    assert!(!lab.there().await.contains(&index("a")));
}

#[tokio::test]
async fn a_site_that_says_nothing_keeps_everything() {
    // The configuration names it, and there is no report.
    let mut lab = Lab::new().await;
    lab.share("a", "a").await;
    let doubt = |site: SiteName| CollectError::Doubt(WantsDoubt::NoReport { site });
    for _ in 0..20 {
        let error = lab.collect_after(DAY).await.unwrap_err();
        assert_eq!(error.to_string(), doubt(site("brno")).to_string());
    }
    // Somebody leads it whom no configuration knows, or has reported once.
    for key in ["v1/leaders/plzen.json", "v1/sites/plzen/report.json"] {
        let mut lab = Lab::new().await.brno(report(&[]));
        lab.share("a", "a").await;
        lab.collect_after(DAY).await.unwrap();
        lab.put(key, "{}").await;
        for _ in 0..20 {
            let error = lab.collect_after(DAY).await.unwrap_err();
            assert_eq!(error.to_string(), doubt(site("plzen")).to_string());
        }
        assert_eq!(lab.there().await, all(&[index("a"), blob("a")]));
    }
}

#[tokio::test]
async fn a_controller_that_comes_later_goes_on_with_the_times_of_the_store() {
    let mut lab = Lab::new().await.brno(report(&[]));
    lab.share("a", "a").await;
    for _ in 0..10 {
        lab.collector = StoreCollector::new(lab.store.bucket(), KEEP, lab.tally.clone());
        lab.collect_after(DAY).await.unwrap();
    }
    assert_eq!(lab.there().await, all(&[]));
}
