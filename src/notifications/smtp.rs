//! Mail over SMTP.

use std::error::Error as _;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;

use super::error::{Receipt, SendError};
use super::escape::{plain, short};
use super::forms::mail;
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

/// `Ada <ada@example.org>`, or an address alone.
fn person(text: &str) -> Result<Mailbox, SendError> {
    let (name, address) = mail_parts(text);
    let address: Address = address.parse().map_err(|error| SendError::Form {
        why: format!("{text:?}: {error}"),
    })?;
    Ok(Mailbox::new(
        (!name.is_empty()).then(|| name.to_owned()),
        address,
    ))
}

/// The mail: plain text, and the same as HTML.
fn written(target: &MailTarget, message: &AlertMessage) -> Result<Message, SendError> {
    let from = person(&target.from)?;
    // A second attempt is seen as the same mail.
    let id = format!("<{}@{}>", message.id, from.email.domain());
    let mut builder = Message::builder()
        .from(from)
        .subject(mail::subject(message))
        .date(message.at.into())
        .message_id(Some(id))
        .user_agent(concat!("talos-order/", env!("CARGO_PKG_VERSION")).to_owned())
        // Nobody's absence answers it (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for to in &target.to {
        builder = builder.to(person(to)?);
    }
    let body = MultiPart::alternative_plain_html(mail::plain(message), mail::html(message));
    builder
        .multipart(body)
        .map_err(|error| SendError::Form { why: chain(&error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclude::alerts::Sender;

    fn mail(from: &str, order: &str) -> String {
        let sender = Sender {
            controller: "homelab".to_owned(),
            revision: None,
            page: None,
        };
        let mut message = AlertMessage::sample(sender, jiff::Timestamp::UNIX_EPOCH);
        message.events[0].alert.orders = [order.to_owned()].into();
        let target = MailTarget {
            host: "localhost".to_owned(),
            port: 25,
            tls: MailTls::None,
            login: None,
            from: from.to_owned(),
            to: vec![
                "Größe <b@example.org>".to_owned(),
                "c@example.org".to_owned(),
            ],
        };
        let bytes = written(&target, &message).unwrap().formatted();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn headers_have_no_line_and_no_address_of_others() {
        let mail = mail(
            "a\" <x@y.z>, \"b <a@example.org>",
            &format!("{}\r\nBcc: all@example.org =?utf-8?Q?x?=", "ä".repeat(30)),
        );
        let (headers, _) = mail.split_once("\r\n\r\n").unwrap();
        assert!(mail.is_ascii(), "{mail}");
        for line in headers.lines() {
            assert!(line.len() <= 78 && !line.starts_with("Bcc"), "{headers}");
        }
        assert!(!headers.contains("=?utf-8?Q?x?="), "{headers}");
        assert!(!headers.contains("<x@y.z>,"), "{headers}");
    }
}
