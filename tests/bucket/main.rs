//! Buckets: one contract on several servers, what a probe says of them, and what becomes
//! of requests whose answers are lost, late or wrong.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod faults;
mod moto;
mod preflight;
mod preflight_nodes;
mod probes;
mod proxy;
mod tags;
mod tls;
mod wrong;

use common::seaweed::Seaweed;
use contract::CASES;
use talos_order::bucket::Bucket;

#[tokio::test]
async fn in_memory() {
    for (_, case) in CASES {
        case(Bucket::in_memory()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_seaweedfs() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    for (name, case) in CASES {
        case(server.bucket(&format!("contract/{name}/"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    let Some(server) = moto::Moto::start() else {
        return;
    };
    for (name, case) in CASES {
        case(server.bucket(&format!("contract/{name}/"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let proxy = proxy::Proxy::before(&server.authority()).await;
    for (name, case) in CASES {
        let prefix = format!("through/{name}/");
        case(Bucket::open(&common::seaweed::settings(&proxy.endpoint, &prefix)).unwrap()).await;
    }
}
