//! One step at a time: the bridge between a plan's action and the three places.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::downloads::{Fetch, Ticket};
use super::{Event, Gates, World, pass};
use crate::cache::{Cache, CacheError, Receive};
use crate::facts::{CacheState, Fact, Failure, FailureKind, Meta, Outcome};
use crate::io::Meter;
use crate::model::{
    ArtifactId, Deletion, FileName, NodeId, OrderId, PositionRef, PushTarget, SchematicId, Sha256,
    Via,
};
use crate::nodes::{Cleared, Delivery, Leftover, Nodes, Relay, Removal, Removed, Verified};
use crate::plan::{Action, Step, Way};
use crate::upstream::Upstream;

/// Where steps are worked on: the places, the limits, and what is known of the
/// files in the cache so far.
pub(super) struct Bench<F, N> {
    world: Arc<World<F, N>>,
    gates: Gates,
    /// Size and digest of what the cache holds, extended as steps succeed.
    files: Mutex<BTreeMap<FileName, Meta>>,
}

/// What a step says, if it is a download.
pub(super) fn as_fetch(step: &Step) -> Option<Fetch> {
    let Action::Fetch {
        url,
        download,
        file,
        unpack,
        pinned,
        bytes: _,
    } = &step.action
    else {
        return None;
    };
    Some(Fetch {
        url: url.clone(),
        download: download.clone(),
        file: file.clone(),
        unpack: unpack.clone(),
        pinned: *pinned,
    })
}

/// What a delivery step says, by reference.
struct Push<'a> {
    target: &'a PushTarget,
    cache_file: &'a FileName,
    file: &'a FileName,
    replace: bool,
    deletion: Option<Deletion>,
    way: &'a Way,
}

impl<F: Upstream, N: Nodes> Bench<F, N> {
    pub(super) fn new(world: Arc<World<F, N>>, known: &CacheState) -> Self {
        let files = known
            .files
            .iter()
            .map(|(name, cached)| (name.clone(), cached.meta.clone()))
            .collect();
        Self {
            gates: Gates::new(&world),
            files: Mutex::new(files),
            world,
        }
    }

    /// Runs a step; never panics on a failing place.
    pub(super) async fn run(&self, step: &Step, events: &mpsc::UnboundedSender<Event>) -> Outcome {
        let meter = Arc::new(Meter::default());
        let begun = |meter: &Arc<Meter>| {
            let _ = events.send(Event::Started {
                step: step.id.clone(),
                action: Box::new(step.action.clone()),
                meter: step.action.brings().then(|| Arc::clone(meter)),
            });
        };
        let started = || begun(&meter);
        let done = |result: Result<Fact, Failure>| match result {
            Ok(fact) => Outcome::Done { fact },
            Err(failure) => Outcome::Failed { failure },
        };
        match &step.action {
            Action::Register {
                schematic,
                expected,
                document,
            } => {
                started();
                self.register(*schematic, *expected, document).await
            }
            Action::Fetch { bytes, .. } => {
                let Some(fetch) = as_fetch(step) else {
                    return Outcome::Cancelled;
                };
                let ticket = match self.world.downloads.find(&fetch) {
                    Some(ticket) => ticket,
                    None => {
                        let place = self.world.downloads.place().await;
                        meter.set_total(bytes.bytes().unwrap_or(0));
                        self.begin(fetch.clone(), meter, place)
                    }
                };
                begun(&ticket.meter);
                let Some(ended) = ticket.end().await else {
                    return Outcome::Cancelled;
                };
                self.world.downloads.forget(&fetch.file);
                if let Ok(fact) = &ended {
                    self.learn_fetched(fact, &fetch);
                }
                done(ended)
            }
            Action::Unpack {
                from: _,
                from_file,
                to,
                file,
                bytes,
            } => {
                let _gate = pass(&self.gates.disk).await;
                meter.set_total(*bytes);
                started();
                done(self.unpack(from_file, to, file, &meter).await)
            }
            Action::Push {
                target,
                artifact: _,
                cache_file,
                file,
                bytes: _,
                replace,
                deletion,
                way,
            } => {
                let (network, via) = (&self.world.network, way.via.as_ref());
                let _gates = self.gates.delivery(network, &target.node, via).await;
                started();
                let push = Push {
                    target,
                    cache_file,
                    file,
                    replace: *replace,
                    deletion: *deletion,
                    way,
                };
                done(self.push(&push, &step.wanted_by, &meter).await)
            }
            Action::PruneNode {
                target,
                file,
                bytes,
                sha256,
            } => {
                let _own = pass(&self.gates.node[&target.node]).await;
                let _gate = pass(&self.gates.nodes).await;
                started();
                self.remove_from_node(target, file, *bytes, *sha256).await
            }
            Action::ClearPart {
                target,
                part,
                bytes,
                idle_seconds,
            } => {
                let _own = pass(&self.gates.node[&target.node]).await;
                let _gate = pass(&self.gates.nodes).await;
                started();
                let leftover = Leftover {
                    dir: target.dir.clone(),
                    part: part.clone(),
                    idle: Duration::from_secs(*idle_seconds),
                };
                self.clear_part(&target.node, &leftover, *bytes).await
            }
            Action::VerifyNode {
                target,
                file,
                bytes,
                sha256,
            } => {
                let _own = pass(&self.gates.node[&target.node]).await;
                let _gate = pass(&self.gates.nodes).await;
                started();
                self.verify_on_node(target, file, *bytes, *sha256).await
            }
            Action::VerifyCache { file, bytes } => {
                let _gate = pass(&self.gates.disk).await;
                started();
                self.verify_in_cache(file, *bytes).await
            }
            Action::PruneCache { file, bytes: _ } | Action::ClearPartial { file, bytes: _ } => {
                started();
                done(self.remove(file))
            }
        }
    }

    async fn register(
        &self,
        schematic: SchematicId,
        expected: SchematicId,
        document: &str,
    ) -> Outcome {
        match self.world.factory.register(schematic, document).await {
            // The answer is the authority. Everything planned under another id is
            // moot then; the id is remembered and the next look plans anew.
            Ok(id) if id != expected => Outcome::Outdated {
                what: format!("the factory gives schematic {schematic} the id {id}"),
            },
            Ok(id) => Outcome::Done {
                fact: Fact::Registered { id },
            },
            Err(error) => failed(error),
        }
    }

    /// Begins a download that may outlive this pass.
    fn begin(&self, fetch: Fetch, meter: Arc<Meter>, place: OwnedSemaphorePermit) -> Ticket {
        let work = download(
            Arc::clone(&self.world.factory),
            Arc::clone(&self.world.cache),
            fetch.clone(),
            Arc::clone(&meter),
            self.world.now,
        );
        self.world.downloads.begin(fetch, meter, place, work)
    }

    fn learn_fetched(&self, fact: &Fact, fetch: &Fetch) {
        if let Fact::Fetched {
            download, unpacked, ..
        } = fact
        {
            self.learn(download, &fetch.file);
            if let (Some(meta), Some((_, file))) = (unpacked, &fetch.unpack) {
                self.learn(meta, file);
            }
        }
    }

    async fn unpack(
        &self,
        from_file: &FileName,
        to: &ArtifactId,
        file: &FileName,
        meter: &Arc<Meter>,
    ) -> Result<Fact, Failure> {
        let from = self.known(from_file)?;
        let meta = self
            .world
            .cache
            .unpack(
                from_file,
                &from,
                to.clone(),
                file,
                Arc::clone(meter),
                self.world.now,
            )
            .await?;
        self.learn(&meta, file);
        Ok(Fact::Unpacked {
            meta: Box::new(meta),
        })
    }

    async fn push(
        &self,
        push: &Push<'_>,
        wanted_by: &BTreeSet<PositionRef>,
        meter: &Arc<Meter>,
    ) -> Result<Fact, Failure> {
        let meta = self.known(push.cache_file)?;
        meter.set_total(meta.size);
        let orders: BTreeSet<OrderId> = wanted_by.iter().map(|want| want.order.clone()).collect();
        let delivery = Delivery {
            dir: push.target.dir.clone(),
            file: push.file.clone(),
            source: self.world.cache.path(push.cache_file),
            size: meta.size,
            sha256: meta.sha256,
            artifact: meta.artifact.clone(),
            orders,
            replace: push.replace,
            deletion: push.deletion,
            revision: self.world.revision.clone(),
            now: self.world.now,
            method: push.way.method.clone(),
            proof: push.way.proof,
            data: meta.data,
            relay: self.relay(push.way.via.as_ref()),
            meter: Arc::clone(meter),
        };
        let delivered = self
            .world
            .nodes
            .deliver(&self.world.specs[&push.target.node], &delivery)
            .await?;
        Ok(Fact::Pushed {
            entry: Box::new(delivered.entry),
            copied: delivered.copied,
            wire_bytes: delivered.wire_bytes,
            millis: delivered.took.as_millis() as u64,
        })
    }

    fn relay(&self, via: Option<&Via>) -> Option<Relay> {
        let via = via?;
        let site = self.world.network.sites.get(&via.site);
        Some(Relay {
            node: self.world.specs[&via.node].clone(),
            path: via.dir.join(&via.file),
            ssh_opts: site.map(|site| site.ssh_opts.clone()).unwrap_or_default(),
        })
    }

    /// A left-over is removed like a file: what is beside the name goes with it.
    fn remove(&self, file: &FileName) -> Result<Fact, Failure> {
        let bytes = self.world.cache.remove(file)?;
        Ok(Fact::Removed { bytes })
    }

    async fn remove_from_node(
        &self,
        target: &PushTarget,
        file: &FileName,
        bytes: u64,
        sha256: Sha256,
    ) -> Outcome {
        let removal = removal(target, file, bytes, sha256);
        let node = &self.world.specs[&target.node];
        match self.world.nodes.remove(node, &removal).await {
            Ok(Removed::Gone) => Outcome::Done {
                fact: Fact::Removed { bytes },
            },
            // Looking again would find the same: its size and times are as recorded.
            Ok(Removed::Differs(found)) => failed(Failure {
                error: format!("{file} has digest {found} there and stays"),
                hint: Some("look at it, and remove it by hand if nobody needs it".to_owned()),
                transient: false,
                kind: FailureKind::WrongBytes,
            }),
            Err(error) => failed(error),
        }
    }

    async fn clear_part(&self, node: &NodeId, leftover: &Leftover, bytes: u64) -> Outcome {
        let node = &self.world.specs[node];
        match self.world.nodes.clear(node, leftover).await {
            Ok(Cleared::Gone) => Outcome::Done {
                fact: Fact::Removed { bytes },
            },
            Ok(Cleared::Unfinished) => Outcome::Outdated {
                what: format!("{} is being written to", leftover.part),
            },
            Err(error) => failed(error),
        }
    }

    async fn verify_on_node(
        &self,
        target: &PushTarget,
        file: &FileName,
        bytes: u64,
        sha256: Sha256,
    ) -> Outcome {
        let check = removal(target, file, bytes, sha256);
        let node = &self.world.specs[&target.node];
        match self.world.nodes.verify(node, &check).await {
            Ok(Verified::Same) => Outcome::Done {
                fact: Fact::Verified { bytes },
            },
            Ok(Verified::Differs(found)) => Outcome::Outdated {
                what: format!("{file} is damaged on {}: digest {found}", target.node),
            },
            Ok(Verified::Missing) => Outcome::Outdated {
                what: format!("{file} is gone from {}", target.node),
            },
            Err(error) => failed(error),
        }
    }

    /// A damaged file of ours is as good as none: it goes, and the next look
    /// fetches it again.
    async fn verify_in_cache(&self, file: &FileName, bytes: u64) -> Outcome {
        let cache = &self.world.cache;
        match cache.verify(file).await {
            Ok(()) => Outcome::Done {
                fact: Fact::Verified { bytes },
            },
            Err(damage @ CacheError::Damaged { .. }) => match cache.remove(file) {
                Ok(_) => Outcome::Outdated {
                    what: damage.to_string(),
                },
                Err(error) => failed(error),
            },
            Err(error) => failed(error),
        }
    }

    fn learn(&self, meta: &Meta, file: &FileName) {
        let mut files = self.files.lock().expect("no holder panics");
        files.insert(file.clone(), meta.clone());
    }

    fn known(&self, file: &FileName) -> Result<Meta, Failure> {
        let files = self.files.lock().expect("no holder panics");
        files.get(file).cloned().ok_or_else(|| Failure {
            error: format!("the cache has no record of {file}"),
            hint: None,
            transient: true,
            kind: FailureKind::Other,
        })
    }
}

/// Everything that an image's fetch asks of the factory, and what comes of it: first
/// who vouches for it, then the image.
async fn download<F: Upstream>(
    factory: Arc<F>,
    cache: Arc<Cache>,
    fetch: Fetch,
    meter: Arc<Meter>,
    now: Timestamp,
) -> Result<Fact, Failure> {
    let upstream = factory.checksum(&fetch.url).await?;
    let receive = Receive {
        download: fetch.download,
        file: fetch.file,
        url: fetch.url.clone(),
        unpack: fetch.unpack,
        pinned: fetch.pinned,
        upstream,
        meter,
    };
    let mut intake = cache.receive(receive).await?;
    let transferred = match factory.download(&fetch.url, &mut intake).await {
        Ok(transferred) => transferred,
        // What refused the bytes knows more than whoever sent them: whether that may
        // pass, and what a person can do.
        Err(error) if intake.failure().is_some() => {
            let refused = intake.finish(now).await;
            return Err(refused.err().map_or_else(|| error.into(), Failure::from));
        }
        Err(error) => return Err(error.into()),
    };
    let received = intake.finish(now).await?;
    for meta in std::iter::once(&received.download).chain(&received.unpacked) {
        factory.remember_size(&meta.artifact, meta.size);
    }
    Ok(Fact::Fetched {
        download: Box::new(received.download),
        unpacked: received.unpacked.map(Box::new),
        wire_bytes: transferred.wire_bytes,
    })
}

fn failed(error: impl Into<Failure>) -> Outcome {
    Outcome::Failed {
        failure: error.into(),
    }
}

fn removal(target: &PushTarget, file: &FileName, size: u64, sha256: Sha256) -> Removal {
    Removal {
        dir: target.dir.clone(),
        file: file.clone(),
        size,
        sha256,
    }
}
