//! What the server, the courier and the test share: all of it behind one lock.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::events::Event;
use crate::faults::{Fault, FaultKind, strike};
use crate::form::Form;
use crate::refusal::Refusal;
use crate::routes::answer;
use crate::state::{Origin, State};

/// How long an idempotency key is remembered, in seconds of the fake's clock.
const KEY_LIFE: i64 = 24 * 3_600;

/// A call, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path from `/v1/` on.
    pub path: String,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The parameters, from query and body.
    pub form: Form,
}

/// A status and a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) replayed: bool,
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self { status: refusal.status, body: refusal.body().to_string(), replayed: false }
    }
}

/// What is known under an idempotency key.
struct Kept {
    first: Request,
    at: i64,
    /// None while the first call is being served.
    reply: Option<Reply>,
}

pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) faults: Vec<Fault>,
    pub(crate) requests: Vec<Request>,
    /// Addresses that events are posted to, each with its secrets.
    pub(crate) endpoints: Vec<(String, Vec<String>)>,
    pub(crate) live: bool,
    /// How many of the events have been handed out.
    handed_out: usize,
    kept: HashMap<String, Kept>,
}

pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Wakes the courier.
    pub(crate) news: Notify,
}

impl Shared {
    pub(crate) fn new(now: i64) -> Self {
        let inner = Inner {
            state: State::new(now),
            faults: Vec::new(),
            requests: Vec::new(),
            endpoints: Vec::new(),
            live: false,
            handed_out: 0,
            kept: HashMap::new(),
        };
        Self { inner: Mutex::new(inner), news: Notify::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, and says what shall go wrong with it.
    pub(crate) fn arrive(&self, request: &Request) -> Option<FaultKind> {
        let mut inner = self.lock();
        inner.requests.push(request.clone());
        strike(&mut inner.faults, &request.method, &request.path)
    }

    /// Takes hold of the call's idempotency key, or says what is to be answered instead of doing the work.
    pub(crate) fn claim(&self, request: &Request) -> Result<Claim<'_>, Reply> {
        let key = request.idempotency_key.clone().filter(|_| request.method == "POST");
        let Some(key) = key else { return Ok(Claim { shared: self, key: None }) };
        let mut inner = self.lock();
        let now = inner.state.now;
        inner.kept.retain(|_, kept| kept.reply.is_none() || kept.at + KEY_LIFE > now);
        match inner.kept.get(&key) {
            None => {
                inner.kept.insert(key.clone(), Kept { first: request.clone(), at: now, reply: None });
                Ok(Claim { shared: self, key: Some(key) })
            }
            Some(kept) if kept.first != *request => Err(Refusal::other_parameters(&key).into()),
            Some(Kept { reply: None, .. }) => Err(Refusal::key_in_use(&key).into()),
            Some(Kept { reply: Some(reply), .. }) => Err(Reply { replayed: true, ..reply.clone() }),
        }
    }
}

/// The hold on an idempotency key: given up without an answer, it leaves no trace.
pub(crate) struct Claim<'a> {
    shared: &'a Shared,
    key: Option<String>,
}

impl Claim<'_> {
    /// Does the work of a call and keeps its answer, at one stroke.
    pub(crate) fn work(self, request: &Request, fault: Option<FaultKind>) -> Reply {
        let mut inner = self.shared.lock();
        let number = inner.requests.len();
        let origin =
            Origin { request: Some(format!("req_{number:08}")), key: request.idempotency_key.clone() };
        if request.method != "GET" {
            inner.state.begin(origin);
        }
        let path = request.path.strip_prefix("/v1/").unwrap_or_default();
        let outcome = answer(&mut inner.state, &request.method, path, &request.form);
        let reply = match (outcome, fault) {
            (_, Some(FaultKind::StatusAfterCommit(status))) => Refusal::outage(status).into(),
            (Err(refusal), _) => refusal.into(),
            (Ok(doc), fault) => {
                let before = doc["id"].as_str().and_then(|id| inner.state.before(id)).cloned();
                let stale = before.filter(|_| fault == Some(FaultKind::StaleRead) && request.method == "GET");
                Reply { status: 200, body: stale.unwrap_or(doc).to_string(), replayed: false }
            }
        };
        if let Some(kept) = self.key.as_ref().and_then(|key| inner.kept.get_mut(key)) {
            kept.reply = Some(reply.clone());
        }
        drop(inner);
        self.shared.news.notify_one();
        reply
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let mut inner = self.shared.lock();
        if inner.kept.get(&key).is_some_and(|kept| kept.reply.is_none()) {
            inner.kept.remove(&key);
        }
    }
}

impl Inner {
    /// The events that nobody has taken or been told of yet, in the order in which they happened.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        let waiting = self.state.events.get(self.handed_out..).unwrap_or_default();
        let events = waiting.iter().map(|event| Event::clone(event)).collect();
        self.handed_out = self.state.events.len();
        events
    }
}
