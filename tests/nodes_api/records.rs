//! The record that the controller keeps.

use std::sync::Arc;

use talos_order::facts::{RecordEntry, References};
use talos_order::model::{Dir, FileName, NodeId};
use talos_order::nodes::{DeliveredEntries, DeliveryRecords, Nodes, RecordsError};

use crate::lab::{ISO, Lab, listed, node, noise, removal};

/// It is kept under another name, what was in it is removed by nobody, and what an order
/// wants is adopted.
#[tokio::test]
async fn a_record_that_is_lost_costs_no_image() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let delivery = lab.delivery(&noise(5000, 1));
    nodes.deliver(&pve, &delivery).await.unwrap();
    std::fs::write(lab.records_path(), "garbage").unwrap();

    let (dirs, _) = listed(&nodes, "pve-01", &[ISO]).await;
    assert!(dirs[0].exists && dirs[0].record.is_empty());
    assert!(dirs[0].unread.is_some(), "unknown is not empty");
    assert!(nodes.remove(&pve, &removal(&delivery)).await.is_err());
    assert!(lab.on_node("pve-01").exists());
    assert_eq!(std::fs::read(lab.records_path()).unwrap(), b"garbage");

    std::fs::remove_file(lab.records_path()).unwrap();
    assert!(nodes.remove(&pve, &removal(&delivery)).await.is_err());
    assert!(!nodes.deliver(&pve, &delivery).await.unwrap().copied);
    assert_eq!(lab.recorded("pve-01").len(), 1);
}

/// Records of which it is not known what others did.
#[derive(Debug)]
struct Doubtful(Arc<dyn DeliveryRecords>);

impl DeliveryRecords for Doubtful {
    fn all(&self) -> Result<Arc<DeliveredEntries>, RecordsError> {
        self.0.all()
    }

    fn doubt(&self) -> Option<String> {
        Some("the store does not answer".to_owned())
    }

    fn put(&self, node: &NodeId, dir: &Dir, entry: &RecordEntry) -> Result<(), RecordsError> {
        self.0.put(node, dir, entry)
    }

    fn drop_entry(&self, node: &NodeId, dir: &Dir, file: &FileName) -> Result<(), RecordsError> {
        self.0.drop_entry(node, dir, file)
    }
}

/// What is on record is in sync, and images are delivered; nothing is removed or replaced.
#[tokio::test]
async fn while_the_record_is_in_doubt_images_come_and_none_goes() {
    let lab = Lab::new().await;
    let nodes = lab.nodes_with_records(Arc::new(Doubtful(lab.records())));
    let pve = node("pve-01");
    let delivery = lab.delivery(&noise(5000, 1));
    assert!(nodes.deliver(&pve, &delivery).await.unwrap().copied);
    let (dirs, references) = listed(&nodes, "pve-01", &[ISO]).await;
    assert_eq!(dirs[0].record.len(), 1);
    assert!(dirs[0].unread.is_some());
    assert!(matches!(references, References::Unknown { .. }));
    assert!(!nodes.deliver(&pve, &delivery).await.unwrap().copied);
    assert!(nodes.remove(&pve, &removal(&delivery)).await.is_err());
    let other = lab.delivery(&noise(6000, 2));
    assert!(nodes.deliver(&pve, &other).await.is_err());
    assert_eq!(std::fs::read(lab.on_node("pve-01")).unwrap().len(), 5000);
    // Its server of files has the address.
    drop(nodes);
    lab.nodes().deliver(&pve, &other).await.unwrap();
}

#[test]
fn what_cannot_be_read_is_kept_under_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("delivered.json");
    std::fs::write(&path, "garbage").unwrap();
    let records: &dyn DeliveryRecords = &talos_order::testing::FileRecords::new(path);
    let (pve, place) = ("pve-01".parse().unwrap(), crate::lab::dir(ISO));
    let entry = serde_json::json!({
        "name": "a.iso", "size": 1, "mtime": 2, "inode": 1, "sha256": "ab".repeat(32),
        "artifact": { "version": "v1.11.3", "platform": "nocloud", "arch": "amd64",
            "secureboot": false, "schematic": "37".repeat(32), "format": "iso" },
        "orders": [], "placed_at": "2026-08-05T12:00:00Z",
    });
    let entry: RecordEntry = serde_json::from_value(entry).unwrap();
    assert!(records.read(&pve, &place).is_err());
    records.put(&pve, &place, &entry).unwrap();
    assert_eq!(records.read(&pve, &place).unwrap()[&entry.name], entry);
    records.drop_entry(&pve, &place, &entry.name).unwrap();
    assert!(records.read(&pve, &place).unwrap().is_empty());
    let kept = dir.path().read_dir().unwrap().flatten();
    let kept = kept.filter(|entry| std::fs::read(entry.path()).unwrap() == b"garbage");
    assert_eq!(kept.count(), 1);
}
