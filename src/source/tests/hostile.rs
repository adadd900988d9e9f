//! What somebody may put into a repository, by mistake or on purpose.

use std::os::unix::fs::symlink;

use super::lab::Lab;
use super::{commit, files, trouble, update};

#[tokio::test]
async fn what_is_no_order_is_refused_with_its_name_and_the_last_good_one_stays() {
    let lab = Lab::new();
    let first = lab.commit(&[("orders/a.yaml", "one")]);
    let orders = lab.orders("path: orders");
    update(&orders).await;
    let huge = "x".repeat((1 << 20) + 1);
    let cases: [(&str, &dyn Fn()); 5] = [
        ("orders does not exist", &|| {
            lab.git(&["mv", "orders", "moved"]);
        }),
        ("orders/big.yaml is 1048577 bytes long", &|| {
            lab.commit(&[("orders/big.yaml", &huge)]);
        }),
        ("orders/sub is a submodule", &|| {
            let entry = format!("160000,{first},orders/sub");
            lab.git(&["update-index", "--add", "--cacheinfo", &entry]);
        }),
        ("the path of the orders, is a link", &|| {
            lab.git(&["rm", "-q", "-r", "orders"]);
            symlink("/etc", lab.repo().join("orders")).unwrap();
            lab.git(&["add", "orders"]);
        }),
        ("does not exist in commit", &|| {
            lab.git(&["rm", "-q", "-r", "orders"]);
        }),
    ];
    for (expected, change) in cases {
        change();
        lab.git(&["commit", "-q", "--allow-empty", "-m", "hostile"]);
        let answer = update(&orders).await;
        assert!(
            trouble(&answer).contains(expected),
            "{expected}: {}",
            trouble(&answer)
        );
        assert!(answer.trouble.as_ref().unwrap().is_rejection());
        assert_eq!(
            (commit(&answer), files(&answer)),
            (&*first, vec!["a.yaml: one".to_owned()])
        );
        lab.git(&["reset", "-q", "--hard", &first]);
    }
    assert_eq!(trouble(&update(&orders).await), "");
}

/// Attributes, links, odd names and large files that are no orders do nothing.
#[tokio::test]
async fn files_come_as_they_were_committed() {
    let lab = Lab::new();
    let marker = lab.at("marker");
    let filter = format!("touch {}; cat", marker.display());
    // A filter that is configured wherever a repository of ours could look for it.
    lab.git(&["config", "filter.evil.smudge", &filter]);
    lab.git(&["config", "filter.evil.required", "true"]);
    let large = "x".repeat(3 << 20);
    symlink("/etc/passwd", lab.repo().join("out.yaml")).unwrap();
    symlink("a.yaml", lab.repo().join("in.yaml")).unwrap();
    lab.commit(&[
        (
            ".gitattributes",
            "*.yaml filter=evil text eol=crlf ident working-tree-encoding=UTF-16\n",
        ),
        ("large.bin", &large),
    ]);
    // Past the attributes, as a client without them would.
    let blob = "a: $Id$\n";
    std::fs::write(lab.at("blob"), blob).unwrap();
    let path = lab.at("blob").display().to_string();
    let object = lab.git(&["hash-object", "-w", "--no-filters", &path]);
    for name in ["a.yaml", "b\u{7}\n.yaml", "-rf.yml"] {
        let entry = format!("100644,{object},{name}");
        lab.git(&["update-index", "--add", "--cacheinfo", &entry]);
    }
    lab.git(&["commit", "-q", "-m", "files"]);
    let answer = update(&lab.orders("")).await;
    assert_eq!(trouble(&answer), "");
    let (_, at) = answer.good.as_ref().unwrap();
    assert_eq!(std::fs::read_to_string(at.join("a.yaml")).unwrap(), blob);
    assert_eq!(
        std::fs::read_link(at.join("out.yaml")).unwrap().to_str(),
        Some("/etc/passwd")
    );
    assert!(at.join("b\u{7}\n.yaml").exists() && at.join("-rf.yml").exists());
    assert!(!at.join("large.bin").exists() && !marker.exists());
    let repository = lab.home().join("repo");
    assert!(!repository.join("hooks").exists());
}

/// Two entries of one name, of which one is a link that leads out: git's own client refuses
/// to make such a tree.
#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let lab = Lab::new();
    lab.commit(&[("x/a.yaml", "one")]);
    let outside = lab.at("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(lab.at("target"), outside.display().to_string()).unwrap();
    let target = lab.at("target").display().to_string();
    let link = lab.git(&["hash-object", "-w", &target]);
    let below = lab.git(&["rev-parse", "HEAD:x"]);
    let hex = |object: &str| -> Vec<u8> {
        let pairs = object.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        pairs.map(|pair| byte(pair).unwrap()).collect()
    };
    let mut tree = Vec::new();
    for (mode, object) in [("120000", &link), ("40000", &below)] {
        tree.extend(format!("{mode} dir\0").into_bytes());
        tree.extend(hex(object));
    }
    std::fs::write(lab.at("tree"), tree).unwrap();
    let file = lab.at("tree").display().to_string();
    let tree = lab.git(&["hash-object", "-w", "-t", "tree", "--literally", &file]);
    let made = lab.git(&["commit-tree", "-m", "two", "-p", "HEAD", &tree]);
    lab.git(&["update-ref", "refs/heads/main", &made]);
    let answer = update(&lab.orders("")).await;
    assert!(answer.good.is_none(), "{answer:?}");
    assert_ne!(trouble(&answer), "");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}
