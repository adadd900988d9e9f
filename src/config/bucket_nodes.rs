//! Nodes that are buckets of an S3-compatible server.

use std::collections::BTreeMap;
use std::time::Duration;

use super::inventory_shape::NodeShape;
use super::secrets::Secrets;
use super::store::bucket_settings;
use super::values;
use crate::bucket::{BucketSettings, ObjectPrefix};
use crate::model::{Dir, Inventory, NodeId, Reach};
use crate::yaml::{At, ProblemReport};

/// Where images go in a bucket.
const DIR: &str = "/images";

/// The buckets among the nodes. What is wrong with the others is reported.
pub(super) fn buckets(
    shapes: &[At<NodeShape>],
    inventory: &Inventory,
    patience: (Duration, Duration),
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> BTreeMap<NodeId, BucketSettings> {
    let mut buckets = BTreeMap::new();
    for shape in shapes {
        let NodeShape {
            s3: Some(s3), name, ..
        } = &shape.value
        else {
            continue;
        };
        let settings = bucket_settings((&s3.value, s3.place), patience, secrets, report);
        let id = name.as_ref().and_then(|name| name.value.parse().ok());
        let (Some(settings), Some(id)) = (settings, id) else {
            continue;
        };
        // Of a node that is refused everything is said already.
        if inventory.by_name(&id).is_some() {
            buckets.insert(id, settings);
        }
    }
    buckets
}

/// How such a node is reached; what it cannot have is reported.
pub(super) fn reach(shape: &NodeShape, report: &mut ProblemReport<'_>) -> Option<Reach> {
    let s3 = &shape.s3.as_ref()?.value;
    let at = |text: &Option<At<String>>| text.as_ref().map(|at| at.place);
    let given = [
        ("host", at(&shape.host)),
        ("user", at(&shape.user)),
        ("port", shape.port.as_ref().map(|at| at.place)),
        ("iso_storage", at(&shape.iso_storage)),
        ("import_storage", at(&shape.import_storage)),
        ("storage", at(&shape.storage)),
        ("push_method", at(&shape.push_method)),
        ("bandwidth_limit", at(&shape.bandwidth_limit)),
        ("cluster", at(&shape.cluster)),
        ("transport", at(&shape.transport)),
        ("pve_name", at(&shape.pve_name)),
        ("vm_configs", at(&shape.vm_configs)),
    ];
    let mut fits = values::none_given(&given, "`s3`, a bucket", report);
    for dir in [&shape.iso_dir, &shape.import_dir].into_iter().flatten() {
        let key = dir.value.trim_matches('/').parse::<ObjectPrefix>();
        if let Err(invalid) = key {
            fits = false;
            report.at(dir.place, format!("{:?}: {invalid}", dir.value));
        }
    }
    let server = s3.endpoint.as_ref();
    let server = server.map_or("s3:/", |url| url.value.trim_end_matches('/'));
    let name = s3.url.as_ref()?.value.strip_prefix("s3://")?;
    let url = format!("{server}/{}", name.trim_end_matches('/'));
    fits.then_some(Reach::Bucket { url })
}

/// Where images go if the node does not say.
pub(super) fn usual_dir() -> Option<Dir> {
    DIR.parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::config::{Settings, parse};
    use crate::model::Reach;

    const KEYS: &str =
        "endpoint: 'https://s3.lan:8333', access_key_id_env: A, secret_access_key_env: A";

    fn read(node: &str) -> Result<Settings, Vec<String>> {
        let env = |_: &str| Some("secret".to_owned());
        let read = parse("config.yaml", &format!("nodes: [{{{node}}}]"), &env);
        read.map_err(|why| {
            let problems = why.problems().iter();
            problems
                .map(|one| format!("{}: {}", one.path, one.message))
                .collect()
        })
    }

    #[test]
    fn a_bucket_is_a_node_with_a_place_for_images() {
        let node = format!("name: images, s3: {{url: s3://talos/lab, {KEYS}}}");
        let settings = read(&node).unwrap();
        let id = "images".parse().unwrap();
        let entry = settings.orders.inventory.by_name(&id).unwrap();
        let url = "https://s3.lan:8333/talos/lab".to_owned();
        assert_eq!(entry.node.reach, Reach::Bucket { url });
        assert_eq!(entry.iso_dir.as_ref().unwrap().as_str(), "/images");
        assert_eq!(settings.buckets[&id].prefix, "lab/");
    }

    #[test]
    fn what_a_bucket_cannot_have_is_refused_at_its_place() {
        let cases = [
            ("host: pve-01", "nodes[0].host: `host` cannot be combined"),
            (
                "local: true",
                "nodes[0].s3: `local: true` cannot be combined",
            ),
            (
                "iso_storage: local",
                "nodes[0].iso_storage: `iso_storage` cannot",
            ),
            ("iso_dir: '/a b'", "nodes[0].iso_dir: "),
        ];
        for (more, expected) in cases {
            let node = format!("name: images, {more}, s3: {{url: s3://talos, {KEYS}}}");
            let problems = read(&node).unwrap_err();
            let is_told = problems.iter().any(|one| one.starts_with(expected));
            assert!(is_told, "{more}: {problems:#?}");
        }
        let problems = read(&format!("name: images, s3: {{{KEYS}}}")).unwrap_err();
        assert_eq!(problems, ["nodes[0].s3: `url` is missing"]);
    }
}
