//! The permission for requests that change something, asked where their bytes leave.
//!
//! A request waits for its connection, and a process that waits may be stopped for as long as
//! anybody likes. So the permission is asked when the connection has been made, right before
//! the request goes over it, and where a request has a body, once more with its bytes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder};

use super::error::causes;

tokio::task_local! {
    /// That of the request which is being sent. The client makes connections without saying
    /// for which request, and begins that within the task that sends it.
    static PERMIT: Arc<dyn ChangePermit>;
}

/// Whether a request that changes something may be sent now.
pub trait ChangePermit: fmt::Debug + Send + Sync {
    /// Asked before each one, and again right before its bytes leave. After it was false
    /// once, it may be true again.
    fn may_change(&self) -> bool;
}

/// What the client fails with where a request may not be sent any more.
#[derive(Debug, thiserror::Error)]
#[error("the permission has ended")]
pub(super) struct PermitEnded;

/// Any error of a connector.
type ConnectorError = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request, for which [`connecting`] asks the permission.
pub(super) async fn sending<T>(
    permit: Option<&Arc<dyn ChangePermit>>,
    sent: impl Future<Output = T>,
) -> T {
    match permit {
        Some(permit) => PERMIT.scope(Arc::clone(permit), sent).await,
        None => sent.await,
    }
}

/// Makes a connection, which the request gets only if it may still be sent.
pub(super) fn connecting<T>(
    made: impl Future<Output = Result<T, ConnectorError>>,
) -> impl Future<Output = Result<T, ConnectorError>> {
    // The connection may be completed in another task, for later requests.
    let permit = PERMIT.try_with(Arc::clone).ok();
    async move {
        let connection = made.await?;
        match permit.is_none_or(|permit| permit.may_change()) {
            true => Ok(connection),
            false => Err(PermitEnded.into()),
        }
    }
}

/// Adds a body. The client asks for it after it has prepared the head, and writes both at
/// once.
pub(super) fn with_body(
    request: RequestBuilder,
    permit: Option<&Arc<dyn ChangePermit>>,
    body: String,
) -> RequestBuilder {
    let Some(permit) = permit.map(Arc::clone) else {
        return request.body(body);
    };
    let length = body.len();
    let asked = async move {
        match permit.may_change() {
            true => Ok(Bytes::from(body)),
            false => Err(PermitEnded),
        }
    };
    // Of a body that is made as it is sent, the length is not known.
    let request = request.header(CONTENT_LENGTH, length);
    request.body(Body::wrap_stream(stream::once(asked)))
}

/// True where that is why a request failed.
pub(super) fn has_ended(error: &reqwest::Error) -> bool {
    causes(error).any(<dyn std::error::Error>::is::<PermitEnded>)
}
