//! Ansible itself, from PyPI, on this machine.

use std::path::Path;
use std::process::Command;

#[path = "venv.rs"]
mod venv;

/// Runs a playbook of a directory, which may have `group_vars` and programs in `bin`, on
/// one host that is this machine; false where there is no Ansible here.
#[track_caller]
pub fn play(dir: &Path, host: &str, playbook: &str) -> bool {
    let requirements = "tests/next_steps/requirements.txt";
    let Some(bin) = venv::programs("ansible-venv", requirements, "Ansible") else {
        return false;
    };
    let python = bin.join("python");
    let host = format!(
        "{host} ansible_connection=local ansible_python_interpreter={}\n",
        python.display()
    );
    std::fs::write(dir.join("hosts"), host).unwrap();
    std::fs::write(dir.join("play.yml"), playbook).unwrap();
    let path = std::env::var("PATH").unwrap();
    let ran = Command::new(bin.join("ansible-playbook"))
        .args(["--inventory", "hosts", "play.yml"])
        .current_dir(dir)
        .env("HOME", dir)
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", format!("{}:{path}", dir.join("bin").display()))
        .output()
        .unwrap();
    let [said, error] = [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(ran.status.success(), "{said}{error}");
    assert!(said.contains("failed=0"), "{said}{error}");
    true
}
