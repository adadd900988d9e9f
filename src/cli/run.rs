//! `run`: the controller, in the foreground. A service manager looks after it.

use super::args::Common;
use super::control;
use super::control_args::ControllerArgs;
use super::exit::Exit;
use crate::controller::{self, ControllerAsked};
use crate::daemon::Ended;

/// Runs until a signal asks for the end, or for one run.
pub(super) async fn run(common: &Common, args: &ControllerArgs) -> anyhow::Result<Exit> {
    let (config, orders) = (common.config.as_deref(), common.orders.as_deref());
    let asked = ControllerAsked {
        once: args.once,
        windows_ignored_by: args.ignore_windows.then(control::user),
        listen: args.listen.clone(),
        metrics_file: args.metrics.metrics_file.clone(),
    };
    let ended = match Box::pin(controller::run(config, orders, asked)).await {
        Ok(ended) => ended,
        // The causes that have exit codes of their own are distinguished above.
        Err(controller::ControllerError::Start(error)) => return Err(error.into()),
        Err(controller::ControllerError::State(error)) => return Err(error.into()),
        Err(controller::ControllerError::Control(error)) => return Err(error.into()),
        Err(controller::ControllerError::Metrics(error)) => return Err(error.into()),
        Err(controller::ControllerError::Web(error)) => return Err(error.into()),
        Err(error @ controller::ControllerError::Loop(_)) => return Err(error.into()),
    };
    Ok(match ended {
        Ended::Once(end) if !end.converged => Exit::Failed,
        Ended::Once(_) | Ended::Stopped(_) => Exit::Done,
    })
}
