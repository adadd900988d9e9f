//! Template VMs: the form that Proxmox VE has for what is wanted, and what differs from it.

mod blocked;
mod config;
mod wanted;

pub use blocked::TemplateBlock;
pub(super) use config::{MachineConfig, different};
pub use wanted::{TemplatePlace, WantedTemplate};
