//! Who is told of what, from the settings.

use std::time::Duration;

use jiff::SignedDuration;

use super::App;
use crate::conclude::alerts::{AlertRule, Sender, Severity};
use crate::config::{RuleSettings, Settings};
use crate::notifications::Outbox;

impl App {
    /// Who is told of failures and recoveries; `None` where nobody is.
    pub(crate) fn outbox(&self) -> Option<Outbox> {
        outbox(self.settings())
    }
}

fn outbox(settings: &Settings) -> Option<Outbox> {
    let notifications = &settings.notifications;
    if notifications.providers.is_empty() {
        return None;
    }
    let page = settings.web.external_url.as_ref();
    let rules = notifications.rules.iter().map(rule).collect();
    let sender = Sender {
        controller: settings.owner.clone(),
        revision: None,
        page: page.map(|url| url.as_str().trim_end_matches('/').to_owned()),
    };
    Some(Outbox::new(&notifications.providers, rules, sender))
}

fn rule(rule: &RuleSettings) -> AlertRule {
    let severities = Severity::ALL.into_iter();
    let is_named =
        |severity: &Severity| rule.severities.iter().any(|word| word == severity.as_str());
    AlertRule {
        providers: rule.providers.iter().map(ToString::to_string).collect(),
        orders: rule.orders.clone(),
        nodes: rule.nodes.clone(),
        sites: rule.sites.clone(),
        severities: severities.filter(is_named).collect(),
        reasons: rule.reasons.clone(),
        reminder: rule.reminder.map(length),
        after: length(rule.after),
    }
}

fn length(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use crate::conclude::Reason;
    use crate::config::REASONS;

    /// What a rule can name is what an alert can have.
    #[test]
    fn the_reasons_of_rules_are_those_of_alerts() {
        let of_status = |word: &str| serde_json::from_value::<Reason>(word.into()).ok();
        let own = ["RunFailed", "Instructions", "Notice"];
        // These are never told: they are between two looks, or wanted so.
        let silent = [
            Reason::BackingOff,
            Reason::OutsideWindow,
            Reason::WaitsForRing,
            Reason::WaitsForPromotion,
            Reason::Suspended,
            Reason::NotSelected,
            Reason::Interrupted,
        ];
        for word in REASONS {
            let reason = of_status(word);
            assert!(reason.is_some() || own.contains(&word), "{word}");
            assert!(
                reason.is_none_or(|reason| !silent.contains(&reason)),
                "{word}"
            );
        }
        let last = Reason::Interrupted as usize;
        assert_eq!(
            REASONS.len() - own.len() + silent.len(),
            last + 1,
            "a reason is missing"
        );
    }
}
