//! Everything this Stripe knows: its objects, its clock and what happened.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::doc;
use crate::events::Event;
use crate::form::Form;
use crate::refusal::Refusal;

#[derive(Clone)]
struct Entry {
    now: Arc<Value>,
    /// The state before the turn of the last change, for reads that lag behind.
    before: Option<Arc<Value>>,
    turn: u64,
}

/// Which call is being served, as events tell it.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    pub(crate) request: Option<String>,
    pub(crate) key: Option<String>,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) now: i64,
    pub(crate) origin: Origin,
    pub(crate) events: Vec<Arc<Event>>,
    /// Lines that wait for the next invoice of their subscription.
    pub(crate) pending_lines: Vec<(String, Value)>,
    /// The subscriptions whose trial's end has been announced.
    pub(crate) announced: HashSet<String>,
    /// What a checkout session sells, as the parameters of the subscription to be.
    pub(crate) baskets: HashMap<String, Form>,
    /// To how many endpoints events are told.
    pub(crate) webhooks: usize,
    /// Whatever there is, by its id; shared by the copies that are kept for going back.
    entries: HashMap<String, Entry>,
    /// The ids of each kind in the order of creation: within one second, nothing else tells it.
    kinds: HashMap<String, Vec<String>>,
    count: u64,
    turn: u64,
}

impl State {
    pub(crate) fn new(now: i64) -> Self {
        Self {
            now,
            origin: Origin::default(),
            events: Vec::new(),
            pending_lines: Vec::new(),
            announced: HashSet::new(),
            baskets: HashMap::new(),
            webhooks: 0,
            entries: HashMap::new(),
            kinds: HashMap::new(),
            count: 0,
            turn: 0,
        }
    }

    /// Begins a call, or a step of the clock: what changes in it changes at once.
    pub(crate) fn begin(&mut self, origin: Origin) {
        self.origin = origin;
        self.turn += 1;
    }

    /// A new id. As at Stripe, ids do not tell which object is older.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}_{:016x}", self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Keeps a new object and returns it.
    pub(crate) fn add(&mut self, doc: Value) -> Value {
        let entry = Entry { now: Arc::new(doc.clone()), before: None, turn: self.turn };
        self.entries.insert(doc::id(&doc), entry);
        self.kinds.entry(doc::text(&doc, "/object").to_owned()).or_default().push(doc::id(&doc));
        doc
    }

    /// Whatever has that id.
    pub(crate) fn find(&self, id: &str) -> Option<&Value> {
        self.entries.get(id).map(|entry| &*entry.now)
    }

    /// The object of that kind and id, as it is named in a path.
    pub(crate) fn get(&self, kind: &str, id: &str) -> Result<Value, Refusal> {
        let found = self.find(id).filter(|doc| doc["object"] == kind);
        found.cloned().ok_or_else(|| Refusal::missing(kind, id))
    }

    /// The object of that kind which a parameter names.
    pub(crate) fn named(&self, param: &str, kind: &str, id: &str) -> Result<Value, Refusal> {
        let found = self.find(id).filter(|doc| doc["object"] == kind && doc["deleted"] != true);
        found.cloned().ok_or_else(|| Refusal::no_such(param, kind, id))
    }

    /// The object as it was before the last call that changed it.
    pub(crate) fn before(&self, id: &str) -> Option<&Value> {
        self.entries.get(id).and_then(|entry| entry.before.as_deref())
    }

    /// Changes an object; says whether that made a difference, by what was otherwise before.
    pub(crate) fn change(&mut self, id: &str, work: impl FnOnce(&mut Value)) -> Option<Value> {
        let entry = self.entries.get_mut(id)?;
        let before = Arc::clone(&entry.now);
        work(Arc::make_mut(&mut entry.now));
        let difference = (before != entry.now).then(|| doc::difference(&before, &entry.now));
        if difference.is_some() && entry.turn != self.turn {
            entry.before = Some(before);
            entry.turn = self.turn;
        }
        difference
    }

    /// Changes an object and tells it by an event of that kind, if it made a difference.
    pub(crate) fn update(&mut self, id: &str, kind: &str, work: impl FnOnce(&mut Value)) {
        if let Some(difference) = self.change(id, work) {
            self.tell(kind, id, Some(difference));
        }
    }

    /// The objects of a kind, the newest first.
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        let ids = self.kinds.get(kind).into_iter().flatten().rev();
        ids.filter_map(|id| self.find(id)).cloned().collect()
    }

    /// Goes back to an earlier state, but gives no id twice.
    pub(crate) fn restore(&mut self, earlier: Self) {
        let count = self.count;
        *self = earlier;
        self.count = count;
    }
}
