//! The lab as a whole: the images, the factory, and both ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use talos_order::factory_stub::StubOptions;

use crate::args::Args;
use crate::factory::Factory;
use crate::images::Image;
use crate::measure;
use crate::ours::Ours;
use crate::sequential::Sequential;
use crate::sshd::{Lab, SshNode};
use crate::wire::Wire;

/// The versions of both images; the factory stub lists them.
const VERSIONS: [&str; 2] = ["v1.11.2", "v1.11.3"];

/// Images of the case with many positions.
pub const MANY: usize = 20;

/// Everything that a case uses.
pub struct Bench<'a> {
    pub old: Image,
    pub new: Image,
    /// The bytes of the old image under many names.
    pub many_images: Vec<Image>,
    pub url: String,
    pub sequential: Sequential<'a>,
    pub ours: Ours<'a>,
    pub many: Ours<'a>,
    pub wire: Wire,
    dir: PathBuf,
    _factory: Factory,
}

/// Makes a schematic known, as a user has done before.
fn register(url: &str, image: &Image, dir: &Path) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["-fsS", "--data-binary", &image.document()]);
    curl.args(["-H", "Content-Type: application/yaml"]);
    curl.arg(format!("{url}schematics"));
    crate::without_proxies(&mut curl);
    measure::checked(&mut curl, &dir.join("curl.log"))
}

impl<'a> Bench<'a> {
    /// Makes the images, and puts up whatever delivers them to the nodes.
    pub fn build(args: &Args, dir: &Path, lab: &'a Lab, nodes: &'a [SshNode]) -> Result<Self> {
        let (raw, data) = (args.raw_bytes(), args.data_bytes());
        let images = dir.join("images");
        std::fs::create_dir(&images)?;
        eprintln!("making two images of {} MiB", raw >> 20);
        let [old, new] = VERSIONS.map(|version| Image::make(&images, version, raw, data));
        let (old, new) = (old?, new?);
        let many_images: Vec<Image> = (0..MANY)
            .map(|number| old.with_schematic(format!("lab={number}")))
            .collect();

        let all = [&old, &new].into_iter().chain(&many_images);
        let files = all
            .clone()
            .map(|image| (image.artifact.clone(), image.xz.clone()));
        let factory = Factory::start(StubOptions {
            files: files.collect::<BTreeMap<_, _>>(),
            ..StubOptions::default()
        });
        let url = factory.url();
        for image in all {
            register(&url, image, dir)?;
        }
        for way in ["sequential", "ours", "many"] {
            std::fs::create_dir_all(dir.join(way))?;
        }
        Ok(Self {
            sequential: Sequential::new(dir.join("sequential"), lab, nodes),
            ours: Ours::new(dir.join("ours"), lab, &url, nodes)?,
            many: Ours::new(dir.join("many"), lab, &url, nodes)?,
            wire: Wire::open(lab, nodes)?,
            dir: dir.to_owned(),
            old,
            new,
            many_images,
            url,
            _factory: factory,
        })
    }

    /// What was written before is on the disk, and the factory has read its file: no
    /// case pays for the one before it.
    pub fn settle(&self) -> Result<()> {
        let log = self.dir.join("settle.log");
        measure::checked(Command::new("sync").arg("-f").arg(&self.dir), &log)?;
        for image in [&self.old, &self.new] {
            let mut curl = Command::new("curl");
            curl.args(["-fsS", "-I", &self.url_of(image)]);
            crate::without_proxies(&mut curl);
            measure::checked(&mut curl, &log)?;
        }
        Ok(())
    }

    pub fn url_of(&self, image: &Image) -> String {
        let path = image.artifact.factory_path();
        format!("{}{}", self.url, path.trim_start_matches('/'))
    }
}
