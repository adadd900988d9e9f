//! A step as text: one line with its sign, and one on how its bytes travel.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use super::names;
use crate::facts::StepText;
use crate::model::{Method, StoredForm, VmId};
use crate::plan::bytes::Bytes;
use crate::plan::step::{Action, Otherwise, Step, SwitchTemplate, Why};
use crate::plan::transport::{Transport, Unrelayed, route_clause};

pub(super) fn write_step(out: &mut String, step: &Step) -> fmt::Result {
    let StepText { verb, object } = step.id.text();
    write!(out, "  {} {verb:9} {object}", sign(&step.action, &step.why))?;
    // A node may have several directories.
    if let Some(target) = step.action.target() {
        write!(out, ":{}", target.dir)?;
    }
    let why = &step.why;
    match &step.action {
        Action::Register { .. } => writeln!(out, "  ({why})"),
        Action::Fetch {
            url,
            unpack,
            bytes,
            stored,
            ..
        } => {
            writeln!(out, "  {bytes}  ({why})")?;
            if let Some((_, raw)) = unpack {
                writeln!(out, "              unpacked to {raw}")?;
            }
            match stored {
                true => writeln!(out, "              from the store; originally from {url}"),
                false => writeln!(out, "              from {url}"),
            }
        }
        Action::Unpack {
            from_file, bytes, ..
        } => writeln!(out, "  from {from_file}, {}  ({why})", Bytes(*bytes)),
        Action::Push {
            bytes,
            transport,
            form,
            ..
        } => {
            writeln!(out, "  {bytes}  ({why})")?;
            write_transport(out, transport, *form, why)
        }
        Action::CreateTemplate(create) => writeln!(
            out,
            " as VM {} in {}, from {}  ({why})",
            create.vmid, create.storage, create.file
        ),
        Action::SwitchTemplate(switch) => match why {
            Why::OtherLabels { .. } => writeln!(out, " to {}  ({why})", self::switch(switch)),
            _ => writeln!(out, " to {}", self::switch(switch)),
        },
        Action::RemoveTemplate { name, .. } => writeln!(out, ", {name}  ({why})"),
        Action::PruneNode { bytes, .. }
        | Action::ClearPart { bytes, .. }
        | Action::VerifyNode { bytes, .. }
        | Action::VerifyCache { bytes, .. }
        | Action::PruneCache { bytes, .. }
        | Action::ClearPartial { bytes, .. } => {
            writeln!(out, "  {}  ({why})", Bytes(*bytes))
        }
    }
}

/// How bytes travel, where they do: within this machine there is nothing to say.
fn write_transport(
    out: &mut String,
    transport: &Transport,
    form: StoredForm,
    why: &Why,
) -> fmt::Result {
    let means = match (&transport.method, &transport.via) {
        (Method::Copy, _) => return Ok(()),
        (Method::Put, _) => "uploaded".to_owned(),
        (_, Some(via)) => format!("sent on by {} within {}", via.node, via.site),
        (Method::Api { route }, None) => route_clause(*route, form),
        (Method::Stream, None) => "streamed".to_owned(),
        (Method::Rsync { basis: None }, None) => "rsync".to_owned(),
        (Method::Rsync { basis: Some(basis) }, None) => format!("rsync, differences to {basis}"),
    };
    let size = match (transport.wire_bytes, &transport.via) {
        (Some(bytes), None) => format!(", about {} over the link", Bytes(bytes)),
        (Some(bytes), Some(_)) => format!(", about {}", Bytes(bytes)),
        (None, _) => String::new(),
    };
    let or = match why {
        Why::Unrecorded {
            otherwise: Otherwise::Fail,
            ..
        } => return Ok(()),
        Why::Unrecorded { .. } => "otherwise ",
        _ => "",
    };
    let during = match &transport.while_fetching {
        Some(_) => " during download",
        None => "",
    };
    writeln!(
        out,
        "              {or}{means}{during}{size}: {}",
        transport.because
    )?;
    if let Some(Unrelayed { relay, why }) = &transport.unrelayed {
        writeln!(out, "              not sent on by {relay}: {why}")?;
    }
    Ok(())
}

/// `VM 9001; VM 9000 is retired`.
pub(super) fn switch(switch: &SwitchTemplate) -> String {
    let retired: BTreeSet<VmId> = switch.retired.iter().map(|retired| retired.vmid).collect();
    let after = match retired.len() {
        0 => String::new(),
        1 => format!("; {} is retired", machines(&retired)),
        _ => format!("; {} are retired", machines(&retired)),
    };
    format!("VM {}{after}", switch.vmid)
}

/// `VM 9000`, `VMs 9000…9003`.
pub(super) fn machines(vmids: &BTreeSet<VmId>) -> String {
    let numbers: Vec<String> = vmids.iter().map(ToString::to_string).collect();
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!(
        "VM{plural} {}",
        names::list(numbers.iter().map(String::as_str))
    )
}

/// `+` for what is added, `~` for what is replaced, `-` for what is pruned.
pub(super) fn sign(action: &Action, why: &Why) -> char {
    match action {
        Action::PruneCache { .. }
        | Action::ClearPartial { .. }
        | Action::PruneNode { .. }
        | Action::ClearPart { .. }
        | Action::RemoveTemplate { .. } => '-',
        Action::SwitchTemplate(_) => '~',
        Action::VerifyNode { .. } | Action::VerifyCache { .. } => '?',
        Action::Register { .. } => '+',
        Action::Fetch { .. }
        | Action::Unpack { .. }
        | Action::Push { .. }
        | Action::CreateTemplate(_) => match why {
            Why::Missing | Why::Unregistered | Why::Partial { .. } => '+',
            Why::SizeDiffers { .. }
            | Why::Touched
            | Why::NotWhole { .. }
            | Why::DigestDiffers { .. }
            | Why::OtherImage { .. }
            | Why::OtherSource { .. }
            | Why::Unrecorded { .. }
            | Why::BeyondKeep { .. }
            | Why::Orphaned { .. }
            | Why::NotWanted { .. }
            | Why::Unverified { .. }
            | Why::Purge
            | Why::Abandoned
            | Why::OtherTemplateImage { .. }
            | Why::OtherHardware { .. }
            | Why::NotSwitched
            | Why::OtherLabels { .. }
            | Why::BeyondRetired { .. }
            | Why::Unfinished
            | Why::Replaced => '~',
        },
    }
}
