//! What all routes share.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::config::WebConfig;
use super::hook_calls::HookCalls;
use super::last_text::LastText;
use super::session::Sessions;
use crate::conclude::Scope;
use crate::conclude::alerts::DeliveryNumbers;
use crate::facts::{RolloutChange, RolloutInstruction, SourceUse, UpstreamUse};
use crate::live::Live;
use crate::model::OrderId;
use crate::store::StateDir;

/// Event streams at once. Each holds a connection for as long as a page is open.
const STREAMS: usize = 256;

/// Pages that are made at once: each takes a thread, and a large fleet's some milliseconds.
const RENDERS: usize = 4;
/// Answers in memory at once. A page has 2 MB at most.
pub(super) const ANSWERS: usize = 32;

/// What a request can ask the controller for. Nothing of it waits for a run.
pub(crate) trait Control: Send + Sync {
    /// Starts a run as soon as none is going on, without back-off for what is named.
    fn reconcile(&self, scope: Scope);

    /// Starts a run with what the orders are now.
    fn look(&self);

    /// Changes what operators say of the rollouts of an order, and starts a run where that
    /// is something new.
    fn instruct(&self, order: OrderId, change: RolloutChange) -> Instructed<'_>;
}

/// What operators say of the rollouts of an order after a change, or why it could not be
/// changed.
pub(crate) type Instructed<'a> =
    Pin<Box<dyn Future<Output = Result<RolloutInstruction, String>> + Send + 'a>>;

/// What the loop tells of itself at any time.
pub(crate) trait Vitals: Send + Sync {
    /// # Errors
    /// When it has given no sign of life for too long, with how long.
    fn is_alive(&self) -> Result<(), Duration>;

    /// Requests that wait for a run.
    fn waiting(&self) -> usize;

    /// How much the upstreams were asked.
    fn upstream(&self) -> UpstreamUse;

    /// How the repository of the orders answered.
    fn source(&self) -> SourceUse;

    /// How well people are told, by the name of the provider.
    fn notifications(&self) -> BTreeMap<String, DeliveryNumbers>;
}

/// What a web server is made of.
pub(crate) struct WebParts {
    /// What is shown.
    pub live: Live,
    /// The controller's files.
    pub state: StateDir,
    /// How requests reach the controller.
    pub control: Arc<dyn Control>,
    /// What the loop tells of itself.
    pub vitals: Arc<dyn Vitals>,
    /// What it is told by the configuration.
    pub config: WebConfig,
}

/// What all routes share.
#[derive(Clone)]
pub(super) struct WebSite(Arc<SiteParts>);

struct SiteParts {
    live: Live,
    state: StateDir,
    control: Arc<dyn Control>,
    vitals: Arc<dyn Vitals>,
    metrics: tokio::sync::Mutex<LastText>,
    config: Mutex<Arc<WebConfig>>,
    sessions: Sessions,
    hook_calls: HookCalls,
    streams: Arc<Semaphore>,
    renders: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl fmt::Debug for WebSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSite")
    }
}

impl WebSite {
    pub(super) fn new(parts: WebParts) -> Self {
        Self(Arc::new(SiteParts {
            live: parts.live,
            state: parts.state,
            control: parts.control,
            vitals: parts.vitals,
            metrics: tokio::sync::Mutex::default(),
            config: Mutex::new(Arc::new(parts.config)),
            sessions: Sessions::default(),
            hook_calls: HookCalls::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            renders: Arc::new(Semaphore::new(RENDERS)),
            answers: Arc::new(Semaphore::new(ANSWERS)),
        }))
    }

    /// What the loop tells of itself.
    pub(super) fn vitals(&self) -> &dyn Vitals {
        &*self.0.vitals
    }

    /// The last text of the metrics.
    pub(super) fn metrics(&self) -> &tokio::sync::Mutex<LastText> {
        &self.0.metrics
    }

    /// What is shown.
    pub(super) fn live(&self) -> &Live {
        &self.0.live
    }

    /// The controller's files.
    pub(super) fn state(&self) -> &StateDir {
        &self.0.state
    }

    /// How requests reach the controller.
    pub(super) fn control(&self) -> &dyn Control {
        &*self.0.control
    }

    /// Who is logged in.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// How often hooks were called.
    pub(super) fn hook_calls(&self) -> &HookCalls {
        &self.0.hook_calls
    }

    /// Places for event streams.
    pub(super) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    /// Places for pages that are being made.
    pub(super) fn renders(&self) -> &Arc<Semaphore> {
        &self.0.renders
    }

    /// Places for answers that are in memory.
    pub(super) fn answers(&self) -> &Arc<Semaphore> {
        &self.0.answers
    }

    /// What the configuration says at the moment.
    pub(super) fn config(&self) -> Arc<WebConfig> {
        let config = self.0.config.lock();
        Arc::clone(&config.unwrap_or_else(PoisonError::into_inner))
    }

    /// The configuration was read anew. Sessions of tokens that are gone end.
    pub(super) fn reconfigure(&self, config: WebConfig) {
        let mut known = self.0.config.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.sessions.keep(&config);
        *known = Arc::new(config);
    }
}
