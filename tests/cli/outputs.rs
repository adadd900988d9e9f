//! `outputs`: what the manifests say, in each form, also where names are hostile.

use super::*;
use serde_json::{Value, json};

/// A name that means something to Terraform, Ansible, YAML and a shell.
const HOSTILE: &str = r#"it's "a" ${file("/x")} {{ lookup('pipe','id') }} $(id) `id` # \ %{if}"#;

fn outputs(world: &World, args: &[&str]) -> Value {
    let args = [&["outputs", "-o", "json"], args].concat();
    world.program.run(&args).expect(0).json()
}

/// The only row that there is: whether it is ready, and why not.
fn readiness(world: &World) -> (bool, String) {
    let found = outputs(world, &[]);
    let [image] = &found["images"].as_array().unwrap()[..] else {
        panic!("one image: {found}");
    };
    let reason = image["reason"].as_str().unwrap_or_default().to_owned();
    (image["ready"].as_bool().unwrap(), reason)
}

fn hostile(world: &World) {
    let name = HOSTILE.replace('\'', "''");
    let text = format!(
        "- orderid: good\n  customer: 'a \"b\": {{{{ 1 }}}} ${{x}}'\n  positions:\n    \
         - name: '{name}'\n      version: {{type: exact, value: v1.11.3}}\n      \
         push: {{enabled: true, hosts: [{{node: pve-1}}]}}\n"
    );
    fs::write(world.dir.path().join("orders/good.yaml"), text).unwrap();
    world.program.run(&["apply"]).expect(0);
}

#[test]
fn what_was_delivered_is_ready_and_has_the_digest_of_the_file() {
    let world = World::new();
    world.program.run(&["apply"]).expect(0);
    let found = outputs(&world, &[]);
    let image = &found["images"][0];
    let name = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
    let path = world.dir.path().join("iso").join(name);
    assert_eq!(image["path"], path.to_str().unwrap());
    assert_eq!(image["file"], name);
    assert_eq!(
        image["size_bytes"],
        fs::metadata(&path).unwrap().len(),
        "{found}"
    );
    let digest = common::snapshot::digest(&path).unwrap().to_string();
    assert_eq!(image["sha256"], digest);
    assert_eq!(readiness(&world), (true, String::new()));
    let table = world.program.run(&["outputs"]).expect(0);
    table.says("READY").says("  yes\n").says(name);
}

#[test]
fn an_order_without_a_manifest_is_unknown_and_not_empty() {
    let world = World::new();
    let early = world.program.run(&["outputs"]).expect(1);
    early.complains("order good: there is no manifest ");
    world.program.run(&["apply"]).expect(0);
    world.order("new", "latest");
    let run = |args: &[&str]| world.program.run(&[&["outputs"], args].concat());
    // What there is is printed all the same.
    let ran = run(&[]).expect(1).says("good").omits("new");
    ran.complains("order new: there is no manifest ");
    run(&["--order", "good"]).expect(0).says("good");
    run(&["--order", "nobody"])
        .expect(2)
        .complains("no order matches nobody");
    run(&["--node", "pve-9"])
        .expect(2)
        .complains("no node matches");
    run(&["--order", "good", "--position", "none*"])
        .expect(1)
        .complains("nothing matches");
    let unknown = run(&["-o", "json"]).expect(1).json()["unknown"].clone();
    assert_eq!(unknown[0]["order"], "new");
    let manifest = world.dir.path().join("manifests/manifest-good.yaml");
    fs::write(&manifest, "entries: [").unwrap();
    run(&["--order", "good"])
        .expect(1)
        .complains("order good: the manifest ")
        .complains("cannot be read");
    fs::write(world.dir.path().join("orders/torn.yaml"), "- orderid: [").unwrap();
    run(&[]).expect(1).complains("torn.yaml");
}

#[test]
fn what_changed_since_the_last_run_is_not_ready() {
    let world = World::new();
    world.program.run(&["apply"]).expect(0);
    world.program.run(&["suspend", "node", "pve-1"]).expect(0);
    assert_eq!(
        readiness(&world),
        (false, "the node is suspended".to_owned())
    );
    world.program.run(&["resume", "node", "pve-1"]).expect(0);
    world.program.run(&["suspend", "order", "good"]).expect(0);
    assert_eq!(
        readiness(&world),
        (false, "the order is suspended".to_owned())
    );
    world.program.run(&["resume", "order", "good"]).expect(0);
    assert!(readiness(&world).0);
    for (version, reason) in [
        ("{type: exact, value: v1.10.8}", "the order has changed"),
        ("{type: latest-in-minor, minor: v1.10}", "has changed"),
        ("{type: newest}", "newest"),
    ] {
        world.order("good", version);
        let (is_ready, why) = readiness(&world);
        assert!(!is_ready && why.contains(reason), "{version}: {why}");
    }
    world.order("good", "{type: latest-in-minor, minor: v1.11}");
    assert!(readiness(&world).0, "it is this version");
}

#[test]
fn wait_ends_when_a_run_has_made_it_ready() {
    let world = World::new();
    let short = ["outputs", "--wait", "--timeout", "0s"];
    let ran = world.program.run(&short).expect(1);
    assert_eq!(ran.stdout, "");
    ran.complains("waiting for 1 output: order good")
        .complains("not ready: order good");
    let mut waiting = world.program.command(&["outputs", "--wait", "-o", "json"]);
    let mut waiting = waiting
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 7];
    waiting
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut told)
        .unwrap();
    assert_eq!(&told, b"waiting");
    world.program.run(&["apply"]).expect(0);
    let ended = waiting.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let found: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(found["images"][0]["ready"], true);
    world.program.run(&["suspend", "--all"]).expect(0);
    let ran = world.program.run(&short).expect(1);
    ran.complains("good/image on pve-1: everything is suspended");
}

fn external(world: &World, query: &str) -> common::program::Ran {
    let mut command = world.program.command(&["outputs", "-o", "external"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(query.as_bytes()).unwrap();
    drop(stdin);
    let ended = child.wait_with_output().unwrap();
    common::program::Ran {
        code: ended.status.code(),
        stdout: String::from_utf8(ended.stdout).unwrap(),
        stderr: String::from_utf8(ended.stderr).unwrap(),
    }
}

#[test]
fn the_data_source_gets_strings_or_an_error() {
    let world = World::new();
    world.program.run(&["apply"]).expect(0);
    let query = json!({"order": "good", "position": "image", "node": "pve-1"});
    let found = external(&world, &query.to_string()).expect(0).json();
    for (key, value) in found.as_object().unwrap() {
        assert!(value.is_string(), "{key}: {value}");
    }
    assert_eq!(found["ready"], "true");
    assert_eq!(found["version"], "v1.11.3");
    assert_eq!(found["template_vmid"], "");
    for (query, why) in [
        (json!({"order": "bad"}), "nothing matches"),
        (
            json!({"order": "good", "position": "imag"}),
            "nothing matches",
        ),
        // A pattern is a name here.
        (json!({"order": "go*"}), "nothing matches"),
        (json!({"name": "good"}), "unknown key name"),
        (json!("good"), "expected a JSON object"),
    ] {
        let ran = external(&world, &query.to_string()).expect(1);
        assert_eq!(ran.stdout, "");
        ran.complains(why);
    }
    world.order("other", "{type: exact, value: v1.11.3}");
    world.program.run(&["apply"]).expect(0);
    external(&world, "{}")
        .expect(1)
        .complains("good/image on pve-1, other/image on pve-1 match");
    world.program.run(&["suspend", "--all"]).expect(0);
    let found = external(&world, &query.to_string()).expect(0).json();
    assert_eq!(found["ready"], "false");
    assert_eq!(found["reason"], "everything is suspended");
}

#[test]
fn hostile_names_are_only_names() {
    let world = World::new();
    hostile(&world);
    let found = outputs(&world, &[]);
    let (image, customer) = (&found["images"][0], &found["images"][0]["customer"]);
    assert_eq!(image["position"], HOSTILE);
    assert!(customer.as_str().unwrap().contains("{{ 1 }}"));
    let run = |form: &str| world.program.run(&["outputs", "-o", form]).expect(0).stdout;

    let tfvars: hcl::Body = hcl::parse(&run("tfvars")).unwrap();
    let variables = tfvars.attributes().map(|variable| {
        let value = variable.expr().clone();
        let value = hcl::eval::Evaluate::evaluate(&value, &hcl::eval::Context::new()).unwrap();
        (variable.key(), serde_json::to_value(value).unwrap())
    });
    let variables: std::collections::BTreeMap<_, _> = variables.collect();
    let place = &variables["talos_images"]["good"][HOSTILE]["pve-1"];
    assert_eq!(place["path"], image["path"]);
    assert_eq!(place["customer"], *customer);
    assert_eq!(variables["talos_templates"], json!({}));

    let vars = run("ansible");
    // Ansible does not evaluate it.
    assert!(vars.contains("\"customer\": !unsafe \""), "{vars}");
    let vars: Value = serde_yaml::from_str(&vars.replace("!unsafe ", "")).unwrap();
    assert_eq!(
        vars["talos_images"]["pve-1"]["good"][HOSTILE]["sha256"],
        image["sha256"]
    );
    assert_eq!(
        vars["talos_images"]["pve-1"]["good"][HOSTILE]["customer"],
        *customer
    );

    let script = format!("{}\nprintf %s \"$TALOS_POSITION\"", run("env"));
    let shell = std::process::Command::new("sh")
        .args(["-euc", &script])
        .output()
        .unwrap();
    assert!(
        shell.status.success() && shell.stderr.is_empty(),
        "{shell:?}"
    );
    assert_eq!(String::from_utf8(shell.stdout).unwrap(), HOSTILE);
    let yaml: Value = serde_yaml::from_str(&run("yaml")).unwrap();
    assert_eq!(yaml, found);
    // In a table, a line is a row.
    assert_eq!(run("table").lines().count(), 2);
}

#[test]
fn what_is_not_ready_is_in_no_environment() {
    let world = World::new();
    world.program.run(&["apply"]).expect(0);
    let run = |form: &str| world.program.run(&["outputs", "-o", form]);
    run("env").expect(0).says("TALOS_VERSION=v1.11.3\n");
    world.program.run(&["suspend", "--all"]).expect(0);
    let ran = run("env").expect(1);
    assert_eq!(ran.stdout, "");
    ran.complains("the image of good/image on pve-1 is not ready: everything is suspended");
    for form in ["tfvars", "ansible"] {
        let ran = run(form)
            .expect(0)
            .complains("warning: not ready: image of good/image");
        ran.says("false");
    }
}

/// As variables of all hosts, read by Ansible itself: what looks like a template stays
/// what it is.
#[test]
fn ansible_reads_the_variables_and_evaluates_none() {
    let world = World::new();
    hostile(&world);
    let dir = world.dir.path().join("ansible");
    fs::create_dir_all(dir.join("group_vars/all")).unwrap();
    let vars = world.program.run(&["outputs", "-o", "ansible"]).expect(0);
    fs::write(dir.join("group_vars/all/talos.yml"), vars.stdout).unwrap();
    let image = "(talos_images[inventory_hostname]['good'] | dict2items | first)";
    let playbook = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.copy:\n        \
         content: \"{{{{ {image}.value.customer }}}}\\n{{{{ {image}.key }}}}\"\n        \
         dest: \"{{{{ playbook_dir }}}}/found\"\n"
    );
    if ansible_program::play(&dir, "pve-1", &playbook) {
        let found = fs::read_to_string(dir.join("found")).unwrap();
        let customer = outputs(&world, &[])["images"][0]["customer"].clone();
        assert_eq!(found, format!("{}\n{HOSTILE}", customer.as_str().unwrap()));
    }
}
