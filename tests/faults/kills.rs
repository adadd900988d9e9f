//! Something is killed at a moment that nobody chose, again and again.
//!
//! Nothing of `seam.c` is used here: what is killed is what a machine's memory or a
//! user would kill, at any moment, also in the middle of a call.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::common::sshd::{descendants, kill};
use crate::scenes::{Scene, Stage};

/// The seed of everything that is drawn.
const SEED: u64 = 20_261_127;

/// So many kills at most, and then one run that has to come through.
const BATCH: u32 = 5;

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// The controller's process.
    Main,
    /// The controller with everything that it started.
    Tree,
    /// One ssh or rsync of the controller, where there is one.
    Helper,
    /// An sshd that serves a session, where there is one.
    Session,
    /// Whatever runs in a session: the node's shell, rsync, perl.
    Node,
}

const TARGETS: [Target; 5] = [
    Target::Main,
    Target::Tree,
    Target::Helper,
    Target::Session,
    Target::Node,
];

fn name_of(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

impl Target {
    /// Kills it, or what is there of it.
    fn strike(self, run: &mut Child, stage: &Stage, random: &mut Rng) {
        let one_of = |pids: Vec<u32>, random: &mut Rng| {
            if !pids.is_empty() {
                kill(pids[random.usize(0..pids.len())]);
            }
        };
        match self {
            Self::Main => run.kill().unwrap(),
            Self::Tree => {
                let below = descendants(run.id());
                run.kill().unwrap();
                below.into_iter().for_each(kill);
            }
            Self::Helper => one_of(descendants(run.id()), random),
            Self::Session | Self::Node => {
                let mut pids = stage.sessions();
                let is_sshd = |pid: &u32| name_of(*pid).starts_with("sshd");
                pids.retain(|pid| is_sshd(pid) == matches!(self, Self::Session));
                one_of(pids, random);
            }
        }
    }
}

/// Kills runs of a scene, in batches; what is over before it is killed does not count.
fn kills(scene: Scene, count: u32) {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse().expect("a seed"),
        Err(_) => SEED,
    };
    let mut random = Rng::with_seed(seed);
    let stage = Stage::new(scene);
    stage.prepare().unwrap();
    let whole = Instant::now();
    stage.converge().unwrap();
    // How long a run takes, on this machine and today.
    let mut span = whole.elapsed();
    let (mut struck, mut missed, mut checks) = (0, 0, 0);
    while struck < count {
        stage.prepare().unwrap();
        let mut story = Vec::new();
        for _ in 0..BATCH.min(count - struck) {
            let target = TARGETS[random.usize(0..TARGETS.len())];
            let moment = span.mul_f64(random.f64());
            let mut run = start(stage.world.program.command(scene.verb()));
            std::thread::sleep(moment);
            story.push(format!("{target:?} after {moment:.0?}"));
            if run.try_wait().unwrap().is_some() {
                // It did everything, so a later one has nothing to do.
                missed += 1;
                span = span.mul_f64(0.95);
                break;
            }
            struck += 1;
            target.strike(&mut run, &stage, &mut random);
            wait_for_end(&mut run, &story);
        }
        checks += 1;
        let describe = |why| {
            let name = scene.name();
            panic!("SEED={seed}, {name}, kill {struck}: {why}\n{story:#?}")
        };
        stage.tell_truth("after the kills").unwrap_or_else(describe);
        if let Err(why) = stage.converge() {
            describe(why);
        }
        stage.end_sessions();
        stage.in_sync().unwrap_or_else(describe);
        assert!(missed < 4 * count, "{missed} runs were over too early");
    }
    println!(
        "{}: {struck} kills, {checks} times back in sync, {} digests, {:.0?}",
        scene.name(),
        stage.digests(),
        whole.elapsed()
    );
}

/// How long a run may go on once something of it was killed: ssh needs 45 s to give up
/// on a connection that is silent, and a run may meet several.
const LIMIT: Duration = Duration::from_secs(150);

/// What is unusually long, and told.
const LONG_TIME: Duration = Duration::from_secs(20);

fn wait_for_end(run: &mut Child, story: &[String]) {
    let begin = Instant::now();
    let mut told = false;
    while run.try_wait().unwrap().is_none() {
        let took = begin.elapsed();
        if took > LONG_TIME && !told {
            told = true;
            let below = descendants(run.id());
            let below: Vec<String> = below.into_iter().map(line_of).collect();
            println!("still there after {took:.0?}: {story:?}\n{below:#?}");
        }
        assert!(took < LIMIT, "it does not end: {story:#?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    if told {
        println!("it ended after {:.0?}", begin.elapsed());
    }
}

/// A process and its words.
fn line_of(pid: u32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    format!("{pid} {}", words.chars().take(150).collect::<String>())
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// How many kills each scene gets in the long run: 1,000 in all.
const LONG: u32 = 200;

macro_rules! scenes {
    ($($name:ident $long:ident $scene:ident)+) => { $(
        #[test]
        fn $name() {
            kills(Scene::$scene, 15);
        }

        #[test]
        #[ignore = "minutes: 200 kills"]
        fn $long() {
            kills(Scene::$scene, LONG);
        }
    )+ };
}

scenes! {
    a_stream_survives_kills many_kills_of_a_stream Replace
    rsync_survives_kills many_kills_of_rsync Rsync
    a_local_delivery_survives_kills many_kills_of_a_local_delivery Local
    a_controller_survives_kills many_kills_of_a_controller Controller
}

#[test]
#[ignore = "minutes: 200 kills"]
fn many_kills_of_a_relay() {
    kills(Scene::Relay, LONG);
}
