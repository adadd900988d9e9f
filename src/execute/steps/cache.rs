//! Steps of this machine: registrations, and the files of the cache.

use std::sync::Arc;

use crate::cache::CacheError;
use crate::execute::work::{StepWork, failed};
use crate::facts::{Fact, Failure, Outcome};
use crate::io::Meter;
use crate::model::{ArtifactId, FileName, SchematicId};
use crate::nodes::Nodes;
use crate::upstream::Upstream;

impl<F: Upstream, N: Nodes> StepWork<F, N> {
    pub(in crate::execute) async fn register(
        &self,
        schematic: SchematicId,
        expected: SchematicId,
        document: &str,
    ) -> Outcome {
        match self.context.factory.register(schematic, document).await {
            // The answer is the authority. Everything planned under another id is
            // moot then; the id is remembered and the next look plans anew.
            Ok(id) if id != expected => Outcome::Outdated {
                what: format!("the factory returned id {id} for schematic {schematic}"),
            },
            Ok(id) => Outcome::Done {
                fact: Fact::Registered { id },
            },
            Err(error) => failed(Failure::from(error)),
        }
    }

    pub(in crate::execute) async fn unpack(
        &self,
        from_file: &FileName,
        to: &ArtifactId,
        file: &FileName,
        meter: &Arc<Meter>,
    ) -> Result<Fact, Failure> {
        let from = self.known(from_file)?;
        let meta = self
            .context
            .cache
            .unpack(
                from_file,
                &from,
                to.clone(),
                file,
                Arc::clone(meter),
                self.context.now,
            )
            .await?;
        self.learn(&meta, file);
        Ok(Fact::Unpacked {
            meta: Box::new(meta),
        })
    }

    /// A left-over is removed like a file: what is beside the name goes with it.
    pub(in crate::execute) fn remove(&self, file: &FileName) -> Result<Fact, Failure> {
        let bytes = self.context.cache.remove(file)?;
        Ok(Fact::Removed { bytes })
    }

    /// A damaged file is replaced by a step of the next plan, as on a node.
    pub(in crate::execute) async fn verify_in_cache(&self, file: &FileName, bytes: u64) -> Outcome {
        match self.context.cache.verify(file).await {
            Ok(()) => Outcome::Done {
                fact: Fact::Verified { bytes },
            },
            Err(damage @ CacheError::Damaged { .. }) => Outcome::Outdated {
                what: damage.to_string(),
            },
            Err(error) => failed(Failure::from(error)),
        }
    }
}
