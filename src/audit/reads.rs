//! What a member of staff read of people in one request, written down before the answer goes out.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use entity::id::{CustomerId, GuestId};
use serde_json::json;

use super::{Entry, record};
use crate::app::App;
use crate::error::Fault;
use crate::tx::Tx;

/// A person whose data was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Person {
    /// A customer.
    Customer(CustomerId),
    /// A guest identity.
    Guest(GuestId),
}

/// Who was read of in one request.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<BTreeSet<Person>>);

impl Reads {
    /// This person was.
    pub(crate) fn note(&self, person: Person) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(person);
    }

    /// Writes them down, each once; nothing if nobody was.
    pub(crate) async fn write(&self, app: &App) -> Result<(), Fault> {
        let read = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if read.is_empty() { Ok(()) } else { app.change(&read, write).await }
    }
}

async fn write(tx: &Tx, read: &BTreeSet<Person>) -> Result<(), Fault> {
    let entry = |person: &Person| match person {
        Person::Customer(customer) => Entry::of_customer("customer.read", *customer, json!({})),
        Person::Guest(guest) => Entry::of("guest.read", "Guest", guest.0, json!({})),
    };
    record(tx, read.iter().map(entry)).await
}
