//! Why an upstream did not do what was asked.

use std::path::PathBuf;
use std::time::Duration;

/// Why an upstream did not do what was asked.
///
/// URLs in here are fit to be shown: without users, passwords and queries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// No HTTP client could be made.
    #[error("cannot set up HTTPS")]
    Setup {
        #[source]
        source: reqwest::Error,
    },
    /// The configured certificates are of no use.
    #[error("the certificates in {} cannot be used", .path.display())]
    CaFile {
        path: PathBuf,
        #[source]
        source: reqwest::Error,
    },
    /// A URL that cannot be asked.
    #[error("{url:?} is not a URL of an upstream; expected an http or https URL")]
    Url { url: String },
    /// Credentials that do not fit into a header.
    #[error("the credentials for {url} contain characters that HTTP does not allow in a header")]
    Credentials {
        /// Whom they are for.
        url: String,
    },
    /// The connection failed or broke.
    #[error("{doing} {url} failed")]
    Transport {
        /// `asking` or `reading from`.
        doing: &'static str,
        url: String,
        /// True if there was no connection at all.
        connect: bool,
        #[source]
        source: reqwest::Error,
    },
    /// A name is unknown: of the host, or of a proxy before it.
    #[error("{doing} {url} failed: DNS: {why}")]
    Unresolved {
        doing: &'static str,
        url: String,
        /// What the resolver says.
        why: String,
    },
    /// Nothing came for too long.
    #[error("{url} sent nothing for {} s ({waiting_for})", .after.as_secs_f32())]
    Timeout {
        url: String,
        waiting_for: &'static str,
        after: Duration,
    },
    /// A small answer that did not come to its end in time.
    #[error("{url} sent {got} bytes in {} s and did not finish", .after.as_secs_f32())]
    Late {
        url: String,
        /// Bytes that came.
        got: u64,
        /// How long the whole answer may take.
        after: Duration,
    },
    /// A transfer below the least rate.
    #[error(
        "{url} sent {got} bytes in {} s, less than the {least} bytes per second of `limits.least_rate`",
        .window.as_secs_f32()
    )]
    Slow {
        url: String,
        /// Bytes that came within the window.
        got: u64,
        /// How long they were waited for.
        window: Duration,
        /// The least rate, in bytes per second.
        least: u64,
    },
    /// What the configuration demands is not offered.
    #[error("{url} is not available, but `factory.verify` requires it")]
    NotOffered { url: String },
    /// A signature that does not hold.
    #[error("the signature {url} {reason}")]
    Signature {
        /// Where it is from.
        url: String,
        reason: String,
    },
    #[error("{method} {url} was answered with {}", answer(*.status, .text.as_deref()))]
    Status {
        method: &'static str,
        url: String,
        status: u16,
        /// The text of the answer, made fit to be shown.
        text: Option<String>,
        /// When to ask again at the earliest, counted from the answer.
        retry_after: Option<Duration>,
    },
    /// GitHub's rate limit.
    #[error("the rate limit of {url} is used up{}", reset(*.retry_after))]
    RateLimited {
        url: String,
        /// When it is reset, counted from the answer.
        retry_after: Option<Duration>,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects {reason}")]
    Redirect {
        /// Who redirects.
        url: String,
        /// Where to, and why this is not followed.
        reason: String,
    },
    /// The body ended too early.
    #[error("{url} sent {got} of {total} bytes")]
    Short {
        url: String,
        /// Bytes that are there.
        got: u64,
        /// Bytes that there should be.
        total: u64,
    },
    /// An answer that is not what it should be.
    #[error("{url} answered with {reason}")]
    Answer {
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A web page instead of the requested file.
    #[error("{url} answered with a web page ({content_type}) instead of the requested file")]
    Page {
        url: String,
        /// What the answer says it is.
        content_type: String,
    },
    /// The sink did not take the bytes.
    #[error("the answer of {url} could not be stored")]
    Sink {
        /// Where the bytes came from.
        url: String,
        #[source]
        source: std::io::Error,
    },
    /// The same failure, again and again.
    #[error("gave up after {retries} {}", if *.retries == 1 { "retry" } else { "retries" })]
    GaveUp {
        /// How many times it was tried again.
        retries: u32,
        /// The last failure.
        #[source]
        source: Box<UpstreamError>,
    },
}

impl UpstreamError {
    /// True if the same request may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. }
            | Self::Unresolved { .. }
            | Self::Timeout { .. }
            | Self::RateLimited { .. }
            | Self::Late { .. }
            | Self::Slow { .. }
            | Self::Short { .. } => true,
            Self::Status { status, .. } => {
                matches!(status, 408 | 425 | 429)
                    || (*status >= 500 && !matches!(status, 501 | 505))
            }
            Self::GaveUp { source, .. } => source.is_transient(),
            Self::Setup { .. }
            | Self::CaFile { .. }
            | Self::NotOffered { .. }
            | Self::Signature { .. }
            | Self::Url { .. }
            | Self::Credentials { .. }
            | Self::Redirect { .. }
            | Self::Answer { .. }
            | Self::Page { .. }
            | Self::Sink { .. } => false,
        }
    }

    /// True if a limit on the number of requests is used up.
    pub fn is_rate_limit(&self) -> bool {
        match self {
            Self::RateLimited { .. } => true,
            Self::GaveUp { source, .. } => source.is_rate_limit(),
            _ => false,
        }
    }

    /// How long to wait before the next request, where the server says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::RateLimited { retry_after, .. } => {
                *retry_after
            }
            Self::GaveUp { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Setup { .. } => Some(
                "no CA certificates found on this machine; install the package \
                 ca-certificates, or name a bundle in the environment variable SSL_CERT_FILE",
            ),
            Self::CaFile { .. } => Some(
                "`factory.ca_file` holds certificates in PEM form; \
                 `openssl x509 -in FILE -noout -text` shows what is in it",
            ),
            Self::Transport { .. } if self.says("invalid peer certificate") => Some(
                "the certificate of a private CA is trusted where `factory.ca_file`, or \
                 SSL_CERT_FILE or SSL_CERT_DIR in the environment, names the CA's own \
                 certificate; a proxy that opens TLS needs the same",
            ),
            Self::Transport { .. } if self.says("InvalidContentType") => Some(
                "the server does not speak TLS there; check whether `factory.url` is \
                 http or https, and its port",
            ),
            Self::Transport { connect: true, .. } | Self::Unresolved { .. } => Some(
                "check `factory.url`, the network, and the proxy variables of the environment: \
                 HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
            ),
            Self::NotOffered { .. } => Some(
                "only Enterprise factories offer checksums and signatures; `factory.verify: \
                 offered` checks what is available",
            ),
            Self::Signature { .. } => Some(
                "compare `factory.public_key_file` with the factory's own key at \
                 /oci/cosign/signing-key.pub, downloaded over a trusted channel",
            ),
            Self::Slow { .. } => {
                Some("on a slow link, lower `limits.least_rate` or set it to none")
            }
            Self::Status {
                text: Some(text), ..
            } if text == PAGE => Some(PAGE_HINT),
            Self::Status { status: 401, .. } => {
                Some("the factory requires credentials; see `factory` in the configuration")
            }
            Self::Status { status: 402, .. } => Some("only an Enterprise factory offers this"),
            Self::Status { status: 403, .. } => {
                Some("the schematic may belong to someone else; check the credentials of `factory`")
            }
            Self::Status { status: 407, .. } => Some("the proxy requires credentials"),
            Self::RateLimited { .. } => {
                Some("a token raises GitHub's limit; see `github.token_env` in the configuration")
            }
            Self::Redirect { .. } => Some(
                "check `factory.url`: https or http, host and path; a proxy or a network with \
                 a sign-in page redirects, too",
            ),
            Self::Page { .. } => Some(PAGE_HINT),
            Self::GaveUp { source, .. } => source.hint(),
            _ => None,
        }
    }

    /// True if one of the causes says this: the TLS library's errors have no type that
    /// would be ours to ask.
    fn says(&self, what: &str) -> bool {
        self.one_line().contains(what)
    }

    /// The message with those of its causes, for places that keep one line.
    pub fn one_line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

/// What to do where a page answers.
/// What is shown of a web page with an error status: its text is of use to a browser.
pub(super) const PAGE: &str = "a web page";

const PAGE_HINT: &str = "a proxy or a sign-in page may answer instead of the factory; check \
    HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment, and `factory.url`";

/// What the resolver says, where a name is unknown. The library wraps that in four more
/// messages, which a plan and a status would repeat for each order. It has no type to ask.
pub(super) fn unresolved(error: &reqwest::Error) -> Option<String> {
    let mut causes: Vec<&dyn std::error::Error> = vec![error];
    while let Some(cause) = causes.last().and_then(|last| last.source()) {
        causes.push(cause);
    }
    causes
        .iter()
        .find(|cause| cause.to_string() == "dns error")?;
    let why = causes.last()?.to_string();
    let prefix = "failed to lookup address information: ";
    Some(why.strip_prefix(prefix).unwrap_or(&why).to_owned())
}

fn answer(status: u16, text: Option<&str>) -> String {
    match text {
        Some(text) => format!("{status}: {text}"),
        None => {
            let reason = reqwest::StatusCode::from_u16(status)
                .ok()
                .and_then(|status| status.canonical_reason());
            reason.map_or_else(
                || status.to_string(),
                |reason| format!("{status} ({reason})"),
            )
        }
    }
}

fn reset(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| {
        format!("; it is reset in {} min", after.as_secs().div_ceil(60))
    })
}
