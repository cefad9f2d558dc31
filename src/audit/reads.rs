//! What a member of staff read of people in one request, written down before the answer goes out.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use entity::id::{CustomerId, GuestId};
use serde_json::{Value as Json, json};

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

/// What was read in one request.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<Read>);

#[derive(Debug, Default)]
struct Read {
    people: BTreeSet<Person>,
    searches: Vec<Json>,
}

impl Reads {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This person was.
    pub(crate) fn note(&self, person: Person) {
        self.read().people.insert(person);
    }

    /// Customers were looked for, by this.
    pub(crate) fn note_search(&self, filter: Json) {
        self.read().searches.push(filter);
    }

    /// Writes them down, each person once; nothing if nobody was read of or looked for.
    pub(crate) async fn write(&self, app: &App) -> Result<(), Fault> {
        let read = std::mem::take(&mut *self.read());
        if read.people.is_empty() && read.searches.is_empty() {
            return Ok(());
        }
        app.change(&read, write).await
    }
}

async fn write(tx: &Tx, read: &Read) -> Result<(), Fault> {
    let of_person = |person: &Person| match person {
        Person::Customer(customer) => Entry::of_customer("customer.read", *customer, json!({})),
        Person::Guest(guest) => Entry::of("guest.read", "Guest", guest.0, json!({})),
    };
    let of_search = |filter: &Json| Entry {
        act: "customers.search",
        subject: None,
        customer: None,
        detail: filter.clone(),
    };
    let entries = read.searches.iter().map(of_search).chain(read.people.iter().map(of_person));
    record(tx, entries).await
}
