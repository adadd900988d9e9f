//! A run beside the controller, and whole fleets with the planner and the memory.

mod beside;
mod world;

#[tokio::test]
async fn another_epoch_is_another_leadership_although_nobody_saw_the_end_of_the_first() {
    use super::{ShownStandings, SiteStanding};
    use std::collections::BTreeMap;

    let prague: crate::model::SiteName = "prague".parse().unwrap();
    let leading = |number| {
        let leader = SiteStanding::Leader {
            epoch: crate::model::LeaderEpoch::new(number),
            until: std::time::Duration::MAX,
        };
        BTreeMap::from([(prague.clone(), leader)])
    };
    let (standings, shown) = tokio::sync::watch::channel(leading(3));
    let shown = ShownStandings::new(shown, &BTreeMap::new());
    let led = shown.epochs();
    let lost = shown.lost(&led);
    let mut lost = std::pin::pin!(lost);
    assert!(futures_util::poll!(lost.as_mut()).is_pending());
    standings.send_replace(leading(5));
    assert!(futures_util::poll!(lost.as_mut()).is_ready());
    assert_eq!(shown.led().len(), 1);
}
