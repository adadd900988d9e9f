//! What a visitor asks the overview for, in the query of its address.

use serde::Deserialize;

use crate::conclude::matrix::{MatrixRow, SyncState};
use crate::plan::NamePattern;

/// So many orders are on one page.
pub(super) const ROWS: usize = 50;

/// So many nodes are: as many columns as fit on a desk's screen.
pub(super) const COLUMNS: usize = 40;

/// The query. Everything is text here: an empty field of a form is not an error, and
/// neither is a page that does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct OverviewQuery {
    /// An order's id or customer, or a part of them; `*` stands for anything.
    pub order: String,
    /// A node's name, or a part of it.
    pub node: String,
    /// A site.
    pub site: String,
    /// A state.
    pub state: String,
    /// The page of orders, counted from 1.
    pub page: String,
    /// The page of nodes, counted from 1.
    pub nodes: String,
}

impl OverviewQuery {
    /// True if it leaves nothing out.
    pub(super) fn is_all(&self) -> bool {
        let parts = [&self.order, &self.node, &self.site, &self.state];
        parts.iter().all(|part| part.trim().is_empty())
    }

    /// The state that is asked for.
    pub(super) fn state(&self) -> Option<SyncState> {
        let mut states = SyncState::ALL.into_iter();
        states.find(|state| state.as_str() == self.state)
    }

    /// True if it is this state that is asked for.
    pub(super) fn has_state(&self, state: &SyncState) -> bool {
        self.state() == Some(*state)
    }

    /// True if the order is one that is asked for; its state is judged elsewhere.
    pub(super) fn has_order(&self, row: &MatrixRow<'_>) -> bool {
        fits(&self.order, row.order) || row.customer.is_some_and(|name| fits(&self.order, name))
    }

    /// True if the node is one that is asked for.
    pub(super) fn has_node(&self, node: &str, site: Option<&str>) -> bool {
        fits(&self.node, node) && (self.site.is_empty() || site == Some(&self.site))
    }

    /// True if some nodes are left out.
    pub(super) fn selects_nodes(&self) -> bool {
        !self.node.trim().is_empty() || !self.site.is_empty()
    }

    /// The address of another page of the same.
    pub(super) fn link(&self, page: usize, nodes: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in [
            ("order", &self.order),
            ("node", &self.node),
            ("site", &self.site),
            ("state", &self.state),
        ] {
            if !value.is_empty() {
                query.append_pair(key, value);
            }
        }
        for (key, number) in [("page", page), ("nodes", nodes)] {
            if number > 1 {
                query.append_pair(key, &number.to_string());
            }
        }
        format!("/?{}#matrix", query.finish())
    }
}

/// Without a `*` a part of the name is enough, in capitals or not.
fn fits(pattern: &str, name: &str) -> bool {
    let pattern = pattern.trim().to_lowercase();
    let name = name.to_lowercase();
    match pattern.contains('*') {
        false => name.contains(&pattern),
        true => {
            let Ok(pattern) = pattern.parse::<NamePattern>();
            pattern.fits(&name)
        }
    }
}

/// One page of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageOf {
    /// Counted from 1.
    pub page: usize,
    pub pages: usize,
    /// The first of what is on it, counted from 0.
    pub first: usize,
    /// Behind the last of it.
    pub end: usize,
    pub total: usize,
}

impl PageOf {
    /// The page that is asked for, or the nearest that there is.
    pub(super) fn new(asked: &str, total: usize, size: usize) -> Self {
        let pages = total.div_ceil(size).max(1);
        let page = asked.trim().parse().unwrap_or(1).clamp(1, pages);
        let first = (page - 1) * size;
        Self {
            page,
            pages,
            first,
            end: (first + size).min(total),
            total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_is_enough_and_a_star_asks_for_the_whole() {
        for (pattern, name, is_fit) in [
            ("", "prod", true),
            ("PRO", "prod-eu", true),
            (" rod ", "prod-eu", true),
            ("prod", "stage", false),
            ("*-eu", "prod-eu", true),
            ("prod*", "a-prod", false),
        ] {
            assert_eq!(fits(pattern, name), is_fit, "{pattern:?} {name}");
        }
    }

    #[test]
    fn a_page_that_does_not_exist_is_the_nearest() {
        let page = |asked: &str, total| {
            let page = PageOf::new(asked, total, 50);
            (page.page, page.pages, page.first, page.end)
        };
        assert_eq!(page("", 0), (1, 1, 0, 0));
        assert_eq!(page("2", 60), (2, 2, 50, 60));
        assert_eq!(page("0", 60), (1, 2, 0, 50));
        assert_eq!(page("99", 60), (2, 2, 50, 60));
        assert_eq!(page("-1", 60), (1, 2, 0, 50));
        assert_eq!(page("<script>", 60), (1, 2, 0, 50));
    }

    #[test]
    fn links_keep_the_filters() {
        let query = OverviewQuery {
            order: "a&b=\"".to_owned(),
            state: "failed".to_owned(),
            ..OverviewQuery::default()
        };
        assert_eq!(
            query.link(2, 1),
            "/?order=a%26b%3D%22&state=failed&page=2#matrix"
        );
    }
}
