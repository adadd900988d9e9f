//! What stands in the file of epochs, what is damage, and what becomes of it.

use super::leaders::{HASH, controller, leads, word, words};
use super::*;

#[tokio::test]
async fn a_file_of_epochs_keeps_what_others_wrote_and_is_written_anew_where_it_is_lost() {
    let lab = Lab::new();
    let node = lab.node();
    let id = node.node("pve-01");
    let content = file(&lab, 1000, 1);
    let berlin = format!("{HASH}/berlin:9");
    // What is there, what is there after the leader with the epoch 5; None where that one is
    // refused.
    let rows = [
        ("4".to_owned(), Some(format!("5 {}", word(5)))),
        (
            format!("4 7 leader aaaaaaaa/prague:8 {berlin}"),
            Some(format!("5 7 leader aaaaaaaa/prague:8 {berlin} {}", word(5))),
        ),
        (
            format!("4 {} {berlin}", word(5)),
            Some(format!("5 {} {berlin}", word(5))),
        ),
        // Restored from a backup, or damaged.
        (format!("4 {}", word(4)), Some(format!("5 {}", word(5)))),
        (
            format!("4 {} {} x", word(3), word(4)),
            Some(format!("5 x {}", word(5))),
        ),
        (format!("4 {}x", word(9)), Some(format!("5 {}", word(5)))),
        (format!("4 {HASH}/prague:"), Some(format!("5 {}", word(5)))),
        (
            format!("4 {HASH}/prague:99999999999999999999"),
            Some(format!("5 {}", word(5))),
        ),
        // More than an epoch can be.
        (
            format!("4 {HASH}/prague:100000000000000000"),
            Some(format!("5 {}", word(5))),
        ),
        (format!("4 {}", word(6)), None),
        (format!("4 {} {}", word(6), word(3)), None),
        (format!("4 {HASH}/prague:99999999999999998"), None),
    ];
    for (number, (found, expected)) in rows.into_iter().enumerate() {
        let dir = node.dir(&format!("iso-{number}"));
        fs::create_dir_all(dir.as_str()).unwrap();
        fs::write(at(&dir, EPOCH), format!("{found}\n")).unwrap();
        let authority = leads(5);
        let nodes = controller(&lab, 1, &authority);
        let result = nodes.deliver(&id, &delivery(dir.clone(), &content)).await;
        let text = fs::read_to_string(at(&dir, EPOCH)).unwrap();
        match expected {
            Some(expected) => {
                result.unwrap();
                assert_eq!(text, format!("{expected}\n"), "{found}");
            }
            None => {
                assert!(
                    matches!(result, Err(NodeError::Outranked { .. })),
                    "{found}"
                );
                assert_eq!(text, format!("{found}\n"));
                assert_eq!(names(&dir), Vec::<String>::new());
                authority.grant(authority.is_outranked().await.next(), Duration::MAX);
                nodes
                    .deliver(&id, &delivery(dir.clone(), &content))
                    .await
                    .unwrap();
            }
        }
    }
    // Nothing is there, or something that is no line.
    type Put<'a> = &'a dyn Fn(&Path);
    let puts: [Put<'_>; 4] = [
        &|_| {},
        &|path| fs::write(path, "").unwrap(),
        &|path| fs::write(path, [0; 100]).unwrap(),
        &|path| fs::create_dir(path).unwrap(),
    ];
    for (number, put) in puts.into_iter().enumerate() {
        let dir = node.dir(&format!("lost-{number}"));
        fs::create_dir_all(dir.as_str()).unwrap();
        put(&at(&dir, EPOCH));
        let nodes = controller(&lab, 1, &leads(5));
        let delivery = delivery(dir.clone(), &content);
        nodes.deliver(&id, &delivery).await.unwrap();
        assert_eq!(words(&dir), word(5), "{number}");
    }
}

/// The file goes, or an older one comes back, while an operation runs: that one ends, and
/// the next one notes the epoch again.
#[tokio::test]
async fn a_file_of_epochs_that_is_lost_meanwhile_ends_the_operation() {
    let lab = Lab::new();
    let node = lab.node();
    let id = node.node("pve-01");
    let content = file(&lab, 8 * MIB, 1);
    for restored in [None, Some(format!("1 {}\n", word(4)))] {
        let dir = node.dir(&format!("iso-{}", restored.is_some()));
        let delivery = delivery(dir.clone(), &content);
        let authority = leads(5);
        let nodes = other(&lab, |config| {
            config.rsync_opts.push("--bwlimit=1m".to_owned());
            config.lease = Duration::from_secs(1);
            config.authority = authority.clone();
        });
        let trouble = async {
            until("it is under way", || part(&delivery).exists()).await;
            fs::remove_file(at(&dir, EPOCH)).unwrap();
            if let Some(text) = &restored {
                fs::write(at(&dir, EPOCH), text).unwrap();
            }
        };
        let (result, ()) = tokio::join!(nodes.deliver(&id, &delivery), trouble);
        assert!(
            matches!(result, Err(NodeError::Fenced { .. })),
            "{result:?}"
        );
        assert!(authority.fence().is_ok(), "nobody else leads");
        assert!(!at(&dir, NAME).exists() && !at(&dir, RECORD).exists());
        let nodes = controller(&lab, 1, &authority);
        nodes.deliver(&id, &delivery).await.unwrap();
        assert_eq!(words(&dir), word(5));
    }
}
