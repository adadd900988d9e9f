//! Which certificate authorities are trusted: those of the system, and configured ones.
//!
//! The system's are those of the operating system's store, or of the file and the
//! directory that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. Configured ones are added
//! to them; they replace nothing, so that a private factory and GitHub can both
//! be asked.

use reqwest::Certificate;

use super::UpstreamError;
use super::config::CaFile;

/// The certificates in a file; none where no file is configured.
pub(super) fn certificates(file: Option<&CaFile>) -> Result<Vec<Certificate>, UpstreamError> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    Certificate::from_pem_bundle(&file.pem).map_err(|source| blamed(Some(file), source))
}

/// Why no client could be made. The system's own certificates are read leniently, so
/// where a file is configured, it is the file.
pub(super) fn blamed(file: Option<&CaFile>, source: reqwest::Error) -> UpstreamError {
    match file {
        Some(file) => UpstreamError::CaFile {
            path: file.path.clone(),
            source,
        },
        None => UpstreamError::Setup { source },
    }
}
