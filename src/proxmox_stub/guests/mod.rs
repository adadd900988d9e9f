//! Virtual machines that are made, changed, made templates and removed, with disks that
//! have a content.

pub(super) mod allowed;
pub(super) mod change;
pub(super) mod convert;
pub(super) mod create;
pub(super) mod destroy;
pub(super) mod disks;
mod drives;
mod import;
pub(super) mod options;
pub(super) mod work;
