//! A fleet whose names and messages are those of an attacker.

use std::sync::Arc;

use super::fleet::{Fleet, Trouble, fleet};
use super::orders_text::CONFIG;
use super::run_now::downloads_fail;
use crate::conclude::RolloutLine;
use crate::conclude::rollouts::tests::half_way;
use crate::plan::RingState;

/// Text that would do something if it were not text.
pub(super) const EVIL: &str =
    "\"><img src=x onerror=alert(1)><script>alert(2)</script>\u{202e}gnp\u{200b}";

/// A fleet whose names would do something if they were not text.
pub(super) fn hostile() -> Fleet {
    let evil = "\\\"><img src=x onerror=alert(1)><script>alert(2)</script>\\u202egnp\\u200b'`${7}";
    let text = format!(
        "- orderid: evil\n  customer: \"{evil}\"\n  positions:\n    - name: \"{evil}\"\n      \
         version: latest\n      platform: nocloud\n      image_format: iso\n      customization: \
         {{extraKernelArgs: [\"a=<script>alert(3)</script>\"]}}\n      push: {{enabled: true, hosts: \
         [{{group: fra}}]}}\n- orderid: bad\n  customer: x\n  positions:\n    - name: \"{evil}\"\n      \
         platform: \"{evil}\"\n"
    );
    let mut fleet = fleet(CONFIG, &text, &Trouble::default(), downloads_fail);
    let status = Arc::make_mut(&mut fleet.view.status);
    let evil = EVIL;
    status.revision = Some(evil.to_owned());
    status.notes.push(evil.to_owned());
    for condition in &mut status.conditions {
        condition.message = evil.to_owned();
    }
    let mut planned = half_way("evil");
    let why = evil.to_owned();
    planned.rings[1].state = RingState::Waiting {
        why,
        waits_for: None,
        until: None,
        needs_promotion: false,
    };
    status.rollouts.push(RolloutLine::new(&planned, None));
    status.conditions[0].order = Some(format!("orders/{evil}.yaml"));
    fleet.history[0].error = Some(evil.to_owned());
    fleet
}
