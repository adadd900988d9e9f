//! Images that do not come whole, or do not end: what the user reads, what is on the
//! disk afterwards, and what the next run makes of it.

use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;
use sha2::Digest;
use talos_order::factory_stub::StubFault;
use talos_order::model::Sha256;

use crate::common::program::{Ran, kill};
use crate::common::wait_for;
use crate::cutting::{Cut, Gateway};
use crate::killed::noted;
use crate::world::World;

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";
const RAW_XZ: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz";
const UNPACKED: &str = "talos-v1.11.3-metal-amd64-376567988ad3.raw";

/// Every format, with the file that is delivered: compressed images once unpacked,
/// and once as they are.
const FORMATS: [(&str, &str, &str); 6] = [
    ("iso", "", ISO),
    ("raw", "", RAW),
    (
        "qcow2",
        "",
        "talos-v1.11.3-nocloud-amd64-376567988ad3.qcow2",
    ),
    ("raw.xz", "", RAW_XZ),
    (
        "raw.gz",
        "",
        "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.gz",
    ),
    (
        "raw.zst",
        "      platform: metal\n      decompress_raw: true\n",
        "talos-v1.11.3-metal-amd64-376567988ad3.raw.zst",
    ),
];

/// A world whose factory is behind a gateway, and that wants every format.
fn behind(gateway: &Gateway) -> World {
    let world = World::small();
    world.configure_local(1, "");
    let config = world.at("config.yaml");
    let text = fs::read_to_string(&config).unwrap();
    let own = format!("factory: {{url: \"{}\"}}", world.factory.url());
    assert!(text.contains(&own), "{text}");
    let other = format!("factory: {{url: \"{}\"}}", gateway.url());
    fs::write(&config, text.replace(&own, &other)).unwrap();
    for (format, more, _) in FORMATS {
        let push = "      push: {enabled: true, hosts: [{group: all}]}\n";
        let id = format.replace('.', "-");
        let order = crate::world::position(&id, format, &format!("{push}{more}"));
        world.order(&format!("{id}.yaml"), &order);
    }
    world
}

/// The names in a directory but for records of ours that hold no image.
fn leftovers(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| !name.starts_with(".talos-order"))
        .collect();
    names.sort();
    names
}

#[test]
fn what_does_not_come_whole_is_refused_and_fetched_by_the_next_run() {
    type Keep = fn(usize) -> usize;
    let cuts: [(&str, Keep); 5] = [
        ("in its header", |_| 600),
        ("behind its head", |_| 40_000),
        ("in the middle", |whole| whole / 2),
        ("before the last sector", |whole| whole - 512),
        ("one byte short", |whole| whole - 1),
    ];
    let gateway = Gateway::start();
    let world = behind(&gateway);
    let check = |what: &str, cut: Cut| {
        gateway.cut(cut);
        let ran = world.apply().expect(1);
        let is_told = |name: &str| {
            ["is not a complete image", "cannot unpack", "; expected "]
                .iter()
                .any(|words| {
                    ran.stderr
                        .lines()
                        .any(|line| line.contains(name) && line.contains(words))
                })
        };
        for (_, _, name) in FORMATS {
            // Of an unpacked form the message may name that.
            let told = is_told(name) || name.contains("metal") && is_told(UNPACKED);
            assert!(told, "{what}: nothing is said of {name}\n{ran}");
        }
        assert_eq!(leftovers(&world.cache()), [""; 0], "{what}");
        for dir in ["node1/iso", "node1/import"] {
            assert_eq!(leftovers(&world.at(dir)), [""; 0], "{what}");
        }
        ran
    };
    for (place, keep) in cuts {
        for tells_length in [false, true] {
            let what = format!("cut {place}, length told: {tells_length}");
            let cut = Cut {
                keep,
                tells_length,
                ..Cut::NONE
            };
            let ran = check(&what, cut);
            if place == "in the middle" {
                ran.complains("but its volume reaches to byte")
                    .complains("but its partition table reaches to byte 8388608")
                    .complains("but a cluster of its data reaches to byte");
            }
        }
    }

    // The compressed data are whole, and the disk that was packed was not.
    let packed: Vec<_> = FORMATS
        .iter()
        .filter(|(format, ..)| format.contains('.'))
        .collect();
    for (format, ..) in FORMATS.iter().filter(|(format, ..)| !format.contains('.')) {
        fs::remove_file(world.at(&format!("orders/{format}.yaml"))).unwrap();
    }
    for keep in [|whole| whole / 2, |whole| whole - 512] {
        gateway.cut(Cut {
            keep,
            within: true,
            ..Cut::NONE
        });
        let ran = world.apply().expect(1);
        for (_, _, name) in &packed {
            let name = if name.contains("metal") {
                UNPACKED
            } else {
                name
            };
            complains_of(&ran, name, "is not a complete image");
        }
        assert_eq!(leftovers(&world.cache()), [""; 0]);
    }

    gateway.cut(Cut::NONE);
    let order = |format: &str| {
        let push = "      push: {enabled: true, hosts: [{group: all}]}\n";
        world.order(
            &format!("{format}.yaml"),
            &crate::world::position(format, format, push),
        );
    };
    ["iso", "raw", "qcow2"]
        .iter()
        .for_each(|format| order(format));
    world.apply().expect(0);
    for (_, _, name) in FORMATS {
        let held = fs::read(world.cache().join(name)).unwrap();
        assert!(held == world.image(name), "{name}");
    }
    world.assert_sidecars();
    world.apply().expect(0).says("nothing to do");
}

#[track_caller]
fn complains_of(ran: &Ran, name: &str, words: &str) {
    let told = ran
        .stderr
        .lines()
        .any(|line| line.contains(name) && line.contains(words));
    assert!(told, "nothing of {name} that {words}:\n{ran}");
}

#[test]
fn a_body_without_an_end_is_broken_off_and_leaves_nothing() {
    let gateway = Gateway::start();
    let world = behind(&gateway);
    let config = world.at("config.yaml");
    let text = fs::read_to_string(&config).unwrap();
    let limited = text.replace("limits: {", "limits: {image_size: 100MiB, ");
    fs::write(&config, limited).unwrap();
    gateway.cut(Cut {
        tells_length: false,
        endless: true,
        ..Cut::NONE
    });
    let ran = world.apply().expect(1);
    complains_of(&ran, ISO, "is longer than 104857600 bytes");
    // Its own table ends at 8 MiB, and no more than 64 MiB may follow.
    complains_of(&ran, RAW, "is longer than 75497472 bytes, though the disk");
    ran.complains("raise `limits.image_size`");
    assert_eq!(leftovers(&world.cache()), [""; 0]);
    gateway.cut(Cut::NONE);
    world.apply().expect(0);
    assert!(fs::read(world.at("node1/iso").join(ISO)).unwrap() == world.image(ISO));
}

#[test]
fn a_partial_download_that_lost_its_middle_is_not_built_upon() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(200_000));
    let mut run = world.program.start(&["apply"]);
    wait_for("what came is noted", || noted(&world, ISO) == 200_000);
    kill(&mut run);
    // As after a power failure: the length is there, and some bytes are not.
    let part = world.cache().join(format!(".{ISO}.part"));
    let mut file = fs::File::options().write(true).open(&part).unwrap();
    file.seek(std::io::SeekFrom::Start(100_000)).unwrap();
    file.write_all(&[0; 8192]).unwrap();
    drop(file);

    let mark = world.factory.mark();
    world.apply().expect(0);
    assert!(
        world.factory.bytes_since(mark) >= 300_000,
        "all of it was fetched again"
    );
    world.assert_holds(&world.cache(), &[ISO]);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}

#[test]
fn directories_in_the_place_of_files_are_set_aside() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("raw.xz", "");
    let cache = world.cache();
    let names = [
        format!(".{RAW_XZ}.part"),
        format!(".{RAW_XZ}.part.json"),
        format!(".{RAW}.part"),
        format!(".{RAW_XZ}.meta.json"),
        format!("{RAW_XZ}.sha256"),
        RAW.to_owned(),
    ];
    for name in &names {
        fs::create_dir_all(cache.join(name)).unwrap();
        fs::write(cache.join(name).join("kept"), name).unwrap();
    }
    fs::create_dir(cache.join(RAW_XZ)).unwrap();
    // What belongs to a part without being one does not stop the run either.
    fs::create_dir_all(cache.join(".b.iso.part/kept")).unwrap();
    fs::write(cache.join(".b.iso.part.json"), "{}").unwrap();
    let ran = world.apply().expect(0);
    for name in &names {
        let aside = format!("{}.set-aside-1", name.trim_start_matches('.'));
        assert_eq!(
            fs::read_to_string(cache.join(&aside).join("kept")).unwrap(),
            *name
        );
        assert!(ran.stderr.contains(&aside), "{ran}");
        fs::remove_dir_all(cache.join(aside)).unwrap();
    }
    assert!(cache.join("b.iso.part.set-aside-1/kept").is_dir());
    fs::remove_dir_all(cache.join("b.iso.part.set-aside-1")).unwrap();
    world.assert_holds(&cache, &[RAW, RAW_XZ]);
    world.assert_holds(&world.at("node1/import"), &[RAW]);
    world.apply().expect(0).says("nothing to do");
}

#[test]
fn a_record_that_cannot_be_read_holds_no_image_for_ever() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world.apply().expect(0);
    let record = world.cache().join(format!(".{ISO}.meta.json"));
    fs::write(&record, "{\"artifact\": garbage").unwrap();
    world.apply().expect(0).says("1 fetched");
    let aside = world.cache().join(format!("{ISO}.meta.json.set-aside-1"));
    assert_eq!(
        fs::read_to_string(&aside).unwrap(),
        "{\"artifact\": garbage"
    );
    fs::remove_file(&aside).unwrap();
    world.assert_sidecars();
    // Without a checksum file of ours beside it, it may be anybody's.
    fs::write(&record, "garbage").unwrap();
    fs::write(world.cache().join(format!("{ISO}.sha256")), "mine\n").unwrap();
    let plan = world.program.run(&["plan"]);
    plan.says("! blocked")
        .says("was not written by talos-order");
}

/// What an earlier release left after half an image had come: it has its records,
/// here and there, and nothing about it looks wrong.
#[test]
fn half_an_image_of_an_earlier_release_heals_here_and_on_the_node() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world.apply().expect(0);
    let (cached, placed) = (world.cache().join(ISO), world.at("node1/iso").join(ISO));
    let half = world.image(ISO)[..150_000].to_vec();
    let digest = Sha256::from_bytes(sha2::Sha256::digest(&half).into());
    for path in [&cached, &placed] {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(half.len() as u64).unwrap();
    }
    let time = |path: &Path| {
        let now = fs::metadata(path).unwrap();
        now.mtime() * 1_000_000_000 + now.mtime_nsec()
    };
    let change = |record: &mut Value, time_key: &str, time: i64| {
        record["size"] = half.len().into();
        record["sha256"] = digest.to_string().into();
        record[time_key] = time.into();
        let fields = record.as_object_mut().unwrap();
        fields.remove("whole");
        fields.remove("data");
    };
    let meta = world.cache().join(format!(".{ISO}.meta.json"));
    let mut record: Value = serde_json::from_slice(&fs::read(&meta).unwrap()).unwrap();
    change(&mut record, "mtime_ns", time(&cached));
    fs::write(&meta, record.to_string()).unwrap();
    let there = world.at("node1/iso").join(".talos-order.jsonl");
    let text = fs::read_to_string(&there).unwrap();
    let lines = text.lines().map(|line| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        if entry["name"] != ISO {
            return line.to_owned();
        }
        change(&mut entry, "mtime", time(&placed));
        // The name comes first, so that a shell finds the line by its start.
        let rest = entry.to_string();
        let name = format!("\"name\":\"{ISO}\"");
        let rest = rest.replace(&format!("{name},"), "");
        let rest = rest.replace(&format!(",{name}"), "");
        format!("{{{name},{}", &rest[1..])
    });
    let text: String = lines.map(|line| line + "\n").collect();
    fs::write(&there, text).unwrap();

    let plan = world.program.run(&["plan"]).expect(0);
    plan.says("not a complete image: it ends after 150000 bytes, but its volume reaches to byte");
    world.apply().expect(0).says("1 fetched").says("1 pushed");
    world.assert_holds(&world.cache(), &[ISO]);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    world.apply().expect(0).says("nothing to do");
}
