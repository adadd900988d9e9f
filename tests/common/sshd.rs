//! Real sshd instances on loopback addresses: nodes for tests.
//!
//! Every node has an address of its own (127.0.0.N), an unprivileged port, a
//! host key and a root directory; all of them share one client key and one
//! known_hosts file, as the machine that runs talos-order would. Nothing
//! outside the lab's directory is read or written, but for `/run/sshd`, which
//! sshd insists on when root runs it. What was started is ended by its process
//! id when it is dropped.
//!
//! ```ignore
//! let lab = Lab::new();
//! let pve = lab.node();
//! SystemNodes::new(NodesConfig { ssh_opts: lab.ssh_opts(), .. });
//! nodes.observe(&pve.node("pve-01"), &[pve.dir("iso")].into());
//! ```

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use talos_order::model::{Dir, Node, Reach};

use processes::{can_unshare, keygen, sshd_path};
pub use processes::{descendants, kill};

// Benchmarks include this file by its path.
#[path = "sshd/processes.rs"]
mod processes;

/// How long anything here may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A directory with a client key and a known_hosts file, and the nodes that
/// accept the one and are listed in the other.
pub struct Lab {
    dir: tempfile::TempDir,
    known_hosts: Mutex<()>,
    launcher: Vec<String>,
}

/// A running sshd with a root directory of its own.
pub struct SshNode {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// Where its files are: on this machine, under the lab's directory.
    pub root: PathBuf,
    sshd: Option<Child>,
    launcher: Vec<String>,
    config: PathBuf,
    mounted: Option<PathBuf>,
    /// Where the user tables are that this node has instead of the machine's.
    users: Option<PathBuf>,
}

/// A login that exists on one node only.
pub struct Login<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number, and that of its group.
    pub uid: u32,
    /// What stands before its key in `authorized_keys`.
    pub key_options: &'a str,
}

impl Lab {
    pub fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    /// A lab whose files, those of its nodes included, are below a directory.
    pub fn new_in(parent: &Path) -> Self {
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("sshd needs /run/sshd when root runs it");
        }
        let dir = tempfile::Builder::new()
            .prefix("lab-")
            .tempdir_in(parent)
            .unwrap();
        keygen(&dir.path().join("client"));
        fs::write(dir.path().join("known_hosts"), "").unwrap();
        Self {
            dir,
            known_hosts: Mutex::new(()),
            launcher: Vec::new(),
        }
    }

    /// Each sshd is started by a program: these words stand before its own.
    #[must_use]
    pub fn launched_by(mut self, launcher: Vec<String>) -> Self {
        self.launcher = launcher;
        self
    }

    /// The lab's directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A node that does what every node does.
    pub fn node(&self) -> SshNode {
        self.node_with("")
    }

    /// One at an address that is not chosen here: one that the network namespace of
    /// this thread has. The node is in that namespace, too.
    pub fn node_at(&self, address: Ipv4Addr) -> SshNode {
        self.start_node(Some(address), "", None)
    }

    /// A node whose login shell prints before every command, as a `.bashrc`
    /// with an `echo` in it does.
    pub fn noisy_node(&self, text: &str) -> SshNode {
        self.node_with(&format!(
            "ForceCommand echo '{text}'; eval \"$SSH_ORIGINAL_COMMAND\"\n"
        ))
    }

    /// A node with more lines in its sshd_config.
    pub fn node_with(&self, config: &str) -> SshNode {
        self.start_node(None, config, None)
    }

    fn start_node(
        &self,
        address: Option<Ipv4Addr>,
        config: &str,
        users: Option<PathBuf>,
    ) -> SshNode {
        static LAST: AtomicU32 = AtomicU32::new(1);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        // 127.0.0.2 and up; beyond 127.0.0.254 the third byte counts.
        let address = address
            .unwrap_or_else(|| Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 1)) + number));
        let home = self.path().join(format!("node{number}"));
        let root = home.join("root");
        fs::create_dir_all(&root).unwrap();
        keygen(&home.join("host"));
        let mut node = SshNode {
            address,
            port: 0,
            root,
            sshd: None,
            launcher: self.launcher.clone(),
            config: home.join("sshd_config"),
            mounted: None,
            users,
        };
        node.start_anywhere(self.path(), config);
        let key = fs::read_to_string(home.join("host.pub")).unwrap();
        self.know(&node, &key);
        node
    }

    /// A node with one more login, known to nobody but its sshd: that runs in a mount
    /// namespace with user tables of its own. None where that is not possible, which
    /// takes root.
    pub fn node_of(&self, login: &Login<'_>) -> Option<SshNode> {
        if !can_unshare() {
            return None;
        }
        // What the login has to reach is below a directory of ours.
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let keys = self.path().join(format!("keys-of-{}", login.name));
        let key = fs::read_to_string(self.path().join("client.pub")).unwrap();
        fs::write(&keys, format!("{}{key}", login.key_options)).unwrap();
        let tables = self.path().join("users");
        fs::create_dir_all(&tables).unwrap();
        let Login { name, uid, .. } = login;
        let home = self.path().display();
        for (table, line) in [
            ("passwd", format!("{name}:x:{uid}:{uid}::{home}:/bin/sh")),
            ("group", format!("{name}:x:{uid}:")),
            ("shadow", format!("{name}:*:19000:0:99999:7:::")),
        ] {
            let known = fs::read_to_string(format!("/etc/{table}")).unwrap();
            fs::write(tables.join(table), format!("{known}{line}\n")).unwrap();
        }
        let config = format!("Match User {name}\nAuthorizedKeysFile {}\n", keys.display());
        Some(self.start_node(None, &config, Some(tables)))
    }

    /// Replaces a node's key in known_hosts by one that it does not have.
    pub fn forget_key_of(&self, node: &SshNode) {
        let other = self.path().join(format!("other-{}", node.port));
        keygen(&other);
        let key = fs::read_to_string(other.with_extension("pub")).unwrap();
        self.know(node, &key);
    }

    /// The words that make ssh a client of this lab and of nothing else.
    pub fn ssh_opts(&self) -> Vec<String> {
        let file = |name: &str| self.path().join(name).display().to_string();
        let known_hosts = format!("UserKnownHostsFile={}", file("known_hosts"));
        let client = file("client");
        [
            "-F",
            "/dev/null",
            "-i",
            &client,
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            &known_hosts,
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "BatchMode=yes",
        ]
        .map(str::to_owned)
        .into()
    }

    fn know(&self, node: &SshNode, key: &str) {
        let _one_at_a_time = self.known_hosts.lock().unwrap();
        let path = self.path().join("known_hosts");
        let name = format!("[{}]:{} ", node.address, node.port);
        let mut text: String = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with(&name))
            .map(|line| format!("{line}\n"))
            .collect();
        text.push_str(&format!("{name}{key}"));
        fs::write(&path, text).unwrap();
    }
}

impl SshNode {
    /// The node as the library knows it.
    pub fn node(&self, id: &str) -> Node {
        Node {
            id: id.parse().unwrap(),
            reach: Reach::Ssh {
                host: self.address.to_string().parse().unwrap(),
                user: None,
                port: Some(self.port),
            },
        }
    }

    /// A directory under the node's root, which need not exist.
    pub fn dir(&self, name: &str) -> Dir {
        self.root.join(name).display().to_string().parse().unwrap()
    }

    /// The process that listens, if the node is up.
    pub fn pid(&self) -> Option<u32> {
        self.sshd.as_ref().map(Child::id)
    }

    /// The processes of every connection that is open now.
    pub fn sessions(&self) -> Vec<u32> {
        self.sshd
            .as_ref()
            .map(|sshd| descendants(sshd.id()))
            .unwrap_or_default()
    }

    /// Ends sshd and every session: the node is down from now on.
    pub fn stop(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            // First the sessions, while their parent is still there to be
            // recognised by.
            for pid in descendants(sshd.id()) {
                kill(pid);
            }
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }

    /// Starts it again on the same address and port.
    pub fn start(&mut self) {
        assert!(self.try_start(), "{}", self.log());
    }

    /// Puts a small file system of its own under `name`; needs root. False
    /// where mounting is not possible, as in most containers.
    #[must_use]
    pub fn mount_small(&mut self, name: &str, megabytes: u32) -> bool {
        let path = self.root.join(name);
        fs::create_dir_all(&path).unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        let mounted = status.is_ok_and(|status| status.success());
        if mounted {
            self.mounted = Some(path);
        }
        mounted
    }

    fn start_anywhere(&mut self, lab: &Path, more: &str) {
        // The port is free when it is looked up and may not be a moment later.
        for _ in 0..5 {
            let free = TcpListener::bind((self.address, 0)).unwrap();
            self.port = free.local_addr().unwrap().port();
            drop(free);
            let home = self.config.parent().unwrap();
            let config = format!(
                "ListenAddress {}\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\n\
                 PidFile none\nStrictModes no\nUsePAM no\nUseDNS no\n\
                 PermitRootLogin prohibit-password\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nPrintMotd no\nMaxStartups 100\n\
                 SetEnv HOME={}\n{more}",
                self.address,
                self.port,
                home.join("host").display(),
                lab.join("client.pub").display(),
                // Without a .bashrc: what this machine's does for its user takes
                // time, and a session that is killed in it may leave a lock behind.
                home.display(),
            );
            fs::write(&self.config, config).unwrap();
            if self.try_start() {
                return;
            }
        }
        panic!("sshd does not start: {}", self.log());
    }

    fn try_start(&mut self) -> bool {
        let log = fs::File::create(self.config.with_extension("log")).unwrap();
        let script = "for table in passwd group shadow; do \
            mount --bind \"$1/$table\" /etc/$table || exit; done; shift; exec \"$@\"";
        let unshared = self.users.iter().flat_map(|tables| {
            let words = ["unshare", "-m", "sh", "-c", script, "sh"].map(Into::into);
            words.into_iter().chain([tables.clone().into_os_string()])
        });
        let launcher = self.launcher.iter().map(Into::into);
        let words: Vec<std::ffi::OsString> = launcher
            .chain(unshared)
            .chain([sshd_path().into_os_string()])
            .collect();
        let mut words = words.iter();
        let mut sshd = Command::new(words.next().expect("sshd is the last word"))
            .args(words)
            .args(["-D", "-e", "-f"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd is installed");
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if sshd.try_wait().unwrap().is_some() {
                return false;
            }
            if self.answers() {
                self.sshd = Some(sshd);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = sshd.kill();
        let _ = sshd.wait();
        false
    }

    fn answers(&self) -> bool {
        let address = SocketAddrV4::new(self.address, self.port).into();
        let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else {
            return false;
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut banner = [0_u8; 4];
        stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
    }

    fn log(&self) -> String {
        fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for SshNode {
    fn drop(&mut self) {
        self.stop();
        if let Some(path) = &self.mounted {
            // Lazily: a process that was just killed may still hold it.
            let _ = Command::new("umount").arg("-l").arg(path).status();
        }
    }
}
