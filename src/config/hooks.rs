//! The `hooks:` of the configuration.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::hooks_shape::HookShape;
use super::secrets::Secrets;
use crate::model::{Hook, HookKind, HookName};
use crate::yaml::{At, NodeRef, ProblemReport};

/// A secret that is easy to guess is none.
const SECRET_MIN: usize = 16;

const HOW: &str = "write the output of `openssl rand -hex 32` into a file, and name it with \
                   `secret_file`";

/// The hooks that can be called. What is wrong is reported.
pub(super) fn hooks(
    shapes: &[At<HookShape>],
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Vec<Hook> {
    let mut places: BTreeMap<HookName, NodeRef> = BTreeMap::new();
    let mut hooks = Vec::new();
    for shape in shapes {
        let place = shape.place;
        let name = match &shape.value.name {
            Some(text) => report.parse::<HookName>(text),
            None => {
                report.missing(place, "name", "the hook is called at /hooks/NAME");
                None
            }
        };
        let kind = match &shape.value.kind {
            Some(text) => report.parse_among(text, HookKind::ALL.map(HookKind::as_str)),
            None => {
                let hint = "expected github, gitlab, gitea or generic";
                report.missing(place, "kind", hint);
                None
            }
        };
        let secret = secret(shape, secrets, report);
        let (Some(name), Some(kind), Some(secret)) = (name, kind, secret) else {
            continue;
        };
        if let Some(first) = places.insert(name.clone(), place) {
            let line = report.document().line(first);
            let message = format!("the hook {name} is already defined on line {line}");
            report.at(place, message);
            continue;
        }
        hooks.push(Hook { name, kind, secret });
    }
    hooks
}

/// A hook without a secret would let everyone start runs.
fn secret(
    shape: &At<HookShape>,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<secrecy::SecretString> {
    let (env, file) = (&shape.value.secret_env, &shape.value.secret_file);
    let Some(named) = env.as_ref().or(file.as_ref()) else {
        if !report.told(shape.place, "secret") {
            report.at_with_hint(shape.place, "the hook has no secret", HOW);
        }
        return None;
    };
    let secret = secrets.secret(env, file, report)?;
    if secret.expose_secret().len() < SECRET_MIN {
        let message = format!("the secret is too short; expected at least {SECRET_MIN} characters");
        report.at_with_hint(named.place, message, HOW);
        return None;
    }
    Some(secret)
}
