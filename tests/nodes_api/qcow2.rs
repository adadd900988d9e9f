//! Raw images that nodes store as qcow2: made as they are sent, the same each time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use talos_order::facts::RecordEntry;
use talos_order::model::{ApiRoute, Format, Method, StoredForm};
use talos_order::nodes::{Delivery, NodeError, Nodes, Removed, Verified};

use crate::lab::{Lab, dir, listed, node, noise, removal, sha256, shown};

const IMPORT: &str = "/var/lib/vz/import";
const FILE: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.qcow2";

/// The delivery of a raw image of 64 MiB, of which a little is data.
fn raw_delivery(lab: &Lab, route: ApiRoute) -> Delivery {
    let path = lab.dir.path().join("disk.raw");
    let file = File::create(&path).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(&noise(300_000, 1), 0).unwrap();
    file.write_all_at(&noise(900_000, 2), 33_000_000).unwrap();
    file.write_all_at(&noise(512, 3), (64 << 20) - 512).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut delivery = Delivery {
        dir: dir(IMPORT),
        file: FILE.parse().unwrap(),
        form: StoredForm::Qcow2,
        method: Method::Api { route },
        ..lab.delivery(&bytes)
    };
    delivery.source = path;
    delivery.artifact = delivery.artifact.with_format(Format::Raw);
    delivery
}

fn qemu_img(words: &[&str], files: &[&Path]) {
    let output = Command::new("qemu-img").args(words).args(files).output();
    let output = output.expect("qemu-img is installed");
    assert!(output.status.success(), "{words:?}: {output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raw_image_becomes_a_qcow2_on_its_way() {
    let mut seen = Vec::new();
    for route in [ApiRoute::FileServer, ApiRoute::Upload] {
        let lab = Lab::with(|options| options.wget = true).await;
        for path in ["/", "/nodes"] {
            let rights = "Sys.Audit Sys.AccessNetwork";
            lab.stub.grant(crate::lab::TOKEN, path, rights);
        }
        let nodes = lab.nodes();
        let delivery = raw_delivery(&lab, route);
        let (one, two) = (node("pve-01"), node("pve-02"));
        let delivered = nodes.deliver(&one, &delivery).await.unwrap();
        let there = lab.stub.directory("pve-01", "local", "import").join(FILE);
        qemu_img(&["check", "-f", "qcow2"], &[&there]);
        let words = ["compare", "-f", "raw", "-F", "qcow2"];
        qemu_img(&words, &[&delivery.source, &there]);

        // Both digests are on record, and the zeros stayed here.
        let bytes = std::fs::read(&there).unwrap();
        let RecordEntry {
            sha256: recorded,
            image_sha256,
            size,
            ..
        } = delivered.entry;
        assert_eq!(size, bytes.len() as u64);
        assert_eq!(recorded, sha256(&bytes));
        assert_eq!(image_sha256, Some(delivery.sha256));
        assert!(size < 3 << 20, "{size}");
        assert!(delivered.wire_bytes.unwrap() < size + (64 << 10));
        assert_eq!(delivery.meter.read(), (size, Some(size)));

        // It is known again, on each node the same, and can be verified and removed.
        let again = nodes.deliver(&one, &delivery).await.unwrap();
        assert!(!again.copied);
        let other = nodes.deliver(&two, &delivery).await.unwrap();
        assert_eq!(other.entry.sha256, recorded);
        let check = talos_order::nodes::Removal {
            size,
            sha256: recorded,
            ..removal(&delivery)
        };
        assert_eq!(nodes.verify(&one, &check).await.unwrap(), Verified::Same);
        let (states, _) = listed(&nodes, "pve-01", &[IMPORT]).await;
        let name = FILE.parse().unwrap();
        assert!(states[0].record[&name].describes(&states[0].files[FILE]));
        assert_eq!(nodes.remove(&one, &check).await.unwrap(), Removed::Gone);
        assert!(!there.exists());
        seen.push(recorded);
    }
    assert_eq!(seen[0], seen[1]);
}

/// The digest on the node is that of what is sent, so what was read is compared first.
#[tokio::test]
async fn an_image_that_rotted_in_the_cache_is_not_converted() {
    let lab = Lab::new().await;
    let delivery = raw_delivery(&lab, ApiRoute::FileServer);
    let file = File::options().write(true).open(&delivery.source).unwrap();
    file.write_all_at(b"rot", 33_000_100).unwrap();
    let pve = node("pve-01");
    let error = lab.nodes().deliver(&pve, &delivery).await.unwrap_err();
    assert!(matches!(error, NodeError::Source { .. }), "{error:?}");
    assert!(shown(&error).contains("not what is on record"), "{error:?}");
    assert!(lab.stub.tasks().is_empty());
}
