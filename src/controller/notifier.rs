//! Tells people: takes the end of each run into the ledger, and delivers what is due
//! beside the loop.
//!
//! Each provider has a task of its own and one message under way, so that one that is down
//! or stalls stops neither a run nor the others. What a provider was told is in the file
//! alone: a task asks it what is due, sends that, and records it.

#![expect(
    clippy::disallowed_methods,
    reason = "waits until something is due, and measures by the clock"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::conclude::Status;
use crate::conclude::alerts::{self, AlertLedger, DeliveryNumbers, DueMessage, RunView};
use crate::error::chain;
use crate::model::Network;
use crate::notifications::{Mailbox, Outbox};
use crate::plan::Notice;
use crate::store::StateDir;

/// How long a single run waits for what it has to tell, at the most.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of the controller waits for a message that is under way.
const LAST_WORD: Duration = Duration::from_secs(3);

/// How often a task looks at the file by itself: a run beside the controller tells nobody
/// that it wrote there.
const LOOK: Duration = Duration::from_secs(60);

/// How long to wait before the next try, where the ledger cannot be written.
const TROUBLE: Duration = Duration::from_secs(30);

/// Tells of runs; does nothing where nobody is to be told.
#[derive(Clone)]
pub(crate) struct Notifier {
    state: StateDir,
    current: Arc<Mutex<Option<Telling>>>,
}

/// With one configuration.
struct Telling {
    post: Arc<Post>,
    network: Network,
    /// Rises when the ledger has changed.
    changed: watch::Sender<u64>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// What messages are made from and sent with.
struct Post {
    outbox: Outbox,
    state: StateDir,
    /// As the ledger was when it was last read.
    numbers: Mutex<BTreeMap<String, DeliveryNumbers>>,
}

impl Post {
    /// Reads what was told.
    fn ledger(&self) -> AlertLedger {
        let ledger = self.state.alerts();
        let names = self.outbox.mailboxes.iter().map(Mailbox::name);
        *lock(&self.numbers) = ledger.numbers(names);
        ledger
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Notifier {
    /// One that keeps what is due until [`start`](Self::start) or
    /// [`deliver`](Self::deliver).
    pub(crate) fn new(app: &App) -> Self {
        Self {
            state: app.state(),
            current: Arc::new(Mutex::new(telling(app))),
        }
    }

    /// Delivers what is due from now on, in the background.
    pub(super) fn start(&self) {
        if let Some(telling) = &mut *lock(&self.current) {
            telling.task = Some(tokio::spawn(keep_telling(
                Arc::clone(&telling.post),
                telling.changed.subscribe(),
                telling.stop.clone(),
            )));
        }
    }

    /// Goes on with another configuration. A message under way comes to its end.
    pub(super) fn renew(&self, app: &App) {
        let old = std::mem::replace(&mut *lock(&self.current), telling(app));
        if let Some(old) = old {
            old.stop.cancel();
        }
        self.start();
    }

    /// Takes in that what a run did cannot be saved; `status` says why. Where nothing can
    /// be written at all, that is only logged.
    pub(crate) async fn run_unsaved(&self, status: &Status) {
        self.take_in(status, None, true, true).await;
    }

    /// Takes in how a run left things; `notices` are those of its plan, if there was one.
    pub(crate) async fn run_ended(
        &self,
        status: &Status,
        notices: Option<&[Notice]>,
        is_partial: bool,
    ) {
        self.take_in(status, notices, is_partial, false).await;
    }

    async fn take_in(
        &self,
        status: &Status,
        notices: Option<&[Notice]>,
        is_partial: bool,
        is_unsaved: bool,
    ) {
        let Some((post, network)) = self.parts() else {
            return;
        };
        let scan = alerts::scan(&RunView {
            status,
            notices,
            is_unsaved,
            is_partial,
            network: &network,
        });
        let now = Timestamp::now();
        let record = |ledger| alerts::record(&ledger, &scan, &post.outbox.routes, now);
        if let Err(error) = self.state.change_alerts(record).await {
            tracing::warn!(reason = chain(&error), "cannot record what is to be told");
        }
        if let Some(telling) = &*lock(&self.current) {
            telling.changed.send_modify(|count| *count += 1);
        }
    }

    /// Delivers what is due now, for a single run that ends afterwards, and returns why what
    /// was not delivered was not; that is kept for the next run.
    pub(crate) async fn deliver(&self) -> Vec<String> {
        let Some((post, _)) = self.parts() else {
            return Vec::new();
        };
        // A controller that is running sees what was recorded.
        let Ok(_lock) = self.state.sender_lock(Duration::from_secs(1)).await else {
            return Vec::new();
        };
        let sending = post.outbox.mailboxes.iter().map(|mailbox| async {
            let all = async {
                loop {
                    match step(mailbox, &post).await {
                        TellStep::Sent => {}
                        TellStep::Failed(why) => return Some(why),
                        TellStep::Wait(_) => return self.pending(mailbox.name()),
                    }
                }
            };
            let why = match tokio::time::timeout(PATIENCE, all).await {
                Ok(why) => why,
                Err(_) => Some(format!("not within {}s", PATIENCE.as_secs())),
            };
            why.map(|why| format!("{}: {why}", mailbox.name()))
        });
        join_all(sending).await.into_iter().flatten().collect()
    }

    /// Why something is still not delivered that an earlier run could not deliver.
    fn pending(&self, provider: &str) -> Option<String> {
        let ledger = self.state.alerts();
        let known = ledger.providers.get(provider)?;
        let at = known.retry_at.filter(|_| known.waiting() > 0)?;
        let error = known.error.as_deref().unwrap_or("it failed before");
        Some(format!("{error}; not tried again before {at:.0}"))
    }

    /// Ends the background; what is not delivered by then stays in the ledger.
    pub(super) async fn close(&self) {
        let telling = lock(&self.current).take();
        let Some(Telling {
            stop,
            task: Some(mut task),
            ..
        }) = telling
        else {
            return;
        };
        stop.cancel();
        if tokio::time::timeout(LAST_WORD, &mut task).await.is_err() {
            task.abort();
        }
    }

    /// How well each provider is told.
    pub(crate) fn numbers(&self) -> BTreeMap<String, DeliveryNumbers> {
        let current = lock(&self.current);
        let numbers = current
            .as_ref()
            .map(|telling| lock(&telling.post.numbers).clone());
        numbers.unwrap_or_default()
    }

    fn parts(&self) -> Option<(Arc<Post>, Network)> {
        let current = lock(&self.current);
        let telling = current.as_ref()?;
        Some((Arc::clone(&telling.post), telling.network.clone()))
    }
}

fn telling(app: &App) -> Option<Telling> {
    let post = Post {
        outbox: app.outbox()?,
        state: app.state(),
        numbers: Mutex::default(),
    };
    // There are numbers from the beginning.
    post.ledger();
    Some(Telling {
        post: Arc::new(post),
        network: app.settings().network.clone(),
        changed: watch::channel(0).0,
        stop: CancellationToken::new(),
        task: None,
    })
}

/// Delivers until it is stopped.
async fn keep_telling(post: Arc<Post>, changed: watch::Receiver<u64>, stop: CancellationToken) {
    // Another process may be sending: a single run, or a controller that ends.
    let _lock = loop {
        let lock = post.state.sender_lock(LOOK);
        let lock = tokio::select! {
            lock = lock => lock,
            () = stop.cancelled() => return,
        };
        match lock {
            Ok(lock) => break lock,
            Err(error) => tracing::debug!(reason = chain(&error), "waiting to send messages"),
        }
        tokio::select! {
            () = tokio::time::sleep(TROUBLE) => {}
            () = stop.cancelled() => return,
        }
    };
    let mailboxes = post.outbox.mailboxes.iter();
    let telling = mailboxes.map(|mailbox| tell(mailbox, &post, changed.clone(), &stop));
    join_all(telling).await;
}

async fn tell(
    mailbox: &Mailbox,
    post: &Post,
    mut changed: watch::Receiver<u64>,
    stop: &CancellationToken,
) {
    while !stop.is_cancelled() {
        changed.mark_unchanged();
        let wait = match step(mailbox, post).await {
            TellStep::Sent => continue,
            // The ledger says when to try again, unless it could not be written.
            TellStep::Failed(_) => Duration::from_secs(1),
            TellStep::Wait(wait) => wait.min(LOOK),
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = changed.changed() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What came of a look at the ledger.
enum TellStep {
    /// A message was delivered; there may be another.
    Sent,
    /// One was not.
    Failed(String),
    /// Nothing is due before that.
    Wait(Duration),
}

/// Sends what is due to a provider, and records what came of it.
async fn step(mailbox: &Mailbox, post: &Post) -> TellStep {
    let Post { outbox, state, .. } = post;
    let (name, now) = (mailbox.name(), Timestamp::now());
    let due = alerts::due(&post.ledger(), name, &outbox.routes, &outbox.sender, now);
    let message = match due {
        DueMessage::Now(message) => message,
        DueMessage::At(at) => {
            let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
            return TellStep::Wait(wait.max(Duration::from_millis(100)));
        }
        DueMessage::Never => return TellStep::Wait(LOOK),
    };
    let events = message.events.len();
    let sent = mailbox.send(&message).await;
    let now = Timestamp::now();
    let recorded = match &sent {
        Ok(receipt) => {
            let answer = receipt.answer.as_str();
            tracing::info!(provider = name, events, answer, "notification delivered");
            let record = |ledger| alerts::delivered(ledger, name, &message, now);
            state.change_alerts(record).await
        }
        Err(error) => {
            let reason = chain(error);
            tracing::warn!(provider = name, reason, "cannot deliver a notification");
            let wish = error.retry_after();
            let record = |ledger| alerts::refused(ledger, name, &reason, wish, now);
            state.change_alerts(record).await
        }
    };
    if let Err(error) = recorded {
        // What cannot be recorded would be sent again and again.
        tracing::warn!(reason = chain(&error), "cannot record what was told");
        tokio::time::sleep(TROUBLE).await;
    }
    match sent {
        Ok(_) => TellStep::Sent,
        Err(error) => TellStep::Failed(chain(&error)),
    }
}
