//! What it costs to have the controller around.

use std::fs;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, converged};
use crate::world::World;

/// Processor time of a process so far, user and system, from `/proc`.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // `pid (name) state …`, where the name may hold anything; utime and stime are
    // the 14th and 15th field, in ticks, of which Linux tells a hundred a second.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|text| text.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// A thousand positions that want the same four images.
fn thousand() -> String {
    let mut text = String::new();
    for order in 0..10 {
        text.push_str(&format!("- orderid: order-{order}\n  positions:\n"));
        for position in 0..100 {
            let patch = position % 4;
            text.push_str(&format!(
                "    - name: position-{position}\n      image_format: iso\n      \
                 version: {{type: exact, value: v1.11.{patch}}}\n      \
                 push: {{enabled: true, hosts: [{{group: all}}]}}\n"
            ));
        }
    }
    text
}

#[test]
fn between_runs_it_costs_nothing_and_a_burst_of_events_costs_two_runs() {
    let world = World::small();
    world.configure_local(1, "reconcile: {interval: 1d, debounce: 1s, poll: 1h}\n");
    world.order("thousand.yaml", &thousand());
    let daemon = Daemon::start(&world);
    let status = daemon.status();
    assert!(converged(&status), "{status:#}");

    // The measured time is what this is about, so here a length of time is waited.
    let before = processor_time(daemon.pid());
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(3));
    let used = processor_time(daemon.pid()) - before;
    println!("{used:?} of processor time in {:?}", begin.elapsed());
    assert!(used <= Duration::from_millis(30), "{used:?}");

    // Ten thousand events, and in the end another content.
    let orders = world.at("orders");
    let runs = daemon.runs().len();
    let begin = Instant::now();
    for number in 0..2500 {
        let [draft, name] = ["draft.yaml", "burst.yaml"].map(|name| orders.join(name));
        fs::write(&draft, format!("# {number}\n[]\n")).unwrap();
        fs::rename(draft, name).unwrap();
    }
    world.order("last.yaml", "- orderid: last\n  positions: []\n");
    daemon.until("the last word is heard", |status| {
        let conditions = status["conditions"].as_array().unwrap();
        converged(status)
            && status["next_pass"].is_string()
            && conditions
                .iter()
                .any(|condition| condition["order"] == "last")
    });
    let more = daemon.runs().len() - runs;
    // One in the midst of it, where that takes long, for each time it must be quiet.
    let most = 2.max(begin.elapsed().as_secs() as usize);
    assert!((1..=most).contains(&more), "{more} runs");
    daemon.stop();
}
