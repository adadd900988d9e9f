//! What a stage holds in the end, and whether that is right.

use super::*;

impl Stage {
    /// What is not as it must be in the end, if anything.
    pub(super) fn missing(&self) -> Option<String> {
        let (cached, delivered) = self.wanted();
        let cache = self.world.cache();
        let mut wrong = Vec::new();
        let mut compare = |dir: &Path, wanted: &[(String, Sha256)]| {
            let found: Vec<(String, Sha256)> = images(dir)
                .into_iter()
                .map(|name| (name.clone(), digest(&dir.join(name))))
                .collect();
            if found != wanted {
                wrong.push(format!("{} holds {found:?}", dir.display()));
            }
        };
        compare(&cache, &cached);
        for dir in self.filled() {
            compare(&dir, &delivered);
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    }

    /// The directories that images go to in this scene.
    fn filled(&self) -> Vec<PathBuf> {
        let kind = match self.scene {
            Scene::Local | Scene::Relay => "import",
            _ => "iso",
        };
        let mut places = self.places();
        places.retain(|place| place.ends_with(kind));
        places
    }

    /// What is to be in the cache, and in each directory, in the end.
    fn wanted(&self) -> (Images, Images) {
        let of = |name: String| {
            let truth = self.world.truth(&name);
            (name, truth)
        };
        let both = || [OLD, NEW].map(|version| of(iso(version))).to_vec();
        let new = || vec![of(iso(NEW))];
        match self.scene {
            Scene::Local | Scene::Relay => {
                let raw = of(raw(NEW));
                (vec![raw.clone(), of(format!("{}.xz", raw.0))], vec![raw])
            }
            Scene::Stream | Scene::Resume | Scene::Redeliver | Scene::Prune => (new(), new()),
            Scene::Update | Scene::Controller => (both(), both()),
            Scene::Replace | Scene::Rsync => {
                let fixed = (FIXED.to_owned(), new()[0].1);
                (both(), vec![fixed])
            }
        }
    }

    /// Everything is in sync, and a plan knows it.
    pub fn in_sync(&self) -> Result<(), String> {
        if let Some(wrong) = self.missing() {
            return Err(format!("it does not stay: {wrong}"));
        }
        let plan = self.world.program.run(&["plan", "--detailed-exitcode"]);
        if plan.code != Some(0) {
            return Err(format!("not in sync: {plan}"));
        }
        self.tell_truth("in the end")?;
        let names: Vec<String> = self.wanted().1.into_iter().map(|(name, _)| name).collect();
        for dir in self.filled() {
            let mut found = recorded(&dir);
            // A removal takes the file first and its line after it; between the two a
            // line about nothing stays, which nobody believes.
            if self.scene == Scene::Prune {
                found.retain(|name| dir.join(name).exists());
            }
            if found != names {
                return Err(format!("recorded in {}: {found:?}", dir.display()));
            }
        }
        let cache = self.world.cache();
        let sidecar = |name: &String| !cache.join(format!("{name}.sha256")).is_file();
        match images(&cache).iter().find(|name| sidecar(name)) {
            Some(name) => Err(format!("{name} has no checksum file")),
            None => Ok(()),
        }
    }

    /// No final name and no record says what is not so, and never did.
    pub fn tell_truth(&self, when: &str) -> Result<(), String> {
        let mut lies = self.reader.lies();
        lies.extend(lies_in_cache(&self.world.cache()));
        lies.extend(self.places().iter().flat_map(|dir| lies_on_node(dir)));
        match lies.is_empty() {
            true => Ok(()),
            false => Err(format!("{when}: {}", lies.join("\n"))),
        }
    }

    /// Ends what still runs on nodes, as a connection does that is gone for good.
    pub fn end_sessions(&self) {
        wait_for("sessions end", || {
            let left = self.sessions();
            left.iter().for_each(|pid| kill(*pid));
            left.is_empty()
        });
    }

    /// What runs on nodes, but for the sshds that listen.
    pub fn sessions(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.nodes.iter().flat_map(SshNode::sessions).collect();
        pids.retain(|pid| !self.listening.contains(pid));
        pids
    }
}
