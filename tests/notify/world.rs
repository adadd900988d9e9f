//! A node without room: an order that fails until somebody acts, and the other way.

use std::fs;
use std::process::Child;

use crate::common::program::{Program, Ran, kill};
pub use crate::common::world::World;
use crate::common::world::position;

/// An order of a version that does not exist, which is an error at once.
const MISSING: &str = "      version: {type: exact, value: v9.9.9}\n";

/// One order, which fails or does not.
pub struct Told {
    pub world: World,
}

impl Told {
    /// With these providers, and rules in YAML's flow style; `more` are other keys.
    pub fn new(providers: &[String], rules: &str, more: &str) -> Self {
        let world = World::small();
        let providers: String = providers
            .iter()
            .map(|provider| format!("    - {provider}\n"))
            .collect();
        world.configure_local(
            1,
            &format!(
                "owner: homelab\nreconcile: {{interval: 1d, debounce: 50ms, poll: 1h}}\n{more}\
                 notifications:\n  providers:\n{providers}{rules}"
            ),
        );
        Self { world }
    }

    /// The order fails from now on.
    pub fn fails(&self) {
        self.world
            .order("one.yaml", &position("one", "iso", MISSING));
    }

    /// The order is in sync after the next run.
    pub fn is_well(&self) {
        self.world.order("one.yaml", &position("one", "iso", ""));
    }

    pub fn program(&self) -> &Program {
        &self.world.program
    }

    pub fn apply(&self) -> Ran {
        self.world.apply()
    }

    /// A controller; what it says is in `run.log`.
    pub fn run(&self) -> Running {
        let mut command = self.program().command(&["run"]);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.world.at("run.log"))
            .unwrap();
        command.stdout(std::process::Stdio::null()).stderr(log);
        Running(command.spawn().unwrap())
    }

    /// What `notify list` says of a provider.
    pub fn listed(&self, name: &str) -> serde_json::Value {
        let ran = self
            .program()
            .run(&["notify", "list", "-o", "json"])
            .expect(0);
        let all = ran.json();
        let mut all = all.as_array().unwrap().iter();
        all.find(|line| line["name"] == name).unwrap().clone()
    }
}

/// A controller that is killed when it is dropped.
pub struct Running(pub Child);

impl Running {
    pub fn kill(mut self) {
        kill(&mut self.0);
    }

    /// Asks it to end, and waits for that.
    pub fn stop(mut self) {
        crate::common::program::terminate(&self.0);
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
