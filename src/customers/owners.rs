//! Whose an order is: finds customers and guest identities, and makes those that are missing, for many orders at once.
//!
//! Two transactions may meet the same new buyer: each inserts what it misses, in one order of keys so that they wait
//! for each other in one direction only, and reads back whichever row won. The guest identity of an address is locked,
//! so that a proof of the mailbox either sees the order or is seen by it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::id::{CustomerId, GuestId};
use entity::{customer, guest_identity};
use sea_orm::sea_query::LockType;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use crate::customers::email::EmailAddress;
use crate::customers::words;
use crate::db::bulk::Rows;
use crate::db::dialect::{is_among, is_among_texts};
use crate::error::Fault;
use crate::external_id::ExternalId;
use crate::points::orders::{Owner, open_accounts};
use crate::tx::Tx;

/// Whom an order names as its buyer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Named {
    /// A customer that we know already.
    Customer(CustomerId),
    /// The customer with the shop's own id; made if unknown.
    External(ExternalId),
    /// Whoever proved this address, else its guest identity; made if unknown.
    Email(EmailAddress),
    /// The customer of this address, on an import's word; made if unknown. Stated the same way as an address, so that
    /// it makes no other fingerprint.
    #[serde(rename = "email")]
    Mailbox(EmailAddress),
}

/// A buyer, and the address that the order gives for contact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buyer<'a> {
    /// Who.
    pub(crate) named: &'a Named,
    /// How the shop writes to them about this order; identifies nobody.
    pub(crate) contact: Option<&'a EmailAddress>,
}

/// Whose the orders are.
#[derive(Debug)]
pub(crate) struct Owners {
    /// In the order of the buyers; none for a customer id that there is not.
    pub(crate) owners: Vec<Option<Owner>>,
    /// Customers that were made.
    pub(crate) new_customers: usize,
}

/// Finds or makes the owner of each buyer; at most a dozen statements for any number of them.
pub(crate) async fn find_or_create(tx: &Tx, buyers: &[Buyer<'_>]) -> Result<Owners, Fault> {
    let wanted = Wanted::of(buyers);
    let mut new = New::default();
    let by_id = known(tx, wanted.ids.iter().copied()).await?;
    let by_external = externals(tx, &wanted.externals, &mut new).await?;
    let by_email = emails(tx, &wanted, &mut new).await?;
    open_accounts(tx, &new.owners).await?;
    let find = |buyer: &Buyer<'_>| match buyer.named {
        Named::Customer(id) => by_id.get(id).copied().map(Owner::Customer),
        Named::External(id) => by_external.get(id.as_str()).copied().map(Owner::Customer),
        Named::Email(email) | Named::Mailbox(email) => by_email.get(&email.key()).copied(),
    };
    let owners: Vec<Option<Owner>> = buyers.iter().map(find).collect();
    let made_up = |(owner, buyer): (&Option<Owner>, &Buyer<'_>)| {
        owner.is_none() && !matches!(buyer.named, Named::Customer(_))
    };
    if owners.iter().zip(buyers).any(made_up) {
        return Err(Fault::internal("an owner that was inserted cannot be read back"));
    }
    Ok(Owners { owners, new_customers: new.customers })
}

/// The distinct buyers, sorted by key.
#[derive(Default)]
struct Wanted<'a> {
    ids: BTreeSet<CustomerId>,
    externals: BTreeMap<&'a str, Option<&'a EmailAddress>>,
    guests: BTreeMap<String, &'a EmailAddress>,
    mailboxes: BTreeMap<String, &'a EmailAddress>,
}

impl<'a> Wanted<'a> {
    fn of(buyers: &[Buyer<'a>]) -> Self {
        let mut wanted = Self::default();
        for buyer in buyers {
            match buyer.named {
                Named::Customer(id) => {
                    wanted.ids.insert(*id);
                }
                Named::External(id) => {
                    wanted.externals.entry(id.as_str()).or_insert(buyer.contact);
                }
                Named::Email(email) => {
                    wanted.guests.entry(email.key()).or_insert(email);
                }
                Named::Mailbox(email) => {
                    wanted.mailboxes.entry(email.key()).or_insert(email);
                }
            }
        }
        wanted
    }
}

/// Owners that this transaction made.
#[derive(Default)]
struct New {
    owners: Vec<Owner>,
    customers: usize,
}

impl New {
    fn customers(&mut self, made: impl IntoIterator<Item = CustomerId>) {
        for id in made {
            self.owners.push(Owner::Customer(id));
            self.customers += 1;
        }
    }
}

/// Who there is under these ids, and whom each turned out to be.
///
/// Found customers are held until the transaction ends: a merge waits for the orders that are being recorded for them,
/// and who comes after a merge sees it.
async fn known(
    tx: &Tx,
    ids: impl IntoIterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, CustomerId>, Fault> {
    use customer::Column;

    let mut ends = HashMap::new();
    let mut asked: Vec<(CustomerId, CustomerId)> = ids.into_iter().map(|id| (id, id)).collect();
    while !asked.is_empty() {
        let among = is_among(tx.db().get_database_backend(), "id", asked.iter().map(|(_, id)| id.0));
        let query = customer::Entity::find().select_only().columns([Column::Id, Column::MergedInto]);
        let held = query.filter(among).order_by_asc(Column::Id).lock(LockType::KeyShare);
        let found: Vec<(CustomerId, Option<CustomerId>)> = held.into_tuple().all(tx.db()).await?;
        let found: HashMap<_, _> = found.into_iter().collect();
        let mut merged = Vec::new();
        for (named, id) in asked {
            match found.get(&id) {
                Some(Some(into)) => merged.push((named, *into)),
                Some(None) => {
                    ends.insert(named, id);
                }
                None => {}
            }
        }
        asked = merged;
    }
    Ok(ends)
}

async fn externals(
    tx: &Tx,
    wanted: &BTreeMap<&str, Option<&EmailAddress>>,
    new: &mut New,
) -> Result<HashMap<String, CustomerId>, Fault> {
    let column = customer::Column::ExternalId;
    let mut found = customers_by(tx, column, "external_id", wanted.keys().copied()).await?;
    let missing: Vec<NewCustomer<'_>> = wanted
        .iter()
        .filter(|(external_id, _)| !found.contains_key(**external_id))
        .map(|(external_id, contact)| NewCustomer {
            id: tx.id(),
            external_id: Some(external_id),
            email: contact.map(EmailAddress::as_str),
            email_key: None,
        })
        .collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let key = |customer: &NewCustomer<'_>| customer.external_id.unwrap_or_default().to_owned();
    found.extend(made(tx, &missing, column, "external_id", key, new).await?);
    Ok(found)
}

/// Owners by mailbox: a customer of that address; else, for guests, its guest identity or whom that proved to be.
async fn emails(tx: &Tx, wanted: &Wanted<'_>, new: &mut New) -> Result<HashMap<String, Owner>, Fault> {
    let column = customer::Column::EmailKey;
    let keys: BTreeSet<&str> =
        wanted.guests.keys().chain(wanted.mailboxes.keys()).map(String::as_str).collect();
    let customers = customers_by(tx, column, "email_key", keys.iter().copied()).await?;
    let mut owners: HashMap<String, Owner> =
        customers.into_iter().map(|(key, id)| (key, Owner::Customer(id))).collect();
    let unknown = |owners: &HashMap<String, Owner>| -> Vec<String> {
        keys.iter().filter(|key| !owners.contains_key(**key)).map(|key| (*key).to_owned()).collect()
    };
    let guests = locked_guests(tx, unknown(&owners)).await?;
    let stays_guest = |key: &str| !wanted.mailboxes.contains_key(key);
    owners.extend(guests.into_iter().filter_map(|(key, guest)| match guest.joined {
        Some(customer) => Some((key, Owner::Customer(customer))),
        None => stays_guest(&key).then_some((key, Owner::Guest(guest.id))),
    }));
    let missing = unknown(&owners);
    let (guests, mailboxes): (Vec<String>, Vec<String>) =
        missing.into_iter().partition(|key| stays_guest(key));
    owners.extend(new_mailboxes(tx, &mailboxes, wanted, new).await?);
    owners.extend(new_guests(tx, &guests, wanted, new).await?);
    Ok(owners)
}

async fn new_mailboxes(
    tx: &Tx,
    keys: &[String],
    wanted: &Wanted<'_>,
    new: &mut New,
) -> Result<Vec<(String, Owner)>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let missing: Vec<NewCustomer<'_>> = keys
        .iter()
        .map(|key| NewCustomer {
            id: tx.id(),
            external_id: None,
            email: wanted.mailboxes.get(key).map(|email| email.as_str()),
            email_key: Some(key),
        })
        .collect();
    let column = customer::Column::EmailKey;
    let key = |customer: &NewCustomer<'_>| customer.email_key.unwrap_or_default().to_owned();
    let made = made(tx, &missing, column, "email_key", key, new).await?;
    Ok(made.into_iter().map(|(key, id)| (key, Owner::Customer(id))).collect())
}

async fn new_guests(
    tx: &Tx,
    keys: &[String],
    wanted: &Wanted<'_>,
    new: &mut New,
) -> Result<Vec<(String, Owner)>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = Rows::new("guest_identities", &["id", "email", "email_key", "created_at"]);
    let mut ids = BTreeSet::new();
    for key in keys {
        let id: GuestId = tx.id();
        ids.insert(id);
        let email = wanted.guests.get(key).map_or(key.as_str(), |email| email.as_str());
        rows.push([id.0.into(), email.into(), key.as_str().into(), tx.now().into()]);
    }
    rows.insert_missing(tx.db()).await?;
    let read_back = locked_guests(tx, keys.to_vec()).await?;
    new.owners.extend(read_back.values().filter(|guest| ids.contains(&guest.id)).map(|g| Owner::Guest(g.id)));
    let owner = |guest: Guest| guest.joined.map_or(Owner::Guest(guest.id), Owner::Customer);
    Ok(read_back.into_iter().map(|(key, guest)| (key, owner(guest))).collect())
}

struct NewCustomer<'a> {
    id: CustomerId,
    external_id: Option<&'a str>,
    email: Option<&'a str>,
    email_key: Option<&'a str>,
}

/// Makes customers; answers who has each key, which another transaction may have taken meanwhile.
async fn made(
    tx: &Tx,
    missing: &[NewCustomer<'_>],
    column: customer::Column,
    name: &'static str,
    key: impl Fn(&NewCustomer<'_>) -> String,
    new: &mut New,
) -> Result<HashMap<String, CustomerId>, Fault> {
    let ours = || missing.iter().map(|customer| (key(customer), customer.id));
    let owners: HashMap<String, CustomerId> = if insert_customers(tx, missing).await? == missing.len() {
        ours().collect()
    } else {
        let keys: Vec<String> = missing.iter().map(&key).collect();
        customers_by(tx, column, name, keys.iter().map(String::as_str)).await?
    };
    let is_new = |customer: &&NewCustomer<'_>| owners.get(&key(customer)) == Some(&customer.id);
    let found_by = |customer: &NewCustomer<'_>| {
        let mut words = words::words_of(None, customer.email);
        words.extend(words::words_of(None, customer.email_key));
        (customer.id, words)
    };
    words::insert(tx, missing.iter().filter(is_new).map(found_by)).await?;
    new.customers(missing.iter().filter(is_new).map(|customer| customer.id));
    Ok(owners)
}

/// Inserts those that are not there yet; all are enrolled, none is registered. Answers how many that were.
async fn insert_customers(tx: &Tx, customers: &[NewCustomer<'_>]) -> Result<usize, Fault> {
    let columns = &["id", "external_id", "email", "email_key", "enrolled_at", "created_at", "updated_at"];
    let mut rows = Rows::new("customers", columns);
    for customer in customers {
        rows.push([
            customer.id.0.into(),
            customer.external_id.into(),
            customer.email.into(),
            customer.email_key.into(),
            tx.now().into(),
            tx.now().into(),
            tx.now().into(),
        ]);
    }
    rows.insert_missing(tx.db()).await
}

/// Who has each key, or whom that one turned out to be; held as in [`known`].
async fn customers_by(
    tx: &Tx,
    column: customer::Column,
    name: &'static str,
    keys: impl Iterator<Item = &str>,
) -> Result<HashMap<String, CustomerId>, Fault> {
    use customer::Column;

    let keys: Vec<String> = keys.map(str::to_owned).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let among = is_among_texts(tx.db().get_database_backend(), name, keys);
    let query = customer::Entity::find().select_only().columns([column, Column::Id, Column::MergedInto]);
    let held = query.filter(among).order_by_asc(Column::Id).lock(LockType::KeyShare);
    let found: Vec<(String, CustomerId, Option<CustomerId>)> = held.into_tuple().all(tx.db()).await?;
    let ends = known(tx, found.iter().filter_map(|(_, _, into)| *into)).await?;
    let end = |(key, id, into): (String, CustomerId, Option<CustomerId>)| match into {
        Some(into) => ends.get(&into).map(|end| (key, *end)),
        None => Some((key, id)),
    };
    Ok(found.into_iter().filter_map(end).collect())
}

struct Guest {
    id: GuestId,
    joined: Option<CustomerId>,
}

/// The guest identities of these addresses, locked until the transaction ends.
async fn locked_guests(tx: &Tx, keys: Vec<String>) -> Result<HashMap<String, Guest>, Fault> {
    use guest_identity::Column;

    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let among = is_among_texts(tx.db().get_database_backend(), "email_key", keys);
    let found: Vec<(String, GuestId, Option<CustomerId>)> = guest_identity::Entity::find()
        .select_only()
        .columns([Column::EmailKey, Column::Id, Column::CustomerId])
        .filter(among)
        .order_by_asc(Column::EmailKey)
        .lock_exclusive()
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(found.into_iter().map(|(key, id, joined)| (key, Guest { id, joined })).collect())
}
