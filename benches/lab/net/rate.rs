//! Whether the links are as fast as they should be: one connection, bytes from
//! memory, none of the programs that are measured.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use super::network::Network;
use super::space::Space;

/// The part of a full frame that is payload of TCP: 1448 of 1514 bytes.
const PAYLOAD: f64 = 1448.0 / 1514.0;
/// How far a link may be from its rate.
const TOLERANCE: f64 = 0.03;
const PIECE: usize = 64 << 10;
/// The least that is sent, in bytes: packets of 64 KiB come at once, which must be
/// little of it all.
const LEAST: u64 = 8 << 20;
/// What is not counted at first, in bytes; no token bucket holds more.
const WARM_UP: u64 = 512 << 10;

/// What was measured of one direction of a link, in Mbit/s of payload.
#[derive(Debug, Clone, Serialize)]
pub struct Reached {
    pub link: String,
    /// What the rate of the link leaves for payload.
    pub wanted: f64,
    pub reached: f64,
}

impl Reached {
    pub fn is_right(&self) -> bool {
        (self.reached / self.wanted - 1.0).abs() <= TOLERANCE
    }
}

/// Measures each kind of link, in both directions.
pub fn verify(network: &Network) -> Result<Vec<Reached>> {
    let rates = network.profile.rates().context("there are no links")?;
    let controller = (&network.controller, Network::controller_address());
    let factory = (&network.factory, Network::factory_address());
    let node = |number: usize| (&network.nodes[number], Network::node_address(number));
    let to_nodes = rates.uplink.unwrap_or(rates.machine).min(rates.machine);
    let mut ways = vec![
        ("factory to controller", factory, controller, rates.factory),
        ("controller to factory", controller, factory, rates.factory),
        ("controller to node", controller, node(0), to_nodes),
        ("node to controller", node(0), controller, to_nodes),
    ];
    if network.nodes.len() > 1 {
        ways.push(("node to node", node(0), node(1), rates.machine));
    }
    let measured = ways.into_iter().map(|(link, from, to, rate)| {
        Ok(Reached {
            link: link.to_owned(),
            wanted: f64::from(rate) * PAYLOAD,
            // About a second, or longer.
            reached: transfer(from.0, to, LEAST.max(u64::from(rate) * 1_000_000 / 8))?,
        })
    });
    measured.collect()
}

fn transfer(from: &Space, to: (&Space, Ipv4Addr), bytes: u64) -> Result<f64> {
    let listener = to.0.inside(|| TcpListener::bind((to.1, 0)))??;
    let address = listener.local_addr()?;
    let mut sender = from.inside(|| TcpStream::connect(address))??;
    let (mut receiver, _) = listener.accept()?;
    let (received, seconds) = std::thread::scope(|scope| {
        scope.spawn(move || {
            let piece = [0; PIECE];
            let mut left = bytes;
            while left > 0 && sender.write_all(&piece).is_ok() {
                left = left.saturating_sub(PIECE as u64);
            }
        });
        receive(&mut receiver)
    })?;
    Ok(received as f64 * 8.0 / 1e6 / seconds)
}

/// Bytes after the first of them, and the time they took: what the token buckets
/// hold at first passes at once and is not counted.
fn receive(stream: &mut TcpStream) -> io::Result<(u64, f64)> {
    let mut piece = vec![0; PIECE];
    let mut total = 0;
    let mut begin = None;
    loop {
        let length = stream.read(&mut piece)? as u64;
        if length == 0 {
            let (at, time): (u64, Instant) = begin.unwrap_or((0, Instant::now()));
            return Ok((total - at, time.elapsed().as_secs_f64()));
        }
        total += length;
        if begin.is_none() && total >= WARM_UP {
            begin = Some((total, Instant::now()));
        }
    }
}
