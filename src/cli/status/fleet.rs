//! `status --fleet`: all sites of the fleet, as the store knows them.

use crate::app::{App, Mode};
use crate::cli::args::Common;
use crate::cli::exit::Exit;
use crate::cli::forms::OutputForm;
use crate::cli::table::{Table, one_line, span};
use crate::cli::{out, style};
use crate::conclude::{FleetAnswer, FleetSite, ReportState};

/// Asks the store, and shows what it says.
pub(in crate::cli) async fn run(common: &Common, output: OutputForm) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let Some(view) = app.whole_fleet().await? else {
        anyhow::bail!(
            "the configuration has no `store`; expected the one that the controllers of the \
             fleet share"
        );
    };
    let answer = FleetAnswer::new(&view, app.settings().network.sites.keys());
    match output.data() {
        Some(form) => out::value(form, &answer)?,
        None => out::text(&text(&answer))?,
    }
    if let Some(why) = &answer.trouble {
        let word = style::error("error:");
        out::note(&format!(
            "{word} the store does not answer: {}",
            one_line(why)
        ));
    }
    Ok(match answer.is_fine() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// A line for each site, and what is behind below.
fn text(answer: &FleetAnswer) -> String {
    let header = [
        "SITE", "LEADER", "EPOCH", "REPORT", "NODES", "ORDERS", "REVISION",
    ];
    let mut table = Table::new(&header);
    for (site, line) in &answer.sites {
        table.row(cells(site.as_str(), line));
    }
    let mut lines = table.lines();
    for (site, line) in &answer.sites {
        let troubles = line.troubles.iter();
        lines.extend(troubles.map(|trouble| format!("! {site}: {}", one_line(trouble))));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn cells(site: &str, line: &FleetSite) -> [String; 7] {
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let is_known = line.age_seconds.is_some();
    let in_sync = |in_sync: usize, all: usize| match is_known {
        true => format!("{in_sync}/{all} in sync"),
        false => "-".to_owned(),
    };
    let mut nodes = in_sync(line.nodes.in_sync, line.nodes.all);
    if line.nodes.silent > 0 {
        nodes.push_str(&format!(", {} unreachable", line.nodes.silent));
    }
    [
        site.to_owned(),
        known(line.leader.as_deref().map(one_line)),
        known(line.epoch.map(|epoch| epoch.to_string())),
        report(line),
        nodes,
        in_sync(line.orders.in_sync, line.orders.all),
        known(line.revision.as_deref().map(one_line)),
    ]
}

fn report(line: &FleetSite) -> String {
    let begin = jiff::Timestamp::UNIX_EPOCH;
    let seconds = i64::try_from(line.age_seconds.unwrap_or(0)).unwrap_or(i64::MAX);
    let end = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    match line.report {
        ReportState::Fresh => format!("{} ago", span(begin, end)),
        ReportState::Old => format!("{} ago, too old", span(begin, end)),
        ReportState::Invalid => "not valid".to_owned(),
        ReportState::None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{NodeCounts, OrderCounts};

    #[test]
    fn every_site_has_a_line_and_what_is_behind_stands_below() {
        let prague = FleetSite {
            report: ReportState::Fresh,
            age_seconds: Some(12),
            leader: Some("ctl-1".to_owned()),
            epoch: Some(crate::model::LeaderEpoch::new(7)),
            revision: Some("main@sha1:abc".to_owned()),
            nodes: NodeCounts {
                all: 3,
                in_sync: 2,
                silent: 1,
            },
            orders: OrderCounts { all: 2, in_sync: 1 },
            troubles: vec!["workers on pve-03: no route to\u{1b} host".to_owned()],
        };
        let brno = FleetSite {
            report: ReportState::Old,
            age_seconds: Some(7200),
            troubles: Vec::new(),
            ..prague.clone()
        };
        let forged = FleetSite {
            report: ReportState::Invalid,
            troubles: vec!["its report is not valid: no seal".to_owned()],
            ..FleetSite::default()
        };
        let named = [
            ("brno", brno),
            ("jihlava", forged),
            ("ostrava", FleetSite::default()),
            ("prague", prague),
        ];
        let sites = named.map(|(name, site)| (name.parse().unwrap(), site));
        let answer = FleetAnswer {
            sites: sites.into(),
            trouble: None,
        };
        let expected = "\
SITE     LEADER  EPOCH  REPORT           NODES                       ORDERS       REVISION
brno     ctl-1   7      2h ago, too old  2/3 in sync, 1 unreachable  1/2 in sync  main@sha1:abc
jihlava  -       -      not valid        -                           -            -
ostrava  -       -      none             -                           -            -
prague   ctl-1   7      12s ago          2/3 in sync, 1 unreachable  1/2 in sync  main@sha1:abc
! jihlava: its report is not valid: no seal
! prague: workers on pve-03: no route to  host
";
        assert_eq!(text(&answer), expected);
    }
}
