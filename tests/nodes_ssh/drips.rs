//! Nodes that go on to send something and never come to an end.

use super::*;

/// What a node sends in place of an answer, for as long as somebody listens.
const DRIPS: [(&str, &str); 5] = [
    ("before an answer", "while sleep 0.2; do echo .; done"),
    ("on standard error", "while sleep 0.2; do echo . >&2; done"),
    (
        "ticks",
        "printf '\\0begin x\\0'; while sleep 0.2; do printf 'tick\\0'; done",
    ),
    ("nothing", "sleep 1000"),
    ("a flood", "yes"),
];

#[tokio::test]
async fn a_node_that_never_ends_is_unknown_and_costs_the_others_nothing() {
    let lab = Lab::new();
    let nodes = Arc::new(other(&lab, |config| config.look = Duration::from_secs(3)));
    let well = lab.node();
    for (what, drip) in DRIPS {
        let node = lab.node_with(&format!("ForceCommand {drip}\n"));
        let (id, dir) = (node.node("drip"), node.dir("iso"));
        let slow = tokio::spawn({
            let nodes = Arc::clone(&nodes);
            async move { why_unreachable(&nodes, &id, &dir).await }
        });
        // Meanwhile another one is seen.
        look(&nodes, &well.node("well"), &well.dir("iso")).await;
        let why = tokio::time::timeout(TIMEOUT, slow).await;
        let why = why.unwrap_or_else(|_| panic!("{what}: no end")).unwrap();
        // Whether a flood is too much or too long first is up to the machine.
        let too_much = what == "a flood" && why.contains("wrote more than");
        let too_long = why.contains("it did not finish within 3 s");
        assert!(too_much || too_long, "{what}: {why}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_a_while_is_waited_for() {
    let lab = Lab::new();
    let node = lab.node_with("ForceCommand sleep 1; eval \"$SSH_ORIGINAL_COMMAND\"\n");
    let nodes = other(&lab, |config| config.look = Duration::from_secs(20));
    look(&nodes, &node.node("slow"), &node.dir("iso")).await;
}
