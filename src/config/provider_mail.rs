//! A provider that sends mail.

use url::Host;

use super::notifications_shape::TLS_WORDS;
use super::provider_form::{ProviderForm, unknown};
use crate::model::{MailTarget, MailTls, mail_parts};
use crate::yaml::At;

impl ProviderForm<'_, '_, '_> {
    pub(super) fn mail(&mut self) -> Option<MailTarget> {
        let shape = self.shape;
        let host = self.text(&shape.host, "host", "the name of the mail server");
        let tls = match &shape.tls {
            None => MailTls::StartTls,
            Some(at) => match at.value.as_str() {
                "starttls" => MailTls::StartTls,
                "implicit" => MailTls::Implicit,
                "none" => {
                    if !host.as_deref().is_some_and(is_this_machine) {
                        self.report.at_with_hint(
                            at.place,
                            "`tls: none` is for a mail server on this machine",
                            "set `host: localhost`, or use starttls or implicit",
                        );
                    }
                    MailTls::None
                }
                _ => {
                    unknown("kind of encryption", at, TLS_WORDS, self.report);
                    MailTls::StartTls
                }
            },
        };
        let from = self.text(&shape.from, "from", "the address that mails are from");
        let from = from.filter(|_| self.is_address(shape.from.as_ref()));
        let to: Vec<&At<String>> = shape.to.iter().flatten().collect();
        if to.is_empty() {
            self.report
                .missing(self.place, "to", "the addresses that mails go to");
        }
        let mut recipients = Vec::new();
        for at in to {
            if self.is_address(Some(at)) {
                recipients.push(at.value.clone());
            }
        }
        let login = self.login();
        Some(MailTarget {
            host: host?,
            port: shape.port.as_ref().map_or(
                match tls {
                    MailTls::StartTls => 587,
                    MailTls::Implicit => 465,
                    MailTls::None => 25,
                },
                |at| at.value,
            ),
            tls,
            login,
            from: from?,
            to: recipients,
        })
    }

    /// True for `ada@example.org` and `Ada <ada@example.org>`.
    fn is_address(&mut self, text: Option<&At<String>>) -> bool {
        let Some(at) = text else { return false };
        if !self.report.fits_a_line(at) {
            return false;
        }
        let fits = mail_parts(&at.value).1.parse::<lettre::Address>().is_ok();
        if !fits {
            let message = format!("{:?} is not a mail address", at.value);
            let hint = "an address such as ops@example.org or Ops <ops@example.org>";
            self.report.at_with_hint(at.place, message, hint);
        }
        fits
    }
}

fn is_this_machine(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback()),
    }
}
