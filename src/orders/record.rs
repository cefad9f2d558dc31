//! Recording orders: one path for the API's one and for an import's hundreds, in a handful of statements.

mod draft;
mod write;

use std::collections::{BTreeSet, HashMap};

use entity::Instant;
use entity::id::{AccountId, HoldId, MembershipId, OrderId, SlotHoldId};
use entity::order::OrderState;
use serde::Serialize;

use self::draft::Draft;
use self::write::{Stored, stored};
use super::{OrderError, rules};
use crate::actor::Actor;
use crate::customers::address::Address;
use crate::customers::email::EmailAddress;
use crate::customers::owners::{Buyer, Named, find_or_create};
use crate::customers::profile::{Locale, PersonName};
use crate::earning::LineFacts;
use crate::error::{Fault, Outcome, refuse};
use crate::external_id::ExternalId;
use crate::idempotency;
use crate::money::Currency;
use crate::points::rules::Basis;
use crate::referrals::CardHash;
use crate::tx::Tx;

/// The channel of an order that does not say.
pub const DEFAULT_CHANNEL: &str = "web";

/// An order as the shop states it. What serialises of it is its fingerprint: who stated it is not part of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The shop's; recorded once.
    pub external_id: ExternalId,
    /// Who bought.
    pub buyer: Named,
    /// Where the shop writes to about it; identifies nobody.
    pub email: Option<EmailAddress>,
    /// Where it was bought, such as `web`.
    pub channel: String,
    /// What its amounts are in.
    pub currency: Currency,
    /// 1 to 500.
    pub lines: Vec<RecordLine>,
    /// Minor units.
    pub shipping: i64,
    /// When it was placed; now if none.
    pub placed_at: Option<Instant>,
    /// Code of a coupon.
    pub coupon: Option<String>,
    /// Code of the customer who brought the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral_code: Option<String>,
    /// The card that pays it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<CardHash>,
    /// Points that pay part of it.
    pub hold: Option<HoldId>,
    /// The membership that the buyer joins with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<MembershipId>,
    /// The place in a delivery slot that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_hold: Option<SlotHoldId>,
    /// Code of what it is delivered by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_method: Option<String>,
    /// Where it is already; what has happened so far happened when it was placed.
    pub state: OrderState,
    /// Of the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
    /// Where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    /// Where its invoice goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    /// What mails that it causes are written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// History: triggers nothing.
    #[serde(skip)]
    pub imported: bool,
    /// Who says so.
    #[serde(skip)]
    pub by: Actor,
}

/// A line as the shop states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordLine {
    /// The shop's.
    pub sku: String,
    /// As sold.
    pub name: String,
    /// At most 20.
    pub categories: Vec<String>,
    /// 1 to 1,000,000.
    pub quantity: i32,
    /// Minor units after discount; authoritative.
    pub line_total: i64,
    /// Ten-thousandths of tax inside the total.
    pub tax_rate: Option<i32>,
    /// Grams of one piece; those of the product, if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_grams: Option<i32>,
}

impl RecordLine {
    /// As rules look at it, apart from what it earns.
    fn facts(&self, currency: Currency) -> LineFacts<'_> {
        let (line_total, tax_rate) = (self.line_total, self.tax_rate);
        let basis = Basis { currency, line_total, redeemed_value: 0, tax_rate };
        LineFacts { sku: &self.sku, categories: &self.categories, basis }
    }
}

/// What became of one order of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is new.
    New(OrderId),
    /// The same was recorded before.
    Unchanged {
        /// As which order.
        order: OrderId,
        /// When.
        recorded_at: Instant,
    },
}

/// What became of a batch.
#[derive(Debug)]
pub struct Batch {
    /// In the order of the records.
    pub results: Vec<Result<Recorded, OrderError>>,
    /// Customers that were made for them.
    pub new_customers: usize,
    /// Lines of the new orders.
    pub new_lines: Vec<entity::id::LineId>,
    /// The accounts that these orders are on.
    pub accounts: BTreeSet<AccountId>,
}

/// Records one order; a refusal undoes everything.
pub(crate) async fn record_one(tx: &Tx, record: &Record) -> Outcome<OrderId, OrderError> {
    let batch = record_batch(tx, &[record]).await?;
    match batch.results.into_iter().next() {
        Some(Ok(Recorded::New(order) | Recorded::Unchanged { order, .. })) => Ok(order),
        Some(Err(reason)) => refuse(reason),
        None => Err(Fault::internal("a batch without its result").into()),
    }
}

/// Records many orders; one that is refused does not disturb the others.
pub(crate) async fn record(tx: &Tx, records: &[Record]) -> Result<Batch, Fault> {
    let records: Vec<&Record> = records.iter().collect();
    record_batch(tx, &records).await
}

/// What each order would be refused for by its own rules and by what is recorded, without recording anything.
pub(crate) async fn examine(tx: &Tx, records: &[Record]) -> Result<Vec<Result<(), OrderError>>, Fault> {
    let records: Vec<&Record> = records.iter().collect();
    let mut sorting = Sorting::of(&records, tx.clock_now())?;
    sorting.settle_known(tx).await?;
    Ok(sorting.results.into_iter().map(|result| result.unwrap_or(Ok(None)).map(drop)).collect())
}

async fn record_batch(tx: &Tx, records: &[&Record]) -> Result<Batch, Fault> {
    let mut sorting = Sorting::of(records, tx.clock_now())?;
    sorting.settle_known(tx).await?;
    let (drafts, new_customers) = sorting.drafts(tx).await?;
    let written = write::write(tx, drafts).await?;
    let mut new_lines = Vec::new();
    let accounts = written.new.iter().map(Draft::account).collect();
    for draft in &written.new {
        sorting.results[draft.index] = Some(Ok(Some(Recorded::New(draft.id))));
        new_lines.extend(draft.lines.iter().map(|line| line.id));
    }
    for (index, reason) in written.refused {
        sorting.results[index] = Some(Err(reason));
    }
    // Orders that another transaction recorded meanwhile.
    sorting.settle_known(tx).await?;
    let results = sorting.finish(tx.now())?;
    Ok(Batch { results, new_customers, new_lines, accounts })
}

/// A batch on its way: what is settled, what is still to be recorded.
struct Sorting<'a> {
    records: &'a [&'a Record],
    fingerprints: Vec<Vec<u8>>,
    /// `Ok(None)` is a repetition of an earlier order of the batch, settled in the end.
    results: Vec<Option<Result<Option<Recorded>, OrderError>>>,
    /// Where an external id comes first.
    firsts: HashMap<&'a str, usize>,
}

impl<'a> Sorting<'a> {
    fn of(records: &'a [&'a Record], now: Instant) -> Result<Self, Fault> {
        let fingerprints = records.iter().map(idempotency::fingerprint).collect::<Result<_, _>>()?;
        let mut firsts = HashMap::new();
        let mut results = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            results.push(match rules::check(record, now) {
                Err(reason) => Some(Err(reason)),
                Ok(()) if *firsts.entry(record.external_id.as_str()).or_insert(index) != index => {
                    Some(Ok(None))
                }
                Ok(()) => None,
            });
        }
        Ok(Self { records, fingerprints, results, firsts })
    }

    fn open(&self) -> impl Iterator<Item = usize> {
        let open = self.results.iter().enumerate().filter(|(_, result)| result.is_none());
        open.map(|(index, _)| index)
    }

    /// Settles what is in the database already.
    async fn settle_known(&mut self, tx: &Tx) -> Result<(), Fault> {
        let ids = self.open().map(|index| self.records[index].external_id.as_str().to_owned()).collect();
        for (external_id, stored) in stored(tx, ids).await? {
            if let Some(index) = self.firsts.get(external_id.as_str()) {
                self.results[*index] = Some(against(&stored, &self.fingerprints[*index]).map(Some));
            }
        }
        Ok(())
    }

    /// Gives each open order its owner and ids; those whose customer is unknown are refused.
    async fn drafts(&mut self, tx: &Tx) -> Result<(Vec<Draft<'a>>, usize), Fault> {
        let open: Vec<usize> = self.open().collect();
        let buyers: Vec<Buyer<'_>> = open
            .iter()
            .map(|index| self.records[*index])
            .map(|record| Buyer { named: &record.buyer, contact: record.email.as_ref() })
            .collect();
        let owners = find_or_create(tx, &buyers).await?;
        let mut drafts = Vec::with_capacity(open.len());
        for (index, owner) in open.into_iter().zip(owners.owners) {
            match owner {
                Some(owner) => {
                    let fingerprint = self.fingerprints[index].clone();
                    drafts.push(Draft::new(tx, index, self.records[index], fingerprint, owner)?);
                }
                None => self.results[index] = Some(Err(OrderError::UnknownCustomer)),
            }
        }
        Ok((drafts, owners.new_customers))
    }

    /// The results, repetitions judged by what became of the first.
    fn finish(self, now: Instant) -> Result<Vec<Result<Recorded, OrderError>>, Fault> {
        let judge = |index: usize| -> Result<Result<Recorded, OrderError>, Fault> {
            let settled = |index: usize| {
                self.results[index].clone().ok_or_else(|| Fault::internal("an order was left unsettled"))
            };
            let recorded = match settled(index)? {
                Ok(Some(recorded)) => return Ok(Ok(recorded)),
                Err(reason) => return Ok(Err(reason)),
                Ok(None) => self.firsts.get(self.records[index].external_id.as_str()).copied(),
            };
            let first = recorded.ok_or_else(|| Fault::internal("a repetition of nothing"))?;
            if self.fingerprints[first] != self.fingerprints[index] {
                return Ok(Err(OrderError::ExternalIdReused));
            }
            match settled(first)? {
                Ok(Some(Recorded::New(order))) => Ok(Ok(Recorded::Unchanged { order, recorded_at: now })),
                Ok(Some(unchanged)) => Ok(Ok(unchanged)),
                Err(reason) => Ok(Err(reason)),
                Ok(None) => Err(Fault::internal("a first that is a repetition")),
            }
        };
        (0..self.results.len()).map(judge).collect()
    }
}

fn against(stored: &Stored, fingerprint: &[u8]) -> Result<Recorded, OrderError> {
    if stored.fingerprint == fingerprint {
        Ok(Recorded::Unchanged { order: stored.id, recorded_at: stored.recorded_at })
    } else {
        Err(OrderError::ExternalIdReused)
    }
}
