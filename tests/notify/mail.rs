//! A real mail server from Debian, with and without TLS.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::wait_for;
use crate::world::Told;

struct MailServer {
    child: Child,
    port: u16,
    maildir: PathBuf,
}

impl MailServer {
    fn start(dir: &Path, more: &[&str]) -> Self {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let maildir = dir.join(format!("mail-{port}"));
        let child = Command::new("aiosmtpd")
            .args(["-n", "-l", &format!("127.0.0.1:{port}")])
            .args(more)
            .args(["-c", "aiosmtpd.handlers.Mailbox"])
            .arg(&maildir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("aiosmtpd; tests/run installs it");
        let started = Self {
            child,
            port,
            maildir,
        };
        wait_for("the mail server answers", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        started
    }

    /// The mails that it took, the oldest first.
    fn mails(&self) -> Vec<String> {
        let Ok(new) = fs::read_dir(self.maildir.join("new")) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = new.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    }
}

/// A mail as Python's own parser reads it: the headers, and the plain text.
fn read(path: &Path) -> String {
    const READ: &str = "import email.policy, sys; \
        m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default); \
        assert not m.defects and m.get_body(('html',)), m.defects; \
        print(*(f'{k}: {v}' for k, v in m.items()), sep='\\n'); \
        print(m.get_body(('plain',)).get_content())";
    let output = Command::new("python3")
        .args(["-c", READ])
        .arg(path)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn provider(port: u16, more: &str) -> String {
    format!(
        "{{name: mail, type: email, host: localhost, port: {port}, \
         from: \"Images <images@example.org>\", to: [ops@example.org], {more}}}"
    )
}

#[test]
fn a_failure_and_its_recovery_are_mails() {
    let dir = tempfile::tempdir().unwrap();
    let server = MailServer::start(dir.path(), &[]);
    let told = Told::new(&[provider(server.port, "tls: none")], "", "");
    told.fails();
    told.apply().expect(1);
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    for line in [
        "From: Images <images@example.org>",
        "To: ops@example.org",
        "Subject: [homelab] Error: order one: NoSuchVersion",
        "Auto-Submitted: auto-generated",
        "State: Stalled",
        "Controller: homelab",
    ] {
        assert!(mails[0].contains(line), "{line}\n{}", mails[0]);
    }
    told.is_well();
    told.apply().expect(0);
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(mails[1].contains("Subject: [homelab] Recovered: order one: NoSuchVersion"));

    // A server that does not offer what is asked for gets nothing.
    let told = Told::new(&[provider(server.port, "tls: starttls")], "", "");
    told.program().run(&["notify", "test", "mail"]).expect(1);
    assert_eq!(server.mails().len(), 2);
}

#[test]
fn mails_are_encrypted_for_a_server_that_proves_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (key, cert) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let (key, cert) = (key.display().to_string(), cert.display().to_string());
    for (tls, options) in [
        ("starttls", ["--tlscert", &cert, "--tlskey", &key]),
        ("implicit", ["--smtpscert", &cert, "--smtpskey", &key]),
    ] {
        let server = MailServer::start(dir.path(), &options);
        let trusted = provider(server.port, &format!("tls: {tls}, ca_file: {cert}"));
        let told = Told::new(&[trusted], "", "");
        told.program()
            .run(&["notify", "test", "mail"])
            .expect(0)
            .says("answer: 250");
        assert!(server.mails()[0].contains("Subject: [homelab] Test: Error"));
        // Nobody is believed without a certificate that is trusted.
        let told = Told::new(&[provider(server.port, &format!("tls: {tls}"))], "", "");
        told.program()
            .run(&["notify", "test", "mail"])
            .expect(1)
            .complains("certificate");
        assert_eq!(server.mails().len(), 1);
    }
}
