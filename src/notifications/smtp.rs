//! Mail over SMTP.

use std::error::Error as _;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;

use super::error::{Receipt, SendError};
use super::escape::{plain, short};
use super::forms::mime::{self, Person};
use crate::conclude::alerts::AlertMessage;
use crate::error::chain;
use crate::model::{MailTarget, MailTls, Provider, mail_parts};

/// Bytes of what a server says that are shown.
const SHOWN: usize = 200;

/// Sends a message, and says what the server answered to it.
pub(super) async fn send(
    provider: &Provider,
    target: &MailTarget,
    message: &AlertMessage,
) -> Result<Receipt, SendError> {
    let to = format!("{}:{}", target.host, target.port);
    let (envelope, mail) = written(target, message)?;
    let transport = transport(provider, target)?;
    let after = provider.timeout;
    let sent = tokio::time::timeout(after, transport.send_raw(&envelope, &mail)).await;
    match sent {
        Err(_) => Err(SendError::Timeout { to, after }),
        Ok(Ok(response)) => Ok(Receipt {
            answer: line(&format!(
                "{} {}",
                response.code(),
                response.message().collect::<Vec<_>>().join(" ")
            )),
        }),
        Ok(Err(error)) => Err(failed(to, &error)),
    }
}

fn failed(to: String, error: &lettre::transport::smtp::Error) -> SendError {
    let why = match error.source() {
        Some(cause) => line(&chain(cause)),
        None => line(&error.to_string()),
    };
    match error.status() {
        Some(code) => SendError::Refused {
            to,
            answer: format!("{code} {why}"),
            retry_after: None,
            hint: match u16::from(code) {
                530 | 534 | 535 => Some("check the user name and the password"),
                550..=553 => Some("check the sender and the recipients"),
                _ => None,
            },
        },
        None if error.is_client() => SendError::Refused {
            to,
            answer: why,
            retry_after: None,
            hint: Some("check `tls`: the server does not offer what is asked for"),
        },
        None if error.is_timeout() || error.is_response() => SendError::Transport { to, why },
        None => SendError::Connect { to, why },
    }
}

fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    short(&plain(&words.join(" ")), SHOWN).into_owned()
}

fn transport(
    provider: &Provider,
    target: &MailTarget,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
    let setup = |why: String| SendError::Setup { why };
    let tls = match target.tls {
        MailTls::None => Tls::None,
        MailTls::StartTls | MailTls::Implicit => {
            let mut builder = TlsParameters::builder(target.host.clone());
            if let Some((path, pem)) = &provider.ca {
                let failed = |error: lettre::transport::smtp::Error| {
                    setup(format!("{}: {}", path.display(), chain(&error)))
                };
                builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(failed)?);
            }
            let parameters = builder.build().map_err(|error| setup(chain(&error)))?;
            match target.tls {
                MailTls::Implicit => Tls::Wrapper(parameters),
                _ => Tls::Required(parameters),
            }
        }
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&target.host)
        .port(target.port)
        .tls(tls)
        .timeout(Some(provider.timeout))
        .hello_name(hello());
    if let Some((user, password)) = &target.login {
        let password = password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// The name of this machine, for the greeting; only a full one is a domain.
fn hello() -> ClientId {
    let uname = rustix::system::uname();
    match uname.nodename().to_str() {
        Ok(name) if name.contains('.') => ClientId::Domain(name.to_owned()),
        _ => ClientId::Domain("localhost.localdomain".to_owned()),
    }
}

/// The name and the address of `Ada <ada@example.org>`.
fn parts(text: &str) -> Result<(Person, Address), SendError> {
    let (name, address) = mail_parts(text);
    let parsed = address
        .parse::<Address>()
        .map_err(|error| SendError::Form {
            why: format!("{text:?}: {error}"),
        })?;
    Ok(((name.to_owned(), parsed.to_string()), parsed))
}

/// The mail, and who the server is told that it is from and to.
fn written(target: &MailTarget, message: &AlertMessage) -> Result<(Envelope, Vec<u8>), SendError> {
    let (from, sender) = parts(&target.from)?;
    let to: Result<Vec<_>, SendError> = target.to.iter().map(|to| parts(to)).collect();
    let (to, recipients): (Vec<Person>, Vec<Address>) = to?.into_iter().unzip();
    let envelope = Envelope::new(Some(sender), recipients)
        .map_err(|error| SendError::Form { why: chain(&error) })?;
    Ok((envelope, mime::bytes(message, &from, &to)))
}
