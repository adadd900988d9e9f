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
    /// Nothing comes any more, and the file is not there.
    Failed,
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

    /// Waits until the node has begun. False where it will not.
    pub(super) async fn has_begun(&self) -> bool {
        let mut stage = self.0.subscribe();
        // The sender is in this value.
        let stage = stage
            .wait_for(|stage| *stage != ReceiptStage::Waiting)
            .await;
        stage.is_ok_and(|stage| *stage == ReceiptStage::Begun)
    }

    /// Waits until nothing comes any more. Waits for ever where all goes well.
    pub(super) async fn has_failed(&self) {
        let mut stage = self.0.subscribe();
        if stage
            .wait_for(|stage| *stage == ReceiptStage::Failed)
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }
}
