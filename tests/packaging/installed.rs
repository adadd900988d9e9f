//! The package is made, unpacked and started.

use super::*;

/// Packs the program under test; says so where that cannot be done.
fn build_package(dir: &Path) -> Option<String> {
    if !has("cargo-deb") || !has("dpkg-deb") {
        return None;
    }
    let said = run_well(
        Command::new("systemd/build-deb.sh")
            .arg(dir)
            .arg("--fast")
            .env("PROGRAM", PROGRAM),
    );
    Some(said.lines().last().expect("the path is printed").to_owned())
}

#[test]
fn the_package_holds_a_program_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let Some(package) = build_package(dir.path()) else {
        return;
    };
    let root = dir.path().join("root");
    run_well(Command::new("dpkg-deb").args(["-x", &package]).arg(&root));
    let version = run_well(Command::new(root.join("usr/bin/talos-order")).arg("--version"));
    assert_eq!(
        version.trim(),
        concat!("talos-order ", env!("CARGO_PKG_VERSION"))
    );
    for file in [
        "usr/share/man/man1/talos-order.1.gz",
        "usr/share/man/man1/talos-order-plan.1.gz",
        "usr/share/bash-completion/completions/talos-order",
        "usr/share/zsh/vendor-completions/_talos-order",
        "usr/share/fish/vendor_completions.d/talos-order.fish",
        "usr/lib/systemd/system/talos-order.service",
        "usr/lib/systemd/system/talos-order-once.timer",
        "usr/lib/sysusers.d/talos-order.conf",
        "usr/lib/tmpfiles.d/talos-order.conf",
        "etc/talos-order/config.yaml",
        "etc/talos-order/orders/README",
        "usr/share/doc/talos-order/install.md",
    ] {
        assert!(root.join(file).is_file(), "{file} is not in the package");
    }
    let page = run_well(
        Command::new("gzip")
            .args(["-dc"])
            .arg(root.join("usr/share/man/man1/talos-order.1.gz")),
    );
    assert!(page.contains(".TH"), "not a manual page: {page}");
    // As it is installed, with no order yet, it is valid.
    let orders = root.join("etc/talos-order/orders");
    run_well(
        Command::new(PROGRAM)
            .args(["validate", "--config"])
            .arg(root.join("etc/talos-order/config.yaml"))
            .arg("--orders")
            .arg(orders),
    );
    let control = run_well(Command::new("dpkg-deb").args(["-f", &package]));
    for needed in ["rsync", "openssh-client", "Recommends: git"] {
        assert!(control.contains(needed), "{control}");
    }
}

/// Boots a container, which not every machine that runs tests can: on demand only.
#[test]
fn the_units_run_under_a_real_systemd() {
    if std::env::var_os("TALOS_ORDER_TEST_BOOT").is_none() || !is_root() {
        eprintln!("skipped: needs root, and TALOS_ORDER_TEST_BOOT in the environment");
        return;
    }
    assert!(has("systemd-nspawn"), "asked for, so it has to be there");
    let dir = tempfile::tempdir().unwrap();
    let package = build_package(dir.path()).expect("asked for, so it has to be built");
    let said = run(Command::new("tests/boot/run").arg(package));
    assert!(
        said.status.success(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}
