//! Plain HTTP, for what the client never sends.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::lab::{Lab, SECRET, TOKEN};

#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub reason: String,
    pub body: String,
}

impl Raw {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }
}

impl Lab {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let client = Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.stub.url("pve-01"));
        client
            .request(method, url)
            .header("Authorization", format!("PVEAPIToken={TOKEN}={SECRET}"))
    }

    pub async fn get(&self, path: &str) -> Raw {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Raw {
        let request = self.request(Method::POST, path).body(form.to_owned());
        let kind = "application/x-www-form-urlencoded";
        send(request.header("Content-Type", kind)).await
    }
}

pub async fn send(request: RequestBuilder) -> Raw {
    let response = request.send().await.unwrap();
    let reason = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
    let status = response.status();
    Raw {
        status: status.as_u16(),
        reason: reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned()),
        body: response.text().await.unwrap(),
    }
}
