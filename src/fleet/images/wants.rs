//! What the sites of a fleet want of the store, if that is known of all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::keys;
use crate::bucket::ObjectKey;
use crate::facts::{FleetView, SiteReport};
use crate::model::SiteName;

/// What the sites of a fleet want of the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct FleetWants {
    /// The sites of which it is known.
    pub(super) sites: BTreeSet<SiteName>,
    /// The index entries.
    pub(super) images: BTreeSet<ObjectKey>,
}

/// Why it is not known what all sites want. Nothing is removed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WantsDoubt {
    /// The store could not be asked.
    #[error("{0}")]
    Store(String),
    /// A site is there and says nothing.
    #[error("the site {site} has not reported what it wants")]
    NoReport {
        /// The site.
        site: SiteName,
    },
    /// A site has said nothing for long.
    #[error("the last report of the site {site} is {} h old", age.as_secs() / 3600)]
    Old {
        /// The site.
        site: SiteName,
        /// The age of its report.
        age: Duration,
    },
    /// Nobody knows who says what a site wants.
    #[error("the report of the site {site} is not valid: {why}")]
    Invalid {
        /// The site.
        site: SiteName,
        /// What is wrong with it.
        why: String,
    },
    /// A site does not know it itself, because orders or versions could not be read.
    #[error("the site {site} does not know everything that it wants")]
    Incomplete {
        /// The site.
        site: SiteName,
    },
    /// A report is of another version.
    #[error(
        "the report of the site {site} names the image {name:?}; expected its key in the index"
    )]
    Name {
        /// The site.
        site: SiteName,
        /// What it says.
        name: String,
    },
}

impl WantsDoubt {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoReport { site } | Self::Old { site, .. } => Some(format!(
                "start a controller of the site {site}; if there is no such site any more, remove \
                 v1/leaders/{site}.json and v1/sites/{site}/ from the store, and the site from \
                 the configuration"
            )),
            Self::Store(_) | Self::Invalid { .. } | Self::Incomplete { .. } | Self::Name { .. } => {
                None
            }
        }
    }
}

impl FleetWants {
    /// The wants of all sites: of those in the configuration, and of those that have ever
    /// reported. The view has those of this controller as well.
    ///
    /// # Errors
    /// When they are not known of one of them.
    pub(crate) fn of<'a>(
        configured: impl IntoIterator<Item = &'a SiteName>,
        view: &FleetView,
    ) -> Result<Self, WantsDoubt> {
        if let Some(trouble) = &view.trouble {
            return Err(WantsDoubt::Store(trouble.clone()));
        }
        if let Some((site, why)) = view.invalid.first_key_value() {
            let (site, why) = (site.clone(), why.clone());
            return Err(WantsDoubt::Invalid { site, why });
        }
        let mut wants = Self::default();
        for (site, seen) in &view.sites {
            if !seen.is_fresh {
                let age = Duration::from_secs(seen.age_seconds);
                let site = site.clone();
                return Err(WantsDoubt::Old { site, age });
            }
            wants.add(site, &seen.report)?;
        }
        wants.knows(configured)?;
        Ok(wants)
    }

    /// These sites are among those of which it is known.
    ///
    /// # Errors
    /// When one is not.
    pub(super) fn knows<'a>(
        &self,
        sites: impl IntoIterator<Item = &'a SiteName>,
    ) -> Result<(), WantsDoubt> {
        let mut sites = sites.into_iter();
        match sites.find(|site| !self.sites.contains(site)) {
            Some(site) => Err(WantsDoubt::NoReport { site: site.clone() }),
            None => Ok(()),
        }
    }

    fn add(&mut self, site: &SiteName, report: &SiteReport) -> Result<(), WantsDoubt> {
        if !report.is_complete {
            return Err(WantsDoubt::Incomplete { site: site.clone() });
        }
        for name in &report.wanted {
            let Some(key) = keys::index_of(name) else {
                let (site, name) = (site.clone(), name.clone());
                return Err(WantsDoubt::Name { site, name });
            };
            self.images.insert(key);
        }
        self.sites.insert(site.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SiteView;

    fn site(name: &str) -> SiteName {
        name.parse().unwrap()
    }

    fn report(wanted: &[&str]) -> SiteReport {
        SiteReport {
            is_complete: true,
            wanted: wanted.iter().map(|name| (*name).to_owned()).collect(),
            ..SiteReport::default()
        }
    }

    fn seen(report: SiteReport) -> SiteView {
        SiteView {
            age_seconds: 7200,
            is_fresh: true,
            report,
        }
    }

    const A: &str = "nocloud/aa/v1.11.3/nocloud-amd64.iso.01234567.json";
    const B: &str = "metal/bb/v1.11.3/metal-amd64.iso.01234567.json";

    #[test]
    fn all_sites_have_to_be_known() {
        let mut view = FleetView {
            sites: [
                (site("brno"), seen(report(&[A, B]))),
                (site("prague"), seen(report(&[A]))),
            ]
            .into(),
            ..FleetView::default()
        };
        let configured = [site("brno"), site("prague")];
        let of = |view: &FleetView| FleetWants::of(&configured, view);
        let wants = of(&view).unwrap();
        let images: Vec<_> = wants.images.iter().map(ObjectKey::as_str).collect();
        assert_eq!(images, [format!("v1/index/{B}"), format!("v1/index/{A}")]);
        let said = |view: &FleetView| of(view).unwrap_err().to_string();

        let brno = |view: &mut FleetView, change: &dyn Fn(&mut SiteView)| {
            change(view.sites.get_mut(&site("brno")).unwrap());
        };
        let mut old = view.clone();
        brno(&mut old, &|seen| seen.is_fresh = false);
        assert_eq!(said(&old), "the last report of the site brno is 2 h old");
        let mut partial = view.clone();
        brno(&mut partial, &|seen| seen.report.is_complete = false);
        assert_eq!(
            said(&partial),
            "the site brno does not know everything that it wants"
        );
        let mut other = view.clone();
        brno(&mut other, &|seen| {
            seen.report.wanted.insert("v1.11.3".to_owned());
        });
        assert!(said(&other).contains("names the image \"v1.11.3\""));
        let mut forged = view.clone();
        let why = "it is not sealed".to_owned();
        forged.invalid.insert(site("brno"), why);
        assert_eq!(
            said(&forged),
            "the report of the site brno is not valid: it is not sealed"
        );
        view.trouble = Some("the store is down".to_owned());
        assert_eq!(said(&view), "the store is down");
        let none = FleetView::default();
        assert_eq!(said(&none), "the site brno has not reported what it wants");
        // A site that no configuration names any more counts as well.
        let third = FleetView {
            sites: [(
                site("plzen"),
                SiteView {
                    is_fresh: false,
                    ..seen(report(&[]))
                },
            )]
            .into(),
            ..FleetView::default()
        };
        let plzen = FleetWants::of([], &third).unwrap_err();
        assert!(plzen.hint().unwrap().contains("v1/leaders/plzen.json"));
    }
}
