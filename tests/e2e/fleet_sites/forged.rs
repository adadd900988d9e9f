//! Somebody writes to the bucket, and has not the key of the fleet.

use super::*;

const ROLLOUT: &str = "\
orderid: all
rollout:
  rings:
    - {name: first, sites: [brno]}
    - {name: second, sites: [prague]}
positions:
  - name: one
    platform: nocloud
    image_format: iso
    version: v1.11.3
    push: {enabled: true, hosts: [{node: pve-1}, {node: pve-2}]}
";

/// A bucket that somebody writes to, with the order in place; `None` without a server.
struct Written {
    world: World,
    section: String,
    bucket: Bucket,
}

impl Written {
    fn below(prefix: &str) -> Option<Self> {
        let store = Seaweed::shared()?;
        let world = World::small();
        world.order("all.yaml", ROLLOUT);
        Some(Self {
            section: store.section(prefix, world.dir.path()),
            bucket: store.bucket(prefix),
            world,
        })
    }
}

/// What a report says of a ring that is in sync.
fn in_sync(report: &mut Value) {
    let orders = report["rollouts"].as_object_mut().unwrap();
    let releases = orders
        .values_mut()
        .map(|order| order.as_object_mut().unwrap());
    let rings = releases.flat_map(|releases| releases.values_mut());
    for ring in rings {
        let said = serde_json::json!({
            "nodes": 1, "out_of_sync": 0, "in_sync_seconds": 9000, "has_soaked": true,
        });
        ring["first"] = said;
    }
}

#[test]
fn a_ring_begins_by_a_report_with_the_seal_of_the_fleet_and_by_no_other() {
    let Some(written) = Written::below("forged/") else {
        return;
    };
    let Written {
        world,
        section,
        bucket,
    } = &written;
    let prague = controller(world, "prague", section);
    let brno = controller(world, "brno", section);
    // Nothing can be delivered there.
    fs::write(world.at("pve-2"), "in the way").unwrap();
    let first = Running(brno.start(&["run"]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    wait_for("brno says that its ring is not in sync", || {
        thread::sleep(Duration::from_millis(200));
        let object = runtime.block_on(bucket.get(&at("brno"))).unwrap();
        let text = object.map(|object| String::from_utf8(object.bytes.to_vec()).unwrap());
        text.is_some_and(|text| text.contains("\"out_of_sync\":1"))
    });
    drop(first);

    let arrived = || {
        let found = fs::read_dir(world.at("pve-1")).ok();
        found.is_some_and(|mut found| {
            found.any(|entry| {
                let name = entry.unwrap().file_name();
                name.to_string_lossy().ends_with(".iso")
            })
        })
    };
    let ring = |says: &str| {
        let ran = prague.run(&["apply", "--yes"]);
        assert!(
            ran.stdout.contains("waits for site brno") || says.is_empty(),
            "{ran}"
        );
        // Lines are as wide as a terminal.
        let words: Vec<&str> = ran.stdout.split_whitespace().collect();
        assert!(words.join(" ").contains(says), "{ran}");
    };
    rewrite(bucket, "brno", false, in_sync);
    ring("not sealed with the key of this fleet");
    assert!(!arrived());
    assert_eq!(fleet(&prague)["sites"]["brno"]["report"], "invalid");
    let shown = prague.run(&["status", "--fleet"]).expect(1);
    assert!(
        shown.stdout.contains("! brno: its report is not valid"),
        "{shown}"
    );
    assert!(shown.stdout.contains("store.key_file"), "{shown}");

    rewrite(bucket, "brno", true, in_sync);
    ring("");
    assert!(arrived());
}

#[test]
fn an_instruction_without_the_seal_of_the_fleet_pauses_until_an_operator_replaces_it() {
    let Some(written) = Written::below("instructed/") else {
        return;
    };
    let prague = controller(&written.world, "prague", &written.section);
    prague.run(&["rollout", "pause", "all"]).expect(0);
    let bucket = &written.bucket;
    let key: ObjectKey = "v1/rollouts/all.json".parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let object = bucket.get(&key).await.unwrap().unwrap();
        let text = String::from_utf8(object.bytes.to_vec()).unwrap();
        let text = text.replace("\"is_paused\": true", "\"is_paused\": false");
        let put = bucket.put(&key, text, WriteCondition::Always);
        put.await.unwrap();
    });
    let told = prague.run(&["rollout", "list", "-o", "json"]).expect(0);
    let told = told.complains("not sealed with the key of this fleet");
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["instructions"]["all"]["is_paused"], true, "{told}");
    prague.run(&["rollout", "resume", "all"]).expect(0);
    let told = prague
        .run(&["rollout", "list", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(told["instructions"]["all"]["is_paused"], false, "{told}");
}
