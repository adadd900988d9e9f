//! A directory that is below no storage of its node.

use std::fs;

use crate::common::snapshot::images;
use crate::common::sshd::Lab;
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

#[test]
fn a_missing_directory_below_no_storage_is_made_only_where_somebody_says_so() {
    let world = World::small();
    let lab = Lab::new();
    let node = lab.node();
    let pve = node.root.join("etc/pve");
    fs::create_dir_all(pve.join("nodes")).unwrap();
    let path = node.root.join("vz");
    fs::create_dir(&path).unwrap();
    let storage = format!("dir: local\n\tpath {}\n\tcontent iso\n", path.display());
    fs::write(pve.join("storage.cfg"), storage).unwrap();
    world.order_one("iso", "");
    let configure = |create: &str, more: &str| {
        let reach = reach(&node).replace("/iso,", &format!("{more}/iso,"));
        let vm_configs = pve.join("nodes").display().to_string();
        world.configure(&Config {
            lab: Some(&lab),
            nodes: vec![(
                "pve-01".to_owned(),
                format!("{reach}, vm_configs: {vm_configs}, create: {create}"),
            )],
            ..Config::default()
        });
    };
    let dir = node.root.join("iso");
    configure("false", "");
    let said = format!("{} does not exist", dir.display());
    let plan = world.program.run(&["plan"]).expect(1);
    let plan = plan.says(&said).says("`create: true`").says("`mkdir -p ");
    plan.omits("to push");
    world.apply().expect(1).says(&said);
    assert!(!dir.exists());
    assert!(world.manifest("one").to_string().contains(&said));
    let json = world.program.run(&["plan", "-o", "json"]).json();
    assert!(
        json.to_string().contains(r#""reason":"dir-missing""#),
        "{json}"
    );
    // Below the storage nobody has to say anything.
    configure("false", "/vz/template");
    world.apply().expect(0);
    world.assert_holds(&path.join("template/iso"), &[ISO]);
    // Where it is there already, neither.
    configure("false", "");
    fs::create_dir(&dir).unwrap();
    world.apply().expect(0);
    world.assert_holds(&dir, &[ISO]);
    fs::remove_dir_all(&dir).unwrap();
    configure("true", "");
    world.apply().expect(0);
    assert_eq!(images(&dir), [ISO]);
}
