//! Names: what is written reads back, no two images share one, and nothing that
//! is not a name of ours is taken for one.

use proptest::prelude::*;

use super::template::{DEFAULT_TEMPLATE, sample};
use super::*;
use crate::model::{Arch, ArtifactId, Format, Platform, SchematicId, TalosVersion};

fn template(text: &str) -> NameTemplate {
    text.parse().unwrap_or_else(|why| panic!("{why}"))
}

prop_compose! {
    fn versions()(numbers in [0..=9999_u32, 0..=9999_u32, 0..=9999_u32],
        pre in prop::option::of(("alpha|beta|rc", 0..=9999_u32))) -> TalosVersion {
        let [major, minor, patch] = numbers;
        let pre = pre.map(|(kind, n)| format!("-{kind}.{n}")).unwrap_or_default();
        format!("v{major}.{minor}.{patch}{pre}").parse().unwrap()
    }
}

prop_compose! {
    fn artifacts()(version in versions(), platform in prop::sample::select(Platform::ALL),
        arch in prop::sample::select(&Arch::ALL[..]), secureboot in any::<bool>(),
        schematic in any::<[u8; 32]>(), format in prop::sample::select(&Format::ALL[..]))
        -> ArtifactId {
        let schematic = SchematicId::from_bytes(schematic);
        ArtifactId { version, platform, arch, secureboot, schematic, format }
    }
}

/// Templates put together at random; those that are refused are left out.
fn templates() -> impl Strategy<Value = NameTemplate> {
    let parts = [
        "{version}",
        "{platform}",
        "{arch}",
        "{secureboot}",
        "{schematic}",
    ];
    let literal = prop::sample::select(vec![
        "",
        "-",
        "_",
        ".",
        "+",
        "1",
        "v",
        "x",
        "-rc.",
        "-alpha.",
        "-secureboot",
        "amd64",
        "ab",
        "0",
    ]);
    let literals = prop::collection::vec(literal, 6);
    let parts = Just(parts.map(str::to_owned).to_vec()).prop_shuffle();
    let made = (literals, parts, any::<bool>()).prop_map(|(literals, parts, short)| {
        let mut text: String = literals
            .iter()
            .zip(&parts)
            .map(|(l, p)| format!("{l}{p}"))
            .collect();
        if short {
            text = text.replace("{schematic}", "{schematic12}");
        }
        format!("{text}{}{{ext}}", literals[5])
    });
    prop_oneof![
        Just(NameTemplate::default()),
        made.prop_filter_map("refused", |text| text.parse().ok()),
    ]
}

#[test]
fn the_default_name_is_as_documented() {
    let artifact = sample("v1.11.3", false, 0xab, Format::RawXz);
    let name = NameTemplate::default().name(&artifact);
    assert_eq!(
        name.as_str(),
        "talos-v1.11.3-nocloud-amd64-abababababab.raw.xz"
    );
    let artifact = sample("v1.12.0-rc.1", true, 0, Format::Iso);
    let name = NameTemplate::default().name(&artifact);
    let expected = "talos-v1.12.0-rc.1-nocloud-amd64-secureboot-000000000000.iso";
    assert_eq!(name.as_str(), expected);
    assert_eq!(NameTemplate::default().to_string(), DEFAULT_TEMPLATE);
}

#[test]
fn templates_that_could_mix_images_up_are_refused() {
    let rest = "{platform}-{arch}{secureboot}-{schematic12}.{ext}";
    let long = "x".repeat(150);
    for (text, why) in [
        (String::new(), "lacks {version}"),
        ("talos.iso".to_owned(), "lacks {version}"),
        (
            "{version}-{platform}-{arch}{secureboot}.{ext}".to_owned(),
            "lacks {schematic12}",
        ),
        (
            "{version}-{platform}-{arch}-{schematic}.{ext}".to_owned(),
            "lacks {secureboot}",
        ),
        (
            "{version}-{arch}{secureboot}-{schematic}.{ext}".to_owned(),
            "lacks {platform}",
        ),
        (format!("{{version}}-{rest}.img"), "must end with {ext}"),
        (
            format!("{{version}}{rest}"),
            "needs a separator between {version} and {platform}",
        ),
        (
            format!("{{version}}-{{version}}-{rest}"),
            "has {version} twice",
        ),
        (format!("{{version}}-{{who}}-{rest}"), "{who} is not known"),
        (format!("{{version-{rest}"), "is not known"),
        (format!("{{version}}-{rest}{{"), "a { without a }"),
        (format!("{{version}}}}-{rest}"), "unsafe names"),
        (format!("../{{version}}-{rest}"), "unsafe names"),
        (format!(".{{version}}-{rest}"), "unsafe names"),
        (format!("-{{version}}-{rest}"), "unsafe names"),
        (format!("a b-{{version}}-{rest}"), "unsafe names"),
        (format!("a;b-{{version}}-{rest}"), "unsafe names"),
        (
            format!("{long}-{{version}}-{rest}"),
            "longer than 200 bytes",
        ),
        (format!("{{version}}0{rest}"), "cannot be parsed"),
        (format!("{{version}}-rc.1{rest}"), "cannot be parsed"),
        (
            "{platform}-{version}{secureboot}{schematic12}-{arch}.{ext}".to_owned(),
            "cannot be parsed",
        ),
        (
            "{version}-{platform}-{arch}{secureboot}-secureboot-{schematic12}.{ext}".to_owned(),
            "cannot be parsed",
        ),
    ] {
        let refused = text.parse::<NameTemplate>().unwrap_err();
        assert!(refused.message.contains(why), "{refused}, not {why}");
    }
}

#[test]
fn other_templates_are_accepted() {
    for text in [
        "{schematic}_{arch}{secureboot}_{platform}_{version}.{ext}",
        "talos+{platform}{secureboot}-{version}-{arch}-{schematic12}.{ext}",
        "{version}-{platform}-{arch}{secureboot}-{schematic12}-{schematic}.{ext}",
    ] {
        let template = template(text);
        assert_eq!(template.to_string(), text);
    }
}

#[test]
fn names_that_are_not_ours_are_not_read() {
    let template = NameTemplate::default();
    let ours = "talos-v1.11.3-nocloud-amd64-abababababab.raw.xz";
    assert!(template.read(ours).is_some());
    for name in [
        "",
        "talos",
        "debian-12.iso",
        "talos-v1.11.3-nocloud-amd64.raw.xz",
        "talos-v1.11.3-nocloud-amd64-ABABABABABAB.raw.xz",
        "talos-v1.11.3-nocloud-amd64-abababababa.raw.xz",
        "talos-v1.11.3-nocloud-amd64-ababababababa.raw.xz",
        "talos-v1.11.3-nocloud-amd64-abababababab.raw.xz.sha256",
        "talos-v1.11.3-nocloud-amd64-abababababab.raw.xz ",
        "talos-v1.11.3-nocloud-amd64-abababababab.img",
        "talos-v1.11.3-nocloud-riscv64-abababababab.iso",
        "talos-v1.11.3-nocloudx-amd64-abababababab.iso",
        "talos-v1.11-nocloud-amd64-abababababab.iso",
        "talos-v01.11.3-nocloud-amd64-abababababab.iso",
        "talos-v1.11.3-dev.1-nocloud-amd64-abababababab.iso",
        "talos-v1.11.3-nocloud-amd64-secureboot-secureboot-abababababab.iso",
        "talos-v1.11.3-nocloud-amd64-ababababab\u{e4}.iso",
    ] {
        assert_eq!(template.read(name), None, "{name:?}");
    }
}

#[test]
fn file_names_that_could_leave_their_directory_are_refused() {
    for text in [
        "",
        ".",
        "..",
        ".hidden",
        "-option",
        "a/b",
        "/a",
        "../a",
        "a b",
        "a\nb",
        "a\0b",
        "a,b",
        "a:b",
        "a$b",
        "a\\b",
        "\u{e4}",
        "a*",
        "~a",
        &"a".repeat(201),
    ] {
        assert!(text.parse::<FileName>().is_err(), "{text:?}");
    }
    assert!("a".repeat(200).parse::<FileName>().is_ok());
}

proptest! {
    #[test]
    fn what_is_written_reads_back(template in templates(), artifact in artifacts()) {
        let name = template.name(&artifact);
        let parts = template.read(name.as_str());
        prop_assert!(parts.is_some_and(|parts| parts.matches(&artifact)), "{} {}", template, name);
    }

    #[test]
    fn different_images_have_different_names(template in templates(), left in artifacts(),
        right in artifacts(), mix in any::<[bool; 6]>()) {
        // Mixed from both, so that often a single part differs.
        let pick = |at: usize| if mix[at] { &left } else { &right };
        let mixed = ArtifactId {
            version: pick(0).version.clone(),
            platform: pick(1).platform,
            arch: pick(2).arch,
            secureboot: pick(3).secureboot,
            schematic: pick(4).schematic,
            format: pick(5).format,
        };
        prop_assert_eq!(template.name(&left) == template.name(&mixed), left == mixed);
    }

    #[test]
    fn any_text_can_be_looked_at(template in templates(), text in any::<String>()) {
        let _ = template.read(&text);
        let _ = text.parse::<NameTemplate>();
        if let Ok(name) = text.parse::<FileName>() {
            prop_assert_eq!(name.as_str(), text);
        }
    }

    #[test]
    fn damaged_names_are_read_as_something_that_makes_them(artifact in artifacts(),
        at in any::<prop::sample::Index>(), new in "[a-z0-9.-]|\\PC") {
        let template = NameTemplate::default();
        let name = template.name(&artifact).to_string();
        let at = at.index(name.len());
        let damaged = format!("{}{new}{}", &name[..at], &name[at + 1..]);
        if let Some(parts) = template.read(&damaged) {
            let schematic = format!("{}{}", parts.schematic, "0".repeat(52));
            let read = ArtifactId {
                version: parts.version,
                platform: parts.platform,
                arch: parts.arch,
                secureboot: parts.secureboot,
                schematic: schematic.parse().unwrap(),
                format: parts.format,
            };
            prop_assert_eq!(template.name(&read).to_string(), damaged);
        }
    }
}
