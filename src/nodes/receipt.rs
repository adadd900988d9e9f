//! How far a node is that receives a file early, for those that it sends it on to.

use std::sync::Arc;

use tokio::sync::watch;

/// How far a node is in receiving a file early. Clones are about the same delivery: the one
/// that is made to the node tells, and those that it sends the file on to wait.
#[derive(Debug, Clone)]
pub struct EarlyReceipt(Arc<watch::Sender<ReceiptStage>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReceiptStage {
    /// It has not begun.
    Waiting,
    /// What is in its part belongs to the file, and more comes.
    Begun,
    /// Nothing comes early any more. The usual delivery may follow.
    Failed,
    /// The file has its name there, in whatever way it came.
    Placed,
    /// It was not delivered.
    Lost,
}

impl Default for EarlyReceipt {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(ReceiptStage::Waiting)))
    }
}

impl EarlyReceipt {
    pub(super) fn begin(&self) {
        self.0.send_replace(ReceiptStage::Begun);
    }

    pub(super) fn fail(&self) {
        self.0.send_replace(ReceiptStage::Failed);
    }

    /// Says how the delivery ended. Whoever executes it does that.
    pub fn end(&self, is_placed: bool) {
        self.0.send_replace(match is_placed {
            true => ReceiptStage::Placed,
            false => ReceiptStage::Lost,
        });
    }

    /// Waits for the end. False where the file was not delivered.
    pub async fn is_placed(&self) -> bool {
        let is_over =
            |stage: &ReceiptStage| matches!(stage, ReceiptStage::Placed | ReceiptStage::Lost);
        self.wait(is_over).await == ReceiptStage::Placed
    }

    /// The first stage of this kind.
    async fn wait(&self, is_it: impl FnMut(&ReceiptStage) -> bool) -> ReceiptStage {
        let mut stage = self.0.subscribe();
        let found = stage.wait_for(is_it).await.map(|stage| *stage);
        // The sender is in this value, so there is no error.
        found.unwrap_or(ReceiptStage::Lost)
    }

    /// Waits until the node has begun. False where it will not.
    pub(super) async fn has_begun(&self) -> bool {
        let stage = self.wait(|stage| *stage != ReceiptStage::Waiting).await;
        matches!(stage, ReceiptStage::Begun | ReceiptStage::Placed)
    }

    /// Waits until nothing comes any more. Waits for ever where all goes well.
    pub(super) async fn has_failed(&self) {
        let is_failed =
            |stage: &ReceiptStage| matches!(stage, ReceiptStage::Failed | ReceiptStage::Lost);
        self.wait(is_failed).await;
    }
}
