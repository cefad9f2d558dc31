//! The audit log: who did or read what, for whom and why, append-only.
//!
//! Invariant: an entry is written in the transaction of what it tells of, and never changed but to be sealed; what is
//! personal in it can be read only while the customer's key exists.

pub mod api;
pub(crate) mod cipher;
pub(crate) mod reads;
pub(crate) mod seal;
pub mod verify;

use std::collections::{BTreeSet, HashMap};

use entity::id::{AuditEntryId, CustomerId};
use sea_orm::ActiveEnum;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::db::bulk::Rows;
use crate::error::Fault;
use crate::tx::Tx;
use cipher::Cipher;

/// What was done or read.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Such as `customer.disable`.
    pub(crate) act: &'static str,
    /// What kind of thing it was done to, and which.
    pub(crate) subject: Option<(&'static str, Uuid)>,
    /// On whose behalf; the detail is encrypted with this customer's key.
    pub(crate) customer: Option<CustomerId>,
    /// An object with `reason`, `before` and `after`, as far as there are.
    pub(crate) detail: Json,
}

impl Entry {
    /// About a customer.
    pub(crate) fn of_customer(act: &'static str, customer: CustomerId, detail: Json) -> Self {
        Self { act, subject: Some(("Customer", customer.0)), customer: Some(customer), detail }
    }

    /// About something that is no person.
    pub(crate) fn of(act: &'static str, kind: &'static str, id: Uuid, detail: Json) -> Self {
        Self { act, subject: Some((kind, id)), customer: None, detail }
    }
}

const COLUMNS: &[&str] = &[
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "act",
    "subject_kind",
    "subject_id",
    "customer_id",
    "request_id",
    "detail",
];

/// Writes entries with the change of this transaction, in the name of whoever it works for.
pub(crate) async fn record(tx: &Tx, entries: impl IntoIterator<Item = Entry>) -> Result<(), Fault> {
    let entries: Vec<Entry> = entries.into_iter().collect();
    let about: BTreeSet<CustomerId> = entries.iter().filter_map(|entry| entry.customer).collect();
    let ciphers: HashMap<CustomerId, Cipher> = cipher::find_or_make(tx, &about).await?;
    let caller = tx.caller();
    let mut rows = Rows::new("audit_entries", COLUMNS);
    for entry in entries {
        let id: AuditEntryId = tx.id();
        let plain = serde_json::to_vec(&entry.detail)?;
        let detail = match entry.customer.and_then(|customer| ciphers.get(&customer)) {
            Some(cipher) => cipher.encrypt(id.0, plain)?,
            None => plain,
        };
        rows.push([
            id.0.into(),
            tx.now().into(),
            caller.actor.kind.to_value().into(),
            caller.actor.id.into(),
            entry.act.into(),
            entry.subject.map(|(kind, _)| kind).into(),
            entry.subject.map(|(_, id)| id).into(),
            entry.customer.map(|customer| customer.0).into(),
            caller.request.clone().into(),
            detail.into(),
        ]);
    }
    rows.insert(tx.db()).await
}
