//! A leader that is stopped at each program that its scripts start on a node, while the next
//! leader of the site works there.

use std::fs::TryLockError;

use super::early::{Source, early, verified};
use super::leaders::{controller, epoch, leads, leftover, snapshot, word, words};
use super::stream::streamed;
use super::*;

/// The programs that scripts start. What only says that something goes on is not among them.
const PROGRAMS: [&str; 23] = [
    "cat",
    "chmod",
    "cp",
    "date",
    "dd",
    "find",
    "flock",
    "grep",
    "head",
    "id",
    "ln",
    "mkdir",
    "mv",
    "openssl",
    "perl",
    "rm",
    "rmdir",
    "rsync",
    "sed",
    "sha256sum",
    "stat",
    "sync",
    "tail",
];

/// What waits, if it is the one with the number: everything that a node starts is counted.
const WAITS: &str = r#"#!/bin/sh
name=${0##*/}
if [ -e "$gate/armed" ]; then
    read -r at <"$gate/armed"
    echo "$name $*" | tr '\n' ' ' >"$gate/line.$$"
    { cat "$gate/line.$$"; echo; } >>"$gate/log"
    number=$(wc -l <"$gate/log")
    if [ "$number" -eq "$at" ]; then
        : >"$gate/reached"
        until [ -e "$gate/open" ]; do sleep 0.01; done
    fi
fi
exec "/usr/bin/$name" "$@"
"#;

/// A node whose programs can be stopped.
struct Gate {
    dir: PathBuf,
    node: SshNode,
}

impl Gate {
    fn new(lab: &Lab) -> Self {
        let dir = lab.path().join(format!("gate-{}", fastrand::u64(..)));
        let bin = dir.join("bin");
        fs::create_dir_all(&bin).unwrap();
        // Its own programs are not stopped.
        let head = format!("gate='{}'; PATH=/usr/bin:/bin\n", dir.display());
        let text = WAITS.replacen('\n', &format!("\n{head}"), 1);
        for name in PROGRAMS {
            common::write_program(&bin.join(name), text.as_bytes());
        }
        let node = lab.node_with(&format!(
            "ForceCommand PATH={}:$PATH; export PATH; eval \"$SSH_ORIGINAL_COMMAND\"\n",
            bin.display()
        ));
        Self { dir, node }
    }

    /// The next operation stops at this program, from 1.
    fn arm(&self, at: usize) {
        for name in ["log", "reached", "open"] {
            let _ = fs::remove_file(self.dir.join(name));
        }
        fs::write(self.dir.join("armed"), format!("{at}\n")).unwrap();
    }

    fn is_reached(&self) -> bool {
        self.dir.join("reached").exists()
    }

    fn open(&self) {
        fs::write(self.dir.join("open"), "").unwrap();
    }

    /// The programs that were started, with their words.
    fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

/// What the earlier leader does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Stream,
    Rsync,
    Relay,
    Early,
    Remove,
    Verify,
    Clear,
}

/// Two leaders, and a node that they share.
struct Meeting {
    lab: Lab,
    gate: Gate,
    relay: SshNode,
    work: Work,
    authorities: [Authority; 2],
    controllers: [SystemNodes; 2],
    contents: [(PathBuf, Vec<u8>); 3],
}

impl Meeting {
    fn new(work: Work) -> Self {
        let lab = Lab::new();
        let authorities = [leads(1), leads(1)];
        let controllers = [0, 1].map(|at| controller(&lab, at as u32 + 1, &authorities[at]));
        Self {
            gate: Gate::new(&lab),
            relay: lab.node(),
            contents: [1, 2, 3].map(|seed| file(&lab, 50_000 + 4096 * seed as usize, seed)),
            work,
            authorities,
            controllers,
            lab,
        }
    }

    /// The earlier leader, epoch N, is stopped at a program, and its follower, epoch N + 1,
    /// delivers. Nothing is written behind that. Gives what the earlier one was told, and
    /// nothing where it did not come to that program.
    async fn meet(&self, round: usize, stop: usize) -> Option<Result<(), NodeError>> {
        let [old, new] = &self.controllers;
        let number = 10 * round as u64 + 10;
        // In another session, which is not stopped.
        let (gated, plain) = (self.gate.node.node("pve-01"), self.relay.node("pve-01"));
        let dir = self.gate.node.dir(&format!("{round}-{stop}"));
        let [before, mine, theirs] = &self.contents;
        self.authorities[1].grant(epoch(number), Duration::MAX);
        let first = streamed(dir.clone(), before);
        new.deliver(&plain, &first).await.unwrap();
        match self.work {
            Work::Verify => fs::write(at(&dir, NAME), vec![1; before.1.len()]).unwrap(),
            Work::Clear => {
                let part = at(&dir, &leftover(&dir).part.to_string());
                fs::create_dir(part.parent().unwrap()).unwrap();
                fs::write(part, "left").unwrap();
            }
            _ => {}
        }
        self.authorities[0].grant(epoch(number), Duration::MAX);
        self.gate.arm(stop);
        let mut work = Box::pin(self.work(old, &gated, &dir, &first, mine));
        let is_reached = tokio::select! {
            _ = &mut work => false,
            () = until("it comes to the program", || self.gate.is_reached()) => true,
        };
        if !is_reached {
            return None;
        }
        self.authorities[1].grant(epoch(number + 1), Duration::MAX);
        let theirs = streamed(dir.clone(), theirs);
        let what = format!("{:?} at {stop}: {:?}", self.work, self.gate.log().last());
        // Whoever stops in the middle of a step has the directory: then it ends the step.
        let directory = fs::File::open(dir.as_str()).unwrap();
        let is_held = matches!(directory.try_lock(), Err(TryLockError::WouldBlock));
        drop(directory);
        let (placed, result, after) = if is_held {
            self.gate.open();
            let (placed, result) = tokio::join!(new.deliver(&plain, &theirs), work);
            (placed, result, None)
        } else {
            let placed = tokio::select! {
                placed = new.deliver(&plain, &theirs) => placed,
                // It may be told of the follower before it goes on.
                result = &mut work => panic!("{what}: {result:?}"),
            };
            let after = snapshot(&dir);
            self.gate.open();
            (placed, work.await, Some(after))
        };
        let placed = placed.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let found = fs::read(at(&dir, NAME)).unwrap();
        assert!(found == self.contents[2].1, "{what}: other bytes");
        assert_eq!(words(&dir), word(number + 1), "{what}");
        let state = look(new, &plain, &dir).await;
        assert_eq!(state.record[&theirs.file], placed.entry, "{what}");
        assert!(placed.entry.describes(&state.files[NAME]), "{what}");
        assert!(!at(&dir, LOCK).exists(), "{what}");
        if let Some(after) = after {
            assert_eq!(snapshot(&dir), after, "{what}: {result:?}");
        }
        if let Err(error) = &result {
            let is_refused = matches!(
                error,
                NodeError::Outranked { .. } | NodeError::NotLeading(_)
            );
            assert!(is_refused || is_held, "{what}: {error:?}");
        }
        Some(result)
    }

    /// What the earlier leader does.
    async fn work(
        &self,
        nodes: &SystemNodes,
        id: &Node,
        dir: &Dir,
        first: &Delivery,
        content: &(PathBuf, Vec<u8>),
    ) -> Result<(), NodeError> {
        let mut delivery = streamed(dir.clone(), content);
        match self.work {
            Work::Stream => nodes.deliver(id, &delivery).await.map(drop),
            Work::Rsync => {
                delivery.method = Method::Rsync { basis: None };
                nodes.deliver(id, &delivery).await.map(drop)
            }
            Work::Relay => {
                delivery.relay = Some(talos_order::nodes::Relay {
                    node: self.relay.node("pve-02"),
                    path: content.0.display().to_string(),
                    ssh_opts: self.lab.ssh_opts(),
                });
                nodes.deliver(id, &delivery).await.map(drop)
            }
            Work::Early => {
                let mut source = Source::new(&self.lab, content);
                let early = early(&delivery, &source);
                let (say, said) = verified();
                source.finish();
                say.send(Some(delivery.clone())).unwrap();
                match nodes.deliver_early(id, &early, said).await {
                    Some(_) => Ok(()),
                    // Whoever executes a plan goes on like this.
                    None => nodes.deliver(id, &delivery).await.map(drop),
                }
            }
            Work::Remove => nodes.remove(id, &removal(first)).await.map(drop),
            Work::Verify => nodes.verify(id, &removal(first)).await.map(drop),
            Work::Clear => nodes.clear(id, &leftover(dir)).await.map(drop),
        }
    }

    /// How many programs its work starts.
    async fn count(&self) -> usize {
        assert!(
            self.meet(0, 0).await.is_none(),
            "no program has the number 0"
        );
        self.gate.log().len()
    }

    /// Stops it at some of the programs, evenly over the work, or at all of them.
    async fn walk(&self, cases: usize) {
        let count = self.count().await;
        assert!(count > 10, "{:?}: only {count} programs", self.work);
        let cases = cases.min(count);
        let (mut met, mut refused) = (0, 0);
        for case in 0..cases {
            let at = (2 * case + 1) * count / (2 * cases) + 1;
            match self.meet(case + 1, at).await {
                Some(Err(_)) => (met, refused) = (met + 1, refused + 1),
                Some(Ok(())) => met += 1,
                None => {}
            }
        }
        let work = self.work;
        println!("{work:?}: {count} programs, stopped at {met}, refused {refused} times");
        assert!(
            met * 2 > cases,
            "{work:?}: only {met} of {cases} programs came"
        );
        assert!(refused > 0, "{work:?}: {refused} of {met} times refused");
    }
}

macro_rules! meetings {
    ($($name:ident $every:ident $work:ident)+) => { $(
        #[tokio::test]
        async fn $name() {
            Meeting::new(Work::$work).walk(6).await;
        }

        #[tokio::test]
        #[ignore = "a minute: every program that the scripts start"]
        async fn $every() {
            Meeting::new(Work::$work).walk(usize::MAX).await;
        }
    )+ };
}

meetings! {
    a_stream_meets_the_next_leader every_program_of_a_stream Stream
    rsync_meets_the_next_leader every_program_of_rsync Rsync
    a_relay_meets_the_next_leader every_program_of_a_relay Relay
    an_early_push_meets_the_next_leader every_program_of_an_early_push Early
    a_removal_meets_the_next_leader every_program_of_a_removal Remove
    a_verification_meets_the_next_leader every_program_of_a_verification Verify
    a_clearing_meets_the_next_leader every_program_of_a_clearing Clear
}
