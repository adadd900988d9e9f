//! What a name accepts, and that nothing in it means anything to a shell.

use proptest::prelude::*;

use super::*;

/// What a shell, ssh or rsync could read as more than a name.
const HOSTILE: &[&str] = &[
    "",
    "-oProxyCommand=x",
    "a b",
    "a;b",
    "a$(b)",
    "a`b`",
    "a|b",
    "a&b",
    "a>b",
    "a\nb",
    "a'b",
    "a\"b",
    "a\\b",
    "a*b",
    "a?b",
    "a~b",
    "a!b",
    "a{b}",
    "a#b",
    "é",
    "a\0b",
    "../a",
    "a/b",
];

#[test]
fn hostile_names_are_refused() {
    for text in HOSTILE {
        assert!(text.parse::<Host>().is_err(), "{text:?}");
        assert!(text.parse::<User>().is_err(), "{text:?}");
        assert!(text.parse::<NodeId>().is_err(), "{text:?}");
        let dir = format!("/{text}");
        let harmless = ["", "-oProxyCommand=x", "a/b"].contains(text);
        assert_eq!(dir.parse::<Dir>().is_ok(), harmless, "{dir:?}");
    }
    for text in [
        "a@b", "pve:2222", ":22", "[pve]", "1::2::3", "fe80::1%", "::1%a b", ".",
    ] {
        assert!(text.parse::<Host>().is_err(), "{text:?}");
    }
    assert!("a".repeat(254).parse::<Host>().is_err());
    assert!("a".repeat(65).parse::<User>().is_err());
}

#[test]
fn a_host_with_a_port_gets_a_hint() {
    let why = "pve:2222".parse::<Host>().unwrap_err();
    let hint = "write the port separately: `host: pve` and `port: 2222`";
    assert_eq!(why.hint.as_deref(), Some(hint));
    assert_eq!("a b".parse::<Host>().unwrap_err().hint, None);
}

#[test]
fn a_url_gets_a_hint() {
    for (text, hint) in [
        ("ssh://pve", "`host: pve`"),
        (
            "ssh://root@pve-01:2222/",
            "`host: pve-01`, `user: root`, `port: 2222`",
        ),
        ("ssh://root@[::1]", "`host: [::1]`, `user: root`"),
        ("https://pve:8006", "`host: pve`, `port: 8006`"),
    ] {
        let why = text.parse::<Login>().unwrap_err();
        assert!(why.hint.unwrap_or_default().ends_with(hint), "{text}");
    }
}

#[test]
fn hosts_of_every_kind_are_accepted() {
    for (text, host) in [
        ("pve-01", "pve-01"),
        ("pve-01.example.org.", "pve-01.example.org."),
        ("10.0.0.5", "10.0.0.5"),
        ("fe80::1%vmbr0", "fe80::1%vmbr0"),
        ("[2001:db8::5]", "2001:db8::5"),
        ("::1", "::1"),
        ("node_1", "node_1"),
    ] {
        assert_eq!(text.parse::<Host>().unwrap().as_str(), host);
    }
}

#[test]
fn an_address_names_its_target_and_no_other() {
    let reach = |host: &str, user: Option<&str>, port| Reach::Ssh {
        host: host.parse().unwrap(),
        user: user.map(|user| user.parse().unwrap()),
        port,
    };
    assert_eq!(reach("pve", None, None).address(), "pve");
    assert_eq!(
        reach("pve", Some("root"), Some(22)).address(),
        "root@pve:22"
    );
    assert_eq!(reach("::1", None, Some(22)).address(), "[::1]:22");
    assert_eq!(reach("::1", Some("root"), None).address(), "root@::1");
    assert_eq!(Reach::Local.address(), "local");
}

#[test]
fn directories_are_absolute_and_tidied() {
    for (text, dir) in [
        ("/", "/"),
        ("/var//lib/./vz/", "/var/lib/vz"),
        ("/mnt/pve/a+b=c@d", "/mnt/pve/a+b=c@d"),
        ("/.hidden", "/.hidden"),
        ("/a..b", "/a..b"),
    ] {
        let parsed: Dir = text.parse().unwrap();
        assert_eq!(parsed.as_str(), dir);
    }
    for text in [
        "", "var", "~/x", "./x", "/..", "/a/../b", "/a/..", "/a b", "/a:b", "/a,b",
    ] {
        assert!(text.parse::<Dir>().is_err(), "{text:?}");
    }
    let file = "a.iso".parse().unwrap();
    assert_eq!("/".parse::<Dir>().unwrap().join(&file), "/a.iso");
    assert_eq!("/b/".parse::<Dir>().unwrap().join(&file), "/b/a.iso");
}

fn safe(text: &str, extra: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
        && !text.is_empty()
        && !text.starts_with('-')
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_safe(text in "[ -~]{0,12}|\\PC{0,8}|[a-z0-9:%./@_-]{0,12}") {
        if let Ok(host) = text.parse::<Host>() {
            prop_assert!(safe(host.as_str(), "._-:%"));
        }
        if let Ok(user) = text.parse::<User>() {
            prop_assert!(safe(user.as_str(), "._-"));
        }
        if let Ok(node) = text.parse::<NodeId>() {
            prop_assert!(safe(node.as_str(), "._-@:[]%"));
        }
        if let Ok(dir) = text.parse::<Dir>() {
            prop_assert!(dir.as_str().starts_with('/') && safe(dir.as_str(), "/._-+=@"));
            prop_assert!(dir.as_str().split('/').all(|part| part != ".."));
            prop_assert_eq!(dir.as_str().parse::<Dir>(), Ok(dir.clone()));
        }
    }
}
