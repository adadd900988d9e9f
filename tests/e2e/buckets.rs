//! A bucket as a node: a real object store gets images as any other place does.

use std::fs;

use crate::common::program::Program;
use crate::common::seaweed::{ACCESS_KEY, BUCKET, SECRET_KEY, Seaweed};
use crate::world::{World, position};
use talos_order::bucket::{Bucket, ObjectKey, WriteCondition};

const OLD: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";
const NEW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// A controller whose only node is a bucket.
fn controller(world: &World, seaweed: &Seaweed, prefix: &str) -> Program {
    let root = world.dir.path();
    fs::create_dir_all(root.join("work")).unwrap();
    let secret = |name: &str, text: &str| {
        let path = root.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (id, key) = (secret("id", ACCESS_KEY), secret("key", SECRET_KEY));
    let (url, endpoint) = (world.factory.url(), seaweed.endpoint());
    let root = root.display();
    let config = format!(
        "defaults:\n  cache_dir: {root}/cache\nmanifest: {{dir: {root}/manifests}}\n\
         factory: {{url: \"{url}\"}}\ngithub: {{api_url: \"{url}\"}}\n\
         limits: {{retries: 0, connect: 2s}}\nprune: {{grace: 0s, keep_versions: 1, max_percent: 100}}\nnodes:\n  \
         - name: images\n    labels: [all]\n    prune: true\n    s3:\n      \
         url: s3://{BUCKET}/{prefix}\n      endpoint: {endpoint}\n      \
         access_key_id_file: {id}\n      secret_access_key_file: {key}\n"
    );
    fs::write(world.at("config.yaml"), config).unwrap();
    Program::with_files(
        &world.at("work"),
        &world.at("config.yaml"),
        &world.at("orders"),
    )
}

fn key(file: &str) -> ObjectKey {
    format!("images/{file}").parse().unwrap()
}

fn content(bucket: &Bucket, file: &str) -> Option<Vec<u8>> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let object = runtime.block_on(bucket.get(&key(file))).unwrap();
    object.map(|object| object.bytes.to_vec())
}

fn put(bucket: &Bucket, file: &str, bytes: &'static [u8]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = key(file);
    let put = bucket.put(&key, bytes, WriteCondition::Always);
    runtime.block_on(put).unwrap();
}

#[test]
fn a_bucket_gets_images_and_loses_what_no_order_wants() {
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let world = World::small();
    let program = controller(&world, seaweed, "node");
    let bucket = seaweed.bucket("node/");
    let order = |version: &str| {
        let iso = position(
            "iso",
            "iso",
            &format!("      version: {{type: exact, value: {version}}}\n"),
        );
        world.order("iso.yaml", &iso);
    };
    order("v1.11.2");
    let planned = program.run(&["plan", "-v"]).expect(0);
    planned.says("images").says("uploaded");
    program.run(&["apply"]).expect(0);
    let cached = fs::read(world.at("cache").join(OLD)).unwrap();
    assert_eq!(content(&bucket, OLD).unwrap(), cached);
    program.run(&["apply"]).expect(0).says("nothing to do");
    let checked = program.run(&["validate", "--online"]).expect(0);
    checked.says("directory /images: 1 file, 1 in the record of deliveries");

    // What nobody recorded stays, and what was lost comes back.
    put(&bucket, "mine.iso", b"mine");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(bucket.remove(&key(OLD))).unwrap();
    order("v1.11.3");
    program.run(&["apply", "--yes"]).expect(0);
    assert!(content(&bucket, NEW).is_some());
    program.run(&["apply", "--yes"]).expect(0);
    assert_eq!(content(&bucket, OLD), None);
    assert_eq!(content(&bucket, "mine.iso").unwrap(), b"mine");

    // Other bytes under a name of ours are seen, and replaced.
    put(&bucket, NEW, b"damaged");
    program.run(&["plan", "--detailed-exitcode"]).expect(2);
    program.run(&["apply", "--yes"]).expect(0);
    let cached = fs::read(world.at("cache").join(NEW)).unwrap();
    assert_eq!(content(&bucket, NEW).unwrap(), cached);
}

#[test]
fn a_bucket_that_does_not_answer_is_unknown_and_not_empty() {
    let Some(seaweed) = Seaweed::start(2) else {
        return;
    };
    let world = World::small();
    let program = controller(&world, &seaweed, "node");
    world.order_one("iso", "");
    program.run(&["apply"]).expect(0);
    drop(seaweed);
    let ran = program.run(&["apply"]).expect(1);
    ran.says("images");
}
