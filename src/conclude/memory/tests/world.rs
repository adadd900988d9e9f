//! One node with one file, over several runs.

use super::*;

/// A look at one node, `pve`, at a time.
pub(super) struct World {
    pub look: Look,
    pub outcomes: BTreeMap<StepId, Outcome>,
    pub memory: Memory,
}

impl World {
    pub(super) fn new() -> Self {
        let mut memory = Memory::default();
        let place = KnownNode {
            node: Node {
                id: node("pve"),
                reach: Reach::Local,
            },
            dirs: BTreeSet::from(["/iso".parse().unwrap()]),
        };
        memory.places.insert(node("pve"), place);
        let mut world = Self {
            look: Look {
                desired: Desired::default(),
                observed: Observed {
                    fleet: None,
                    catalog: Catalog::default(),
                    cache: CacheState::default(),
                    nodes: BTreeMap::new(),
                    vms: BTreeMap::new(),
                    memory: Memory::default(),
                    now: at(0),
                },
                plan: Plan::default(),
            },
            outcomes: BTreeMap::new(),
            memory,
        };
        world.listed(true);
        world
    }

    /// The node answers; with a file of ours on it, or without.
    pub(super) fn listed(&mut self, with_file: bool) -> &mut Self {
        let mut dir = DirState {
            exists: true,
            ..DirState::default()
        };
        if with_file {
            let entry = serde_json::json!({
                "name": "a.iso", "size": 1, "mtime": 1, "inode": 1,
                "sha256": "0".repeat(64),
                "artifact": {
                    "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
                    "secureboot": false, "schematic": "0".repeat(64), "format": "iso",
                },
                "orders": [], "placed_at": at(0),
            });
            let entry = serde_json::from_value(entry).expect("an entry of a record");
            dir.record.insert(file(), entry);
        }
        let state = NodeState::Listed {
            dirs: BTreeMap::from([("/iso".parse().unwrap(), dir)]),
            tools: BTreeSet::new(),
            references: References::default(),
        };
        self.look.observed.nodes.insert(node("pve"), state);
        self
    }

    /// The node answers, and the directory's record cannot be read.
    pub(super) fn unread(&mut self) -> &mut Self {
        self.listed(false).nothing_planned();
        let Some(NodeState::Listed { dirs, .. }) = self.look.observed.nodes.get_mut(&node("pve"))
        else {
            unreachable!()
        };
        for dir in dirs.values_mut() {
            dir.unread = Some("it is longer than 32 MiB".to_owned());
        }
        self
    }

    pub(super) fn silent(&mut self) -> &mut Self {
        let state = NodeState::Unreachable {
            why: "no route".to_owned(),
            lasting: None,
        };
        self.look.observed.nodes.insert(node("pve"), state);
        self.nothing_planned()
    }

    pub(super) fn nothing_planned(&mut self) -> &mut Self {
        self.look.plan = Plan::default();
        self.outcomes.clear();
        self
    }

    pub(super) fn wanted(&mut self, wanted: bool) -> &mut Self {
        let placed = &mut self.look.desired.placed;
        placed.clear();
        if wanted {
            let artifact = serde_json::from_value(serde_json::json!({
                "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
                "secureboot": false, "schematic": "0".repeat(64), "format": "iso",
            }));
            let file_wanted = Placed {
                artifact: artifact.expect("an artifact"),
                form: crate::model::StoredForm::Same,
                is_our_name: true,
                deletion: None,
                method: None,
                wanted_by: Default::default(),
            };
            placed.insert(target("pve"), BTreeMap::from([(file(), file_wanted)]));
        }
        self
    }

    pub(super) fn blocked(&mut self, id: &StepId, reason: BlockedReason) -> &mut Self {
        self.nothing_planned();
        self.look.plan.blocked.push(Blocked {
            id: id.clone(),
            reason,
            wanted_by: Default::default(),
        });
        self
    }

    pub(super) fn prune(&mut self, outcome: Outcome) -> &mut Self {
        self.nothing_planned();
        let action = Action::PruneNode {
            target: target("pve"),
            file: file(),
            bytes: 1,
            sha256: "0".repeat(64).parse().unwrap(),
        };
        self.step(action, outcome)
    }

    pub(super) fn step(&mut self, action: Action, outcome: Outcome) -> &mut Self {
        let id = action.step_id();
        self.look.plan.steps.push(Step {
            id: id.clone(),
            action,
            why: Why::Missing,
            needs: Vec::new(),
            wanted_by: Default::default(),
        });
        self.outcomes.insert(id, outcome);
        self
    }

    /// A run at this second; the memory carries on.
    pub(super) fn run(&mut self, second: i64) -> &Memory {
        self.look.observed.now = at(second);
        self.memory = after(
            &self.memory,
            &self.look,
            &self.outcomes,
            at(second),
            &RetryLimits::default(),
        );
        &self.memory
    }
}
