//! The part of the matrix that is on one page.

use super::query::{COLUMNS, OverviewQuery, PageOf, ROWS};
use crate::conclude::matrix::{MatrixCell, MatrixRow, SyncMatrix, SyncState};
use crate::model::NodeId;
use crate::web::pages::frame::Visit;
use crate::web::pages::text::part;

/// A column.
pub(super) struct GridNode<'a> {
    pub name: &'a str,
    pub href: String,
    pub site: Option<&'a str>,
}

/// A row.
pub(super) struct GridRow<'a> {
    pub order: &'a str,
    pub href: String,
    pub customer: Option<&'a str>,
    pub whole: &'a MatrixCell<'a>,
    /// One for each column; `None` where the order wants nothing.
    pub cells: Vec<Option<GridCell<'a>>>,
}

/// A field.
pub(super) struct GridCell<'a> {
    pub state: SyncState,
    pub node: &'a str,
    pub message: &'a str,
    /// What is in sync needs no explanation, so it is no link.
    pub is_link: bool,
}

/// Rows and columns of one page.
pub(super) struct Grid<'a> {
    pub nodes: Vec<GridNode<'a>>,
    pub rows: Vec<GridRow<'a>>,
    pub row_page: PageOf,
    pub node_page: PageOf,
}

impl<'a> Grid<'a> {
    pub(super) fn new(
        matrix: &'a SyncMatrix<'a>,
        query: &OverviewQuery,
        visit: &Visit<'a>,
    ) -> Self {
        let nodes: Vec<&NodeId> = matrix
            .nodes
            .iter()
            .copied()
            .filter(|node| query.has_node(node.as_str(), visit.site(node)))
            .collect();
        let rows: Vec<&MatrixRow<'_>> = matrix
            .rows
            .iter()
            .filter(|row| has_row(query, &nodes, row))
            .collect();
        let row_page = PageOf::new(&query.page, rows.len(), ROWS);
        let node_page = PageOf::new(&query.nodes, nodes.len(), COLUMNS);
        let shown = &nodes[node_page.first..node_page.end];
        let grid_node = |node: &&'a NodeId| GridNode {
            name: node.as_str(),
            href: format!("/nodes/{}", part(node.as_str())),
            site: visit.site(node),
        };
        Self {
            nodes: shown.iter().map(grid_node).collect(),
            rows: rows[row_page.first..row_page.end]
                .iter()
                .map(|row| grid_row(row, shown))
                .collect(),
            row_page,
            node_page,
        }
    }
}

fn has_row(query: &OverviewQuery, nodes: &[&NodeId], row: &MatrixRow<'_>) -> bool {
    if !query.has_order(row) {
        return false;
    }
    let cells = || nodes.iter().filter_map(|node| row.nodes.get(node));
    if query.selects_nodes() && cells().next().is_none() {
        return false;
    }
    let Some(state) = query.state() else {
        return true;
    };
    let is_whole = !query.selects_nodes() && row.whole.state == state;
    is_whole || cells().any(|cell| cell.state == state)
}

fn grid_row<'a>(row: &'a MatrixRow<'a>, nodes: &[&'a NodeId]) -> GridRow<'a> {
    let cells = nodes.iter().map(|node| {
        let cell = row.nodes.get(node)?;
        Some(GridCell {
            state: cell.state,
            node: node.as_str(),
            message: cell.message,
            is_link: cell.state != SyncState::InSync,
        })
    });
    GridRow {
        order: row.order,
        href: format!("/orders/{}", part(row.order)),
        customer: row.customer,
        whole: &row.whole,
        cells: cells.collect(),
    }
}
