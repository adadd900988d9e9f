//! What this machine cannot do faster: every byte comes in, is hashed and unpacked
//! on all processors at once, and then goes to a node.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};
use sha2::Digest;

use crate::bench::Bench;
use crate::images::Image;
use crate::measure;
use crate::sshd::{Lab, SshNode};

/// Seconds of each part.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    pub download: f64,
    pub hash: f64,
    pub unpack: f64,
    pub send: f64,
}

impl Floor {
    /// The slowest of what goes on at once, and what comes after it.
    pub fn total(&self) -> f64 {
        self.download.max(self.hash).max(self.unpack) + self.send
    }

    /// Measures each part once.
    pub fn measure(bench: &Bench<'_>) -> Result<Self> {
        let image = bench.image();
        bench.settle(&[image])?;
        let log = bench.dir.join("floor.log");
        let mut curl = Command::new("curl");
        curl.args(["-fsSL", "-o", "/dev/null", &bench.url_of(image)]);
        crate::without_proxies(&mut curl);
        let download = measure::run(&mut curl, &log, &[])?.seconds;

        // What is hashed makes no difference, so that it need not be read does none.
        let piece = vec![0x5a; 1 << 20];
        let begin = Instant::now();
        let mut digest = sha2::Sha256::new();
        for _ in 0..image.raw_bytes / piece.len() as u64 {
            digest.update(&piece);
        }
        std::hint::black_box(digest.finalize());
        let hash = begin.elapsed().as_secs_f64();

        let begin = Instant::now();
        let unpacked = Command::new("xz")
            .args(["-T0", "-dc"])
            .arg(&image.served)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        ensure!(unpacked.success(), "xz ended with {unpacked}");
        let unpack = begin.elapsed().as_secs_f64();

        Ok(Self {
            download,
            hash,
            unpack,
            send: send(image, bench.lab, &bench.nodes[0])?,
        })
    }
}

/// As many bytes as the image has data, through one ssh into one file.
fn send(image: &Image, lab: &Lab, node: &SshNode) -> Result<f64> {
    let mut noise = vec![0; 1 << 20];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    let target = node.root.join("floor");
    let line = format!("cat >{0} && sync {0}", target.display());
    let begin = Instant::now();
    let mut ssh = Command::new("ssh")
        .args(lab.ssh_opts())
        .args([
            "-p",
            &node.port.to_string(),
            &node.address.to_string(),
            &line,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut input) = ssh.stdin.take() {
        for _ in 0..image.data_bytes / noise.len() as u64 {
            input.write_all(&noise)?;
        }
    }
    let sent = ssh.wait()?;
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(sent.success(), "ssh ended with {sent}");
    std::fs::remove_file(target)?;
    Ok(seconds)
}
