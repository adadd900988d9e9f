//! What it saves to send only the differences to another schematic of the same
//! version that the node has, by the speed of its link.

use anyhow::Result;
use serde::Serialize;

use crate::bench::Bench;
use crate::measure::Cost;
use crate::net::Profile;
use crate::stock::Siblings;

/// The rate of the link while nothing is measured, in Mbit/s.
const FAST: u32 = 1000;

/// One delivery of an image beside its sibling.
#[derive(Debug, Serialize)]
pub struct Sibling {
    pub link_mbits: u32,
    pub format: String,
    /// What the image is against the one that is there.
    pub change: &'static str,
    pub method: &'static str,
    pub seconds: f64,
    pub cpu: f64,
    pub nodes_cpu: f64,
    /// On the wire to the node, with headers.
    pub sent: u64,
    /// The bytes of data of the image.
    pub data: u64,
}

/// Delivers each image that has a sibling by each method.
pub fn measure(bench: &Bench<'_>) -> Result<Vec<Sibling>> {
    let (Profile::Link(link_mbits), Some(network)) = (bench.profile, bench.network) else {
        return Ok(Vec::new());
    };
    let way = &bench.ours;
    let mut found = Vec::new();
    for siblings in &bench.stock.siblings {
        let Siblings {
            there,
            later,
            earlier,
        } = siblings;
        // What is measured is none of this.
        network.limit_uplink(FAST)?;
        way.configure(1, None, None)?;
        way.wipe()?;
        way.order(&[there, later, earlier])?;
        way.apply()?;
        network.limit_uplink(link_mbits)?;
        way.forget_links()?;
        // The first of them tells how fast the link is, and what is chosen without being
        // told follows from that.
        for (change, wanted, method) in [
            ("later", later, "stream"),
            ("later", later, "rsync"),
            ("earlier", earlier, "rsync"),
            ("earlier", earlier, "auto"),
        ] {
            way.configure(1, None, Some(method))?;
            // It must not be a sibling of its own kind that helps.
            way.order(&[there, wanted])?;
            for image in [later, earlier] {
                way.lose(image, 0)?;
            }
            bench.settle(&[])?;
            let before = bench.counted()?;
            let Cost {
                seconds,
                cpu,
                nodes_cpu,
                ..
            } = way.apply()?;
            let sent = bench.counted()?.since(&before).most();
            way.check(wanted, 1)?;
            eprintln!("{link_mbits} Mbit/s, {change}, {method}: {seconds:.2} s");
            found.push(Sibling {
                link_mbits,
                format: wanted.artifact.format.as_str().to_owned(),
                change,
                method,
                seconds,
                cpu,
                nodes_cpu,
                sent,
                data: wanted.data_bytes,
            });
        }
    }
    Ok(found)
}
