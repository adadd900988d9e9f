//! The loop's work: runs with a memory, told to whoever looks.
//!
//! A manual run and a run of the loop are the same function, [`Session::run`], which
//! gives a run what earlier ones remembered and keeps what it learned. The loop adds
//! when that happens, what goes on between two runs, and who waits for the next one;
//! `http` is how they ask.

mod background;
mod collection;
mod end;
pub(crate) mod http;
mod instruction_watch;
mod lead;
mod leading;
mod metrics_file;
mod notifier;
mod orders_follower;
mod promotions;
mod queue;
mod run;
mod session;
mod site_reports;
mod source_watch;
mod teller;
mod vitals;
mod web_control;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Api, ControlError, ControlSocket};
pub(crate) use lead::{Lead, LeadError};
use leading::LeadWatch;
pub(crate) use metrics_file::{MetricsFile, MetricsFileError};
pub(crate) use notifier::Notifier;
use queue::RunQueue;
pub(crate) use run::{FinishedRun, RunError, RunObserver};
pub(crate) use session::Session;
use site_reports::FleetWatch;
use vitals::LoopVitals;
use web_control::WebControl;
use work::Controller;

use crate::app::StartError;
use crate::conclude::Status;
use crate::daemon::{self, Pulse, Waker, Work};
use crate::error::chain;
use crate::model::ListenAddress;
use crate::store::StateError;
use crate::web::WebError;

/// Why the controller cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControllerError {
    /// The configuration or what is made from it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The controller's own files.
    #[error(transparent)]
    State(#[from] StateError),
    /// The socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The status page.
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Loop(#[from] daemon::DaemonError),
    /// The file for metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsFileError),
}

/// How the controller is to run.
#[derive(Debug, Default)]
pub(crate) struct ControllerAsked {
    /// For one run only.
    pub once: bool,
    /// Closed windows do not count in that run, and who says so.
    pub windows_ignored_by: Option<String>,
    /// Where to listen for visitors, in the place of the configured address.
    pub listen: Option<ListenAddress>,
    /// Where the metrics go after each run.
    pub metrics_file: Option<PathBuf>,
}

/// Runs the loop until a signal asks for the end, or for one run.
///
/// # Errors
/// When it cannot begin. What goes wrong in a run is told by its end.
pub(crate) async fn run(
    config: Option<&Path>,
    orders: Option<&Path>,
    asked: ControllerAsked,
) -> Result<daemon::Ended, ControllerError> {
    let once = asked.once;
    let metrics = asked.metrics_file.map(MetricsFile::new).transpose()?;
    let (waker, pulse) = (Waker::default(), Pulse::from_env());
    let queue = RunQueue::new(waker.clone());
    let mut controller = Controller::start(config, orders, once, queue.clone(), &waker)?;
    controller.write_metrics_to(metrics);
    controller.ignore_windows(asked.windows_ignored_by);
    let (state, options) = (controller.state(), controller.options());
    let notifier = controller.notifier();
    if let (false, Err(error)) = (once, state.save_refused_config(None)) {
        tracing::warn!(
            reason = chain(&error),
            "cannot remove what became of a reload"
        );
    }
    let lead = match once {
        true => Lead::default(),
        false => controller.lead()?,
    };
    let api = Api {
        queue: queue.clone(),
        state: state.clone(),
        led: lead.sites().clone(),
    };
    let socket = match once {
        true => None,
        false => Some(ControlSocket::open(api).await?),
    };
    let web = match once {
        true => None,
        false => {
            let control = Arc::new(WebControl {
                queue: queue.clone(),
                instructions: controller.instructions()?,
            });
            let (tally, source) = controller.tallies();
            let vitals = LoopVitals {
                queue: queue.clone(),
                tally,
                asked: source,
                notifier: notifier.clone(),
                pulse: pulse.clone(),
            };
            let listen = asked.listen.as_ref();
            controller.open_web(listen, control, vitals).await?
        }
    };
    let watch = match once {
        true => None,
        false => controller.watch_lead(&lead, &waker),
    };
    let fleet = match once {
        true => None,
        false => controller.watch_fleet(&lead, &waker),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        orders = controller.orders_name(),
        "controller started"
    );
    if !once {
        notifier.start();
    }
    let ended = Box::pin(daemon::run(controller, options, waker, pulse)).await;
    queue.close();
    drop::<Option<FleetWatch>>(fleet);
    // Nothing is done on nodes any more: another controller may take over.
    lead.release().await;
    drop::<Option<LeadWatch>>(watch);
    if let (false, Err(error)) = (once, state.save_sites(BTreeMap::new())) {
        tracing::warn!(reason = chain(&error), "cannot remove who leads the sites");
    }
    if once {
        for why in notifier.deliver().await {
            tracing::warn!(reason = why, "a notification is kept for the next run");
        }
    }
    notifier.close().await;
    if let Some(socket) = socket {
        socket.close().await;
    }
    if let Some(web) = web {
        web.close().await;
    }
    let ended = ended?;
    // Nobody begins another run; the status says so.
    if let Some(status) = state.status().filter(|_| !once) {
        state.save_status(&Status {
            next_run: None,
            running: None,
            ..status
        })?;
    }
    tracing::info!("controller stopped");
    Ok(ended)
}
