//! What people have in their own configuration of ssh for a host.

use super::*;

#[tokio::test]
async fn the_user_s_configuration_of_ssh_gets_in_no_way() {
    let lab = Lab::new();
    let node = lab.node();
    let content = file(&lab, MIB, 1);
    for trap in [
        "RequestTTY force",
        "PermitLocalCommand yes\nLocalCommand echo hello from local",
        "StdinNull yes",
        "ForkAfterAuthentication yes",
        "RemoteCommand uptime",
    ] {
        let config = lab.path().join("ssh_config");
        fs::write(&config, format!("Host *\n{trap}\n")).unwrap();
        let nodes = other(&lab, |nodes| {
            // In place of `-F /dev/null`.
            assert_eq!(nodes.ssh_opts[..2], ["-F", "/dev/null"]);
            nodes.ssh_opts[1] = config.display().to_string();
        });
        let id = node.node("pve-01");
        for (number, method) in [Method::Stream, Method::Rsync { basis: None }]
            .into_iter()
            .enumerate()
        {
            let dir = node.dir(&format!("iso-{number}"));
            let mut delivery = delivery(dir.clone(), &content);
            delivery.method = method;
            let done = nodes.deliver(&id, &delivery).await;
            assert!(done.is_ok(), "{trap}: {done:?}");
            let state = look(&nodes, &id, &dir).await;
            assert!(state.files.contains_key(NAME), "{trap}");
            fs::remove_dir_all(dir.as_str()).unwrap();
        }
    }
}
