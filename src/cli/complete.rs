//! What a shell offers when Tab is pressed.
//!
//! The script that `completions` prints calls the program with the words so far, and
//! clap's engine answers: commands, options and values it knows by itself, the names of
//! orders and nodes come from here. They are read from disk, no one is asked over the
//! network, and whatever is wrong means that less is offered: nothing may be printed
//! into a line that is being typed.
//!
//! The alternative, scripts of clap_complete's static generators that call a hidden
//! subcommand, would have to be patched for each shell.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;

use super::args::Cli;
use super::forms::{ObjectKind, ScopeKind};
use super::get;
use crate::app::App;
use crate::conclude::Status;
use crate::model::{Node, OrderSet};
use crate::store::StateDir;

/// Names the shell that asks; set by the scripts only.
const VARIABLE: &str = "TALOS_ORDER_COMPLETE";

/// The name of the program, as it is typed and as the scripts call it.
const PROGRAM: &str = "talos-order";

/// zsh runs a file of its `fpath` as the function that completes. The engine's script only
/// defines one, so the first Tab would offer nothing.
const ZSH_AUTOLOAD: &str = "\
if [[ $funcstack[1] == _talos-order ]]; then
    _clap_dynamic_completer_talos_order \"$@\"
fi
";

/// Answers a shell that asks what could be typed next; false where none did.
pub(super) fn complete() -> bool {
    let asks = std::env::var(VARIABLE).is_ok_and(|shell| is_known(&shell));
    if !asks {
        return false;
    }
    let dir = std::env::current_dir().ok();
    let words = || std::env::args_os().skip_while(|word| word != "--").skip(1);
    let _ = CompleteEnv::with_factory(|| with_names(Cli::command(), words().collect()))
        .var(VARIABLE)
        .try_complete(std::env::args_os(), dir.as_deref());
    true
}

fn is_known(shell: &str) -> bool {
    Shells::builtins().completer(shell).is_some()
}

/// The script that makes a shell ask.
///
/// # Errors
/// Where the shell is not one of those that the engine knows.
pub(super) fn script(shell: clap_complete::Shell) -> std::io::Result<Vec<u8>> {
    let shells = Shells::builtins();
    let adapter = shells
        .completer(&shell.to_string())
        .ok_or_else(|| std::io::Error::other(format!("no completions for {shell}")))?;
    let mut script = Vec::new();
    // The program is called by its name: the path of today's binary may be gone tomorrow.
    adapter.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    if shell == clap_complete::Shell::Zsh {
        script.extend_from_slice(ZSH_AUTOLOAD.as_bytes());
    }
    Ok(script)
}

/// The command line with what can be said in the place of a name.
fn with_names(command: Command, words: Vec<OsString>) -> Command {
    let source = Arc::new(NameSource::new(command.clone(), words));
    let of = |names: fn(&NameSource) -> Names| {
        let source = Arc::clone(&source);
        ArgValueCandidates::new(move || candidates(names(&source)))
    };
    let (orders, nodes) = (of(NameSource::orders), of(NameSource::nodes));
    let (positions, minors) = (of(NameSource::positions), of(NameSource::minors));
    let by_id = |arg: Arg| match arg.get_id().as_str() {
        "order" => arg.add(orders.clone()),
        "node" => arg.add(nodes.clone()),
        "position" => arg.add(positions.clone()),
        "minor" => arg.add(minors.clone()),
        _ => arg,
    };
    let mut command = without_options(command).mut_subcommands(|verb| verb.mut_args(by_id));
    for (verb, arg, names) in [
        ("approve", "id", of(NameSource::approvals)),
        ("get", "names", of(NameSource::objects)),
        ("suspend", "name", of(NameSource::running)),
        ("resume", "name", of(NameSource::suspended)),
    ] {
        command = command.mut_subcommand(verb, |verb| verb.mut_arg(arg, |arg| arg.add(names)));
    }
    let (with_rings, rings) = (of(NameSource::with_rings), of(NameSource::rings));
    let of_rollouts = move |arg: Arg| match arg.get_id().as_str() {
        "order" => arg.add(with_rings.clone()),
        "to" => arg.add(rings.clone()),
        _ => arg,
    };
    command = command.mut_subcommand("rollout", |verb| {
        verb.mut_subcommands(|verb| verb.mut_args(of_rollouts.clone()))
    });
    let providers = of(NameSource::providers);
    command.mut_subcommand("notify", |verb| {
        verb.mut_subcommand("test", |verb| {
            verb.mut_arg("provider", |arg| arg.add(providers))
        })
    })
}

/// Options are offered where one was begun, or where nothing else fits: among the names
/// of orders they would be in the way of the only one.
fn without_options(mut command: Command) -> Command {
    // Until then `--help` is not there.
    command.build();
    let of_options = |arg: Arg| {
        let hidden = !arg.is_positional();
        arg.hide(hidden)
    };
    command
        .mut_args(of_options)
        .mut_subcommands(without_options)
}

fn candidates(names: Names) -> Vec<CompletionCandidate> {
    let candidate = |(name, help): (String, String)| {
        let help = (!help.is_empty()).then(|| help.into());
        CompletionCandidate::new(name).help(help)
    };
    names.into_iter().map(candidate).collect()
}

/// Names, each with a few words about it, which may be missing.
type Names = BTreeMap<String, String>;

/// Where names are found: the files that the words so far mean.
struct NameSource {
    config: Option<PathBuf>,
    orders: Option<PathBuf>,
    /// What `suspend` and `resume` were told, if it was one of them.
    kind: Option<ScopeKind>,
    /// What `get` was told, if it was `get`.
    listed: Option<ObjectKind>,
}

impl NameSource {
    fn new(command: Command, words: Vec<OsString>) -> Self {
        // The line is not finished, so it may be anything but right.
        let command = command.ignore_errors(true);
        let found = command.try_get_matches_from(words).ok();
        let path = |id: &str| found.as_ref().and_then(|found| path(found, id));
        let verb = found.as_ref().and_then(ArgMatches::subcommand);
        Self {
            config: path("config"),
            orders: path("orders"),
            kind: verb.and_then(|(_, of)| of.try_get_one("kind").ok().flatten().copied()),
            listed: verb.and_then(|(_, of)| of.try_get_one("kind").ok().flatten().copied()),
        }
    }

    fn app(&self) -> Option<App> {
        let app = App::offline(self.config.as_deref()).ok()?;
        app.recall();
        Some(app)
    }

    fn state(&self) -> Option<StateDir> {
        self.app().map(|app| app.state())
    }

    fn status(&self) -> Option<Status> {
        self.state()?.status()
    }

    /// The orders on disk, also those that are refused.
    fn order_set(&self) -> Option<Arc<OrderSet>> {
        let app = self.app()?;
        let at = app.known_orders(self.orders.as_deref()).ok()?;
        app.orders(&at).ok()
    }

    /// The orders of the last run with rings, each with its versions.
    fn with_rings(&self) -> Names {
        let lines = self.status().unwrap_or_default().rollouts.into_iter();
        let named = lines.map(|line| {
            let version = line.planned.version.to_string();
            (line.planned.order.to_string(), version)
        });
        named.collect()
    }

    /// The rings of those orders.
    fn rings(&self) -> Names {
        let lines = self.status().unwrap_or_default().rollouts.into_iter();
        let rings = lines.flat_map(|line| line.planned.rings);
        let names = rings.filter_map(|ring| ring.name);
        names
            .map(|name| (name.to_string(), String::new()))
            .collect()
    }

    fn orders(&self) -> Names {
        let mut names = Names::new();
        if let Some(set) = self.order_set() {
            let fine = set.orders.iter();
            let fine = fine.map(|order| (&order.id, order.customer.as_ref()));
            let refused = set.rejected_orders.iter();
            let refused =
                refused.filter_map(|order| Some((order.id.as_ref()?, order.customer.as_ref())));
            names.extend(
                fine.chain(refused)
                    .map(|(id, customer)| (id.to_string(), customer.cloned().unwrap_or_default())),
            );
        }
        let status = self.status().unwrap_or_default();
        for order in status.conditions.into_iter().filter_map(|of| of.order) {
            names.entry(order).or_default();
        }
        names
    }

    fn positions(&self) -> Names {
        let set = self.order_set();
        let orders = set.iter().flat_map(|set| &set.orders);
        let named = orders.flat_map(|order| {
            let positions = order.positions.iter();
            positions.map(|position| (position.name.clone(), format!("order {}", order.id)))
        });
        named.collect()
    }

    fn nodes(&self) -> Names {
        let address = |of: &Node| (of.id.to_string(), of.reach.address());
        let app = self.app();
        let listed = app.iter().flat_map(App::configured_nodes);
        let mut names: Names = listed.map(|of| address(&of)).collect();
        let set = self.order_set();
        names.extend(set.iter().flat_map(|set| set.nodes.values()).map(address));
        let status = self.status().unwrap_or_default();
        for node in status.conditions.into_iter().filter_map(|of| of.node) {
            names.entry(node.to_string()).or_default();
        }
        names
    }

    /// What `get` would list.
    fn objects(&self) -> Names {
        let app = self.app();
        let listed = app.zip(self.listed);
        let names = listed.map(|(app, kind)| get::names(&app, kind));
        names.into_iter().flatten().collect()
    }

    /// What of the kind that was named is suspended.
    fn suspended(&self) -> Names {
        let suspended = self.state().map(|state| state.suspended());
        let suspended = suspended.unwrap_or_default();
        let names: BTreeSet<String> = match self.kind {
            Some(ScopeKind::Order) => suspended.orders.iter().map(ToString::to_string).collect(),
            Some(ScopeKind::Node) => suspended.nodes.iter().map(ToString::to_string).collect(),
            None => BTreeSet::new(),
        };
        names
            .into_iter()
            .map(|name| (name, String::new()))
            .collect()
    }

    /// What of the kind that was named is not suspended.
    fn running(&self) -> Names {
        let mut names = match self.kind {
            Some(ScopeKind::Order) => self.orders(),
            Some(ScopeKind::Node) => self.nodes(),
            None => Names::new(),
        };
        for name in self.suspended().keys() {
            names.remove(name);
        }
        names
    }

    fn approvals(&self) -> Names {
        let blocked = self.status().unwrap_or_default().blocked;
        let waiting = blocked.into_iter().filter_map(|blocked| {
            let node = blocked.step.node();
            let node = node.map_or_else(String::new, |node| format!("prune from {node}"));
            Some((blocked.approval?.0, node))
        });
        waiting.collect()
    }

    fn providers(&self) -> Names {
        let outbox = self.app().and_then(|app| app.outbox());
        let mailboxes = outbox.iter().flat_map(|outbox| &outbox.mailboxes);
        let named = mailboxes.map(|mailbox| {
            let kind = mailbox.target().kind();
            (mailbox.name().to_owned(), kind.to_owned())
        });
        named.collect()
    }

    fn minors(&self) -> Names {
        let versions = self.app().map(|app| app.known_versions());
        let minors = versions.into_iter().flatten();
        minors
            .map(|version| (version.minor().to_string(), String::new()))
            .collect()
    }
}

/// A path on the command line. The shell leaves the tilde of a line that is not finished.
fn path(found: &ArgMatches, id: &str) -> Option<PathBuf> {
    let path: &PathBuf = found.try_get_one(id).ok().flatten()?;
    let below_home = path.strip_prefix("~").ok();
    let expanded = below_home.and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    Some(expanded.unwrap_or_else(|| Path::new(path).to_owned()))
}
