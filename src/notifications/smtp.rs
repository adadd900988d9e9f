//! Mail over SMTP.

use std::error::Error as _;
use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::ExposeSecret as _;

use super::error::{Receipt, SendError};
use super::escape::{plain, short};
use super::forms::mail;
use crate::conclude::alerts::AlertMessage;
use crate::error::chain;
use crate::model::{MailTarget, MailTls, Provider};

/// Bytes of what a server says that are shown.
const SHOWN: usize = 200;

/// Sends a message, and says what the server answered to it.
pub(super) async fn send(
    provider: &Provider,
    target: &MailTarget,
    message: &AlertMessage,
) -> Result<Receipt, SendError> {
    let to = format!("{}:{}", target.host, target.port);
    let mail = written(target, message)?;
    let transport = transport(provider, target)?;
    let after = provider.timeout;
    let sent = tokio::time::timeout(after, transport.send(mail)).await;
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

/// The mail. Its id is that of the message, so a second attempt is seen as the same mail.
fn written(target: &MailTarget, message: &AlertMessage) -> Result<Message, SendError> {
    let address = |text: &str| {
        text.parse::<Address>().map_err(|error| SendError::Form {
            why: format!("{text:?}: {error}"),
        })
    };
    let from = address(&target.from)?;
    let domain = from.email.domain().to_owned();
    let mut builder = Message::builder()
        .from(from)
        .subject(mail::subject(message))
        .date(SystemTime::from(message.at))
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        .user_agent(concat!("talos-order/", env!("CARGO_PKG_VERSION")).to_owned());
    for to in &target.to {
        builder = builder.to(address(to)?);
    }
    // Nobody's absence answers it.
    let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
    let builder = builder.raw_header(HeaderValue::new(auto, "auto-generated".to_owned()));
    let part = |kind: ContentType, text: String| SinglePart::builder().header(kind).body(text);
    builder
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, mail::plain(message)))
                .singlepart(part(ContentType::TEXT_HTML, mail::html(message))),
        )
        .map_err(|error| SendError::Form { why: chain(&error) })
}
