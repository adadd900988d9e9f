//! A delivery that begins before its file is whole.
//!
//! One session, and one script on the node: it makes ready, gives the lease back, receives
//! what comes for as long as it takes, waits for the seal, and takes the lease again to
//! check, name and record. So others work in the directory while a download takes hours,
//! and nothing has a name before everything was verified on both sides.
//!
//! Nothing that goes wrong here is an error of the delivery: the usual one builds upon what
//! has arrived.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

use super::prepared::{Begun, PreparedDelivery, RESERVE, read_begun};
use super::stream::{proof, relayed};
use crate::io::flow::growing::{GrowingReader, Growth};
use crate::io::flow::outflow::{Outflow, OutflowSource};
use crate::io::hash::data::hash_beginning;
use crate::io::process::{InputPiece, Program, task};
use crate::model::PartName;
use crate::nodes::authority::NotLeading;
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Delivered, Delivery, EarlyDelivery};
use crate::nodes::lease::Operation;
use crate::nodes::mandate::Mandate;
use crate::nodes::protocol::answer::{self, ScriptAnswer};
use crate::nodes::protocol::record;
use crate::nodes::protocol::script::{self, NodeScript};
use crate::nodes::receipt::EarlyReceipt;
use crate::nodes::session::node_session::NodeSession;
use crate::nodes::session::timeouts;

/// How long the node may take to end after its input did: it lets go of the part then.
const LET_GO: Duration = Duration::from_secs(10);

/// Why nothing was delivered early.
pub(crate) enum NotEarly {
    /// The file was verified before its turn came.
    Overtaken,
    /// The node did not get ready, or did not want the rest. Its answer says why.
    Unwanted,
    /// The node that was to send it on does not.
    Relay,
    /// The node did not end in time.
    Late,
    /// The file was given up here, or cannot be read.
    Source(io::Error),
    /// What the usual delivery would fail with as well, or not.
    Node(NodeError),
}

impl From<NotLeading> for NotEarly {
    fn from(error: NotLeading) -> Self {
        Self::Node(error.into())
    }
}

impl fmt::Display for NotEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overtaken => f.write_str("the file was complete first"),
            Self::Unwanted => f.write_str("the node did not take the file"),
            Self::Relay => f.write_str("the relay did not get the file"),
            Self::Late => f.write_str("it took too long"),
            Self::Source(error) => write!(f, "{error}"),
            Self::Node(error) => write!(f, "{error}"),
        }
    }
}

/// Goes on with an attempt until the file is verified, and then for as long as the delivery
/// may take. The attempt hears of it by `tell`. Gives nothing where it came to nothing, or
/// the file was not verified.
pub(crate) async fn until_verified(
    mut attempt: Pin<Box<impl Future<Output = Result<Delivered, NotEarly>> + Send>>,
    verified: Pin<Box<impl Future<Output = Option<Delivery>> + Send>>,
    tell: oneshot::Sender<Delivery>,
    limit: impl Fn(&Delivery) -> Duration,
) -> Option<Delivered> {
    let ended = tokio::select! {
        ended = &mut attempt => ended,
        delivery = verified => {
            let delivery = delivery?;
            let limit = limit(&delivery);
            // Nobody hears it where the attempt has just failed, and then it says so.
            let _ = tell.send(delivery);
            let ended = tokio::time::timeout(limit, attempt).await;
            ended.unwrap_or(Err(NotEarly::Late))
        }
    };
    ended
        .inspect_err(|why| tracing::debug!("nothing was delivered early: {why}"))
        .ok()
}

/// Delivers a file as it grows. `told` is the whole delivery, once the file is verified.
pub(crate) async fn deliver(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    early: &EarlyDelivery,
    mut told: oneshot::Receiver<Delivery>,
) -> Result<Delivered, NotEarly> {
    let started = Instant::now();
    let turn = tokio::select! {
        turn = session.enter(&early.dir) => turn,
        _ = &mut told => return Err(NotEarly::Overtaken),
    };
    // The limit of scripts that are not run here.
    let limit = timeouts::for_file(0);
    let (dir, file) = (&early.dir, &early.file);
    let operation = Operation::unqueued(session, mandate, dir, file, limit);
    let part = PartName::early(&early.file, &early.artifact).inside();
    let (nonce, reserve) = (script::nonce(), RESERVE.to_string());
    let mut args = operation.args();
    args.extend(["", "", "", "no", &part, record::HEADER, "", "", ""]);
    args.extend([proof(early.proof), session.vm_configs(), &reserve]);
    let line = NodeScript::ReceiveEarly.line(&nonce, &args);
    let (to, pieces) = Outflow::channel();
    let (watch, ready) = watch(&nonce, &early.receipt);
    let command = command(session, early, &line).map_err(NotEarly::Node)?;
    let command = command.feed(pieces);
    let read = operation.unlocked(|answer| Some(Kept::from(answer)));
    let mut answer = Box::pin(session.run_watched(command, &nonce, watch, read));
    let feeding = Feeding {
        session,
        early,
        nonce: &nonce,
        to,
    };
    let mut feed = Box::pin(feeding.feed(turn, ready, told));
    let fed = tokio::select! {
        answer = &mut answer => {
            return Err(match answer {
                Ok(Err(error)) | Err(error) => NotEarly::Node(error),
                Ok(Ok(_)) => NotEarly::Unwanted,
            });
        }
        fed = &mut feed => fed,
        () = relay_fails(early) => Err(NotEarly::Relay),
    };
    drop(feed);
    let fed = match fed {
        Ok(fed) => fed,
        // The relay does not send the end of it, so the node would wait for that in vain.
        Err(NotEarly::Relay) => return Err(NotEarly::Relay),
        Err(why) => {
            let answer = tokio::time::timeout(LET_GO, answer).await;
            return Err(match (why, answer) {
                (NotEarly::Unwanted, Ok(Ok(Err(error)) | Err(error))) => NotEarly::Node(error),
                (why, _) => why,
            });
        }
    };
    // A relay may still have most of it before itself.
    let kept = tokio::select! {
        kept = answer => kept.map_err(NotEarly::Node)?,
        () = relay_fails(early) => return Err(NotEarly::Relay),
    };
    let kept = kept.map_err(NotEarly::Node)?;
    let prepared = PreparedDelivery::new(operation, &fed.delivery);
    let entry = match prepared.read_checked(&kept.answer()) {
        Some(entry) => entry.map_err(NotEarly::Node)?,
        None => return Err(NotEarly::Unwanted),
    };
    Ok(Delivered {
        copied: true,
        wire_bytes: fed.sent,
        took: started.elapsed(),
        entry,
    })
}

async fn relay_fails(early: &EarlyDelivery) {
    match &early.relay {
        Some(relay) => relay.receipt.has_failed().await,
        None => std::future::pending().await,
    }
}

/// What runs the script on the node, with a standard input that [`Feeding`] writes.
fn command(
    session: &NodeSession<'_>,
    early: &EarlyDelivery,
    line: &str,
) -> Result<Program, NodeError> {
    let Some(relay) = &early.relay else {
        return Ok(session.shell(line));
    };
    let part = PartName::early(&relay.file, &early.artifact);
    let part = format!("{}/{part}", relay.dir);
    let follower = script::follower(&part, &relay.dir.join(&relay.file));
    relayed(session, &relay.node, &relay.ssh_opts, &follower, line)
}

/// The fields of an answer that outlive it.
struct Kept(Vec<(String, Vec<u8>)>);

impl From<&ScriptAnswer<'_>> for Kept {
    fn from(answer: &ScriptAnswer<'_>) -> Self {
        let fields = answer.fields.iter();
        Self(
            fields
                .filter(|(tag, _)| *tag != "tick")
                .map(|&(tag, value)| (tag.to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

impl Kept {
    fn answer(&self) -> ScriptAnswer<'_> {
        let fields = self.0.iter();
        ScriptAnswer {
            noise: String::new(),
            fields: fields.map(|(tag, value)| (&tag[..], &value[..])).collect(),
        }
    }
}

/// What the node has of the file, from its answer as soon as it is ready. The receiver
/// gets an error where the answer does not come to that. The receipt tells when more comes.
fn watch(
    nonce: &str,
    receipt: &EarlyReceipt,
) -> (impl FnMut(&[u8]) + Send, oneshot::Receiver<Option<Begun>>) {
    let (say, ready) = oneshot::channel();
    let (mut say, nonce) = (Some(say), nonce.to_owned());
    let mut receipt = Some(receipt.clone());
    let watch = move |output: &[u8]| {
        if say.is_none() && receipt.is_none() {
            return;
        }
        let Ok((answer, _)) = answer::read_so_far(output, &nonce) else {
            return;
        };
        if !answer.noise.is_empty() {
            // It would break the usual delivery as well, which says so.
            say = None;
            return;
        }
        if answer.first("ready").is_some()
            && let Some(say) = say.take()
        {
            // Nobody waits for it where all was given up.
            let _ = say.send(answer.first("begun").and_then(read_begun));
        }
        if answer.first("began").is_some()
            && let Some(receipt) = receipt.take()
        {
            receipt.begin();
        }
    };
    (watch, ready)
}

/// What the script on the node gets to read.
struct Feeding<'a> {
    session: &'a NodeSession<'a>,
    early: &'a EarlyDelivery,
    nonce: &'a str,
    to: mpsc::Sender<InputPiece>,
}

/// Everything was sent.
struct Fed {
    delivery: Delivery,
    sent: Option<u64>,
    /// The turn in the directory, for what the script does now.
    _turn: OwnedMutexGuard<()>,
    /// Its end would be that of this program: nothing comes after it, not even the name.
    _to: mpsc::Sender<InputPiece>,
}

impl Feeding<'_> {
    async fn feed(
        self,
        turn: OwnedMutexGuard<()>,
        ready: oneshot::Receiver<Option<Begun>>,
        told: oneshot::Receiver<Delivery>,
    ) -> Result<Fed, NotEarly> {
        let begun = ready.await.map_err(|_| NotEarly::Unwanted)?;
        drop(turn);
        let early = self.early;
        let (reader, from) = self.compare(early.source.reader(), begun).await?;
        let sent = match early.relay {
            // What it sends is not known here.
            Some(_) => self.announce(reader, from).await.map(|()| None)?,
            None => Some(self.send(reader, from).await?),
        };
        let delivery = told.await.map_err(|_| NotEarly::Unwanted)?;
        early.meter.set_total(delivery.size);
        let data = delivery.data.map(|data| data.bytes);
        let turn = self.session.enter(&early.dir).await;
        let seal = self.seal(&delivery).ok_or(NotEarly::Overtaken)?;
        self.say(seal).await?;
        Ok(Fed {
            sent: sent.or(data),
            delivery,
            _turn: turn,
            _to: self.to,
        })
    }

    /// Sends all of the file. Gives how many bytes that were.
    async fn send(&self, reader: GrowingReader, from: u64) -> Result<u64, NotEarly> {
        let outflow = Outflow {
            source: OutflowSource::Growing(reader),
            from,
            paces: self.session.paces(),
            meter: self.early.meter.clone(),
        };
        let sent = outflow.send(self.to.clone()).await;
        let sent = sent.map_err(NotEarly::Source)?;
        sent.ok_or(NotEarly::Unwanted)
    }

    /// Tells the relay where to begin, and how long the file is once that is known. It has
    /// the rest from its own part.
    async fn announce(&self, reader: GrowingReader, from: u64) -> Result<(), NotEarly> {
        self.say(format!("from {from}\n")).await?;
        let to = self.to.clone();
        // No length is beyond this one, so what is waited for is the end.
        let wait = move || match reader.wait_beyond(u64::MAX, || !to.is_closed()) {
            Some(Growth::Part(_, length) | Growth::Whole(_, length)) => Ok(length),
            Some(Growth::Lost) | None => Err(io::Error::other("the download was given up")),
        };
        let whole = task::on_thread("whole", wait).await;
        let size = whole.and_then(|whole| whole).map_err(NotEarly::Source)?;
        self.say(format!("size {size}\n")).await
    }

    async fn say(&self, text: String) -> Result<(), NotEarly> {
        let said = self.to.send(text.into()).await;
        said.map_err(|_| NotEarly::Unwanted)
    }

    /// Where to begin: behind what the node has, if the file begins like that.
    async fn compare(
        &self,
        reader: GrowingReader,
        begun: Option<Begun>,
    ) -> Result<(GrowingReader, u64), NotEarly> {
        let Some(begun) = begun else {
            return Ok((reader, 0));
        };
        let to = self.to.clone();
        let compare = move || {
            let last = begun.length.saturating_sub(1);
            let agrees = match reader.wait_beyond(last, || !to.is_closed()) {
                Some(Growth::Part(file, length) | Growth::Whole(file, length)) => {
                    length >= begun.length
                        && hash_beginning(&file, begun.length)?.sha256 == begun.sha256
                }
                // Sending finds the same, and says so.
                Some(Growth::Lost) | None => false,
            };
            Ok((reader, if agrees { begun.length } else { 0 }))
        };
        let compared = task::on_thread("prefix", compare).await;
        compared
            .and_then(|compared| compared)
            .map_err(NotEarly::Source)
    }

    /// The lines that make a file of what was sent. None where the digest of its data is
    /// not known.
    fn seal(&self, delivery: &Delivery) -> Option<String> {
        let owner = &self.session.config.owner;
        let line = record::template(&super::prepared::entry(delivery, owner, 0, 0));
        let [before, between, after] = &line.pieces;
        let (size, sha256, data) = (delivery.size, delivery.sha256, delivery.data?.sha256);
        let nonce = self.nonce;
        Some(format!(
            "{size}\n{sha256}\n{data}\n{before}\n{between}\n{after}\nsealed {nonce}\n"
        ))
    }
}
