//! Names of orders, positions and what they ask for.

use proptest::prelude::*;

use super::*;

#[test]
fn an_order_id_is_fit_for_a_file_name() {
    for text in ["a", "A-1", "2024_09.order", "a..b", &"a".repeat(128)] {
        assert_eq!(text.parse::<OrderId>().unwrap().as_str(), text);
    }
    for text in [
        "",
        ".",
        "..",
        "-a",
        "_a",
        ".a",
        "a/b",
        "../a",
        "a b",
        "a\nb",
        "a$b",
        "ü",
        "a:b",
        "a\\b",
        &"a".repeat(129),
    ] {
        assert!(text.parse::<OrderId>().is_err(), "{text:?}");
    }
}

#[test]
fn orders_are_complete_only_if_nothing_was_refused() {
    let mut orders = OrderSet::default();
    assert!(orders.is_complete());
    orders.rejected_files.push(RejectedFile {
        file: "a.yaml".to_owned(),
        problems: vec![Problem::of_file("a.yaml", "it is no YAML")],
    });
    assert!(!orders.is_complete());
    assert_eq!(orders.problems().count(), 1);
}

proptest! {
    #[test]
    fn whatever_is_accepted_stays_in_its_directory(text in "[ -~]{0,10}|\\PC{0,6}|[a-z./_-]{0,10}") {
        if let Ok(id) = text.parse::<OrderId>() {
            prop_assert!(id.as_str().starts_with(|c: char| c.is_ascii_alphanumeric()));
            prop_assert!(id.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)));
        }
    }
}
