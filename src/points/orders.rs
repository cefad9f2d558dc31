//! What an order does to points: called by the orders slice inside its own transaction.

use std::collections::{BTreeMap, BTreeSet};

use entity::Instant;
use entity::id::{AccountId, CustomerId, GuestId, HoldId, LineId, OrderId, PersonId, ReferralId, ReturnId};
use entity::points_lot::LotSource;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::amount::Points;
use super::command::{Act, Command, Earn, PointsError, Posting, Release, Return, When};
use super::ledger::post;
use super::programme::Activation;
use super::store;
use crate::actor::Actor;
use crate::db::bulk::Rows;
use crate::earning::{self, Gain};
use crate::error::{Fault, Outcome, Stop};
use crate::money::{Currency, Money};
use crate::tiers::{self, Spent};
use crate::tx::Tx;

/// Whose an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Owner {
    /// A customer's.
    Customer(CustomerId),
    /// A guest identity's: earns pending points only.
    Guest(GuestId),
}

/// A paid order that earns.
#[derive(Clone, Debug)]
pub struct PaidOrder {
    /// Which.
    pub order: OrderId,
    /// Whose account it earns on.
    pub owner: Owner,
    /// What its amounts are in.
    pub currency: Currency,
    /// When it was placed: the rules in force then are those it earns by.
    pub placed_at: Instant,
    /// When it was paid: the entries' effective instant.
    pub paid_at: Instant,
    /// When it was delivered, if it was already.
    pub delivered_at: Option<Instant>,
    /// Who says so.
    pub by: Actor,
    /// History: the events say so too.
    pub imported: bool,
    /// Its lines.
    pub lines: Vec<PaidLine>,
}

/// A line that earns.
#[derive(Clone, Debug)]
pub struct PaidLine {
    /// Which.
    pub line: LineId,
    /// The shop's.
    pub sku: String,
    /// As sold.
    pub categories: Vec<String>,
    /// Minor units after discount.
    pub line_total: i64,
    /// Minor units of it that points pay.
    pub redeemed_value: i64,
    /// Ten-thousandths of tax inside the total.
    pub tax_rate: Option<i32>,
}

/// Some pieces of a line come back.
#[derive(Clone, Debug)]
pub struct ReturnedLine {
    /// The return this is.
    pub return_id: ReturnId,
    /// Of which order.
    pub order: OrderId,
    /// Of which line.
    pub line: LineId,
    /// Pieces bought.
    pub bought: i32,
    /// Pieces returned before this return.
    pub returned_before: i32,
    /// Pieces returned with this return included.
    pub returned: i32,
    /// Points of the order's hold that this line carries.
    pub redeemed_points: i32,
    /// Minor units that were paid for it with money.
    pub spent: i64,
}

/// An order of which pieces come back.
#[derive(Clone, Copy, Debug)]
pub struct ReturnedOrder<'a> {
    /// Whose account it earned on.
    pub owner: Owner,
    /// The points that paid part of it.
    pub hold: Option<HoldId>,
    /// What its amounts are in.
    pub currency: Currency,
    /// When it was paid; none if it never was.
    pub paid_at: Option<Instant>,
    /// Which pieces.
    pub lines: &'a [ReturnedLine],
    /// Who says so.
    pub by: Actor,
    /// When they came back.
    pub at: Instant,
}

/// What a hold is worth to the order that it is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// Points that stay held.
    pub points: i32,
    /// What they pay.
    pub value: Money,
}

/// Why a hold cannot be used for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum HoldError {
    /// No such hold of this owner.
    NotFound,
    /// Captured, voided or lapsed already, or pinned to another order.
    NotHeld,
    /// Its value is in another currency.
    CurrencyMismatch,
    /// The order's value admits fewer points than the programme's minimum.
    BelowMinimum,
}

impl Owner {
    /// The account's id is its owner's.
    pub fn account(self) -> AccountId {
        match self {
            Self::Customer(customer) => AccountId(customer.0),
            Self::Guest(guest) => AccountId(guest.0),
        }
    }

    /// To whom messages about it go.
    pub(crate) fn person(self) -> PersonId {
        match self {
            Self::Customer(customer) => customer.into(),
            Self::Guest(guest) => guest.into(),
        }
    }
}

/// The accounts that are meant, and whose they are, by those that were named.
pub(crate) type Owners = BTreeMap<AccountId, (AccountId, Option<CustomerId>)>;

/// Opens accounts for owners that have none.
pub(crate) async fn open_accounts(tx: &Tx, owners: &[Owner]) -> Result<(), Fault> {
    let columns = &[
        "id",
        "customer_id",
        "guest_id",
        "issued",
        "pending",
        "available",
        "held",
        "redeemed",
        "expired",
        "revoked",
        "debt",
        "seq",
        "changed_at",
        "created_at",
    ];
    let mut rows = Rows::new("points_accounts", columns);
    for owner in owners {
        let (customer, guest): (Option<Uuid>, Option<Uuid>) = match owner {
            Owner::Customer(customer) => (Some(customer.0), None),
            Owner::Guest(guest) => (None, Some(guest.0)),
        };
        let zero = || sea_orm::Value::from(0_i64);
        let now = tx.now();
        rows.push([
            owner.account().into(),
            customer.into(),
            guest.into(),
            zero(),
            zero(),
            zero(),
            zero(),
            zero(),
            zero(),
            zero(),
            zero(),
            zero(),
            now.into(),
            now.into(),
        ]);
    }
    rows.insert_missing(tx.db()).await?;
    Ok(())
}

/// Earns for orders of any owners, in one batch, by the rules in force.
pub(crate) async fn earn(tx: &Tx, orders: &[PaidOrder]) -> Result<(), Fault> {
    // All of them, in the order of their ids, before the ledger locks those that earn.
    let named: Vec<AccountId> = orders.iter().map(|order| order.owner.account()).collect();
    let owners = lock_owners(tx, &named).await?;
    let gains = earning::of_orders(tx, orders).await?;
    let commands: Vec<Command> =
        orders.iter().zip(gains).flat_map(|(order, gains)| earnings(tx, order, gains)).collect();
    for posted in post(tx, &commands).await? {
        unless_full(posted)?;
    }
    tiers::count_spent(tx, &owners, &orders.iter().map(spent).collect::<Vec<_>>()).await
}

/// What was paid for the goods of an order with money.
fn spent(order: &PaidOrder) -> Spent {
    let PaidOrder { owner, currency, paid_at: at, imported, .. } = *order;
    let amount = order.lines.iter().map(|line| line.line_total - line.redeemed_value).sum();
    Spent { owner, currency, at, amount, imported }
}

/// Locks these accounts before `post` does, for what is decided on what they had so far.
/// Answers those there are; of one that was merged, the one it was merged into.
pub(crate) async fn lock_accounts(tx: &Tx, accounts: &[AccountId]) -> Result<Vec<AccountId>, Fault> {
    let owners = lock_owners(tx, accounts).await?;
    let found: BTreeSet<AccountId> = owners.into_values().map(|(account, _)| account).collect();
    Ok(found.into_iter().collect())
}

/// The same, with whose they are: the account that each of these means, and its customer, if it is one's.
pub(crate) async fn lock_owners(tx: &Tx, accounts: &[AccountId]) -> Result<Owners, Fault> {
    let mut meant: BTreeMap<AccountId, AccountId> = accounts.iter().map(|id| (*id, *id)).collect();
    loop {
        let rows = store::lock(tx, &meant.values().copied().collect()).await?;
        let heirs: BTreeMap<_, _> = rows.iter().filter_map(|row| Some((row.id, row.merged_into?))).collect();
        if heirs.is_empty() {
            let owners: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, row.customer_id)).collect();
            let owner = |(named, id)| Some((named, (id, *owners.get(&id)?)));
            return Ok(meant.into_iter().filter_map(owner).collect());
        }
        for id in meant.values_mut() {
            *id = heirs.get(id).copied().unwrap_or(*id);
        }
    }
}

/// An account that is full earns no more, and the order is paid all the same.
fn unless_full(posted: Result<Posting, PointsError>) -> Result<(), Fault> {
    if let Err(PointsError::BalanceLimit) = posted {
        tracing::warn!("an account is full: an order's points were not credited");
        return Ok(());
    }
    must(posted).map(|_| ())
}

/// What an order earns: one command for what each rule gives for each line.
fn earnings(tx: &Tx, order: &PaidOrder, gains: Vec<Gain>) -> impl Iterator<Item = Command> {
    let activation = match tx.settings().programme.activation {
        Activation::AtOnce => When::Now,
        Activation::OnRequest => When::Later,
        Activation::DaysAfterDelivery(days) => When::AfterDelivery { days, delivered_at: order.delivered_at },
    };
    gains.into_iter().filter_map(move |gain| {
        let earn = Earn {
            source: LotSource::Order,
            amount: Points::try_from(i64::from(gain.points)).ok()?,
            activation,
            order: Some(order.order),
            line: Some(order.lines.get(gain.line)?.line),
            rule: Some((gain.rule, gain.version)),
            reason: None,
            referral: None,
        };
        Some(Command {
            account: order.owner.account(),
            act: Act::Earn(earn),
            by: order.by,
            effective_at: Some(order.paid_at),
            imported: order.imported,
        })
    })
}

/// The order exists and is paid: a ledger that refuses its points is broken.
fn must(posted: Result<Posting, PointsError>) -> Result<Posting, Fault> {
    posted.map_err(|reason| {
        tracing::error!(?reason, "the ledger refused what an order caused");
        Fault::internal("the ledger refused what an order caused")
    })
}

async fn post_one(
    tx: &Tx,
    owner: Owner,
    act: Act,
    by: Actor,
    at: Option<Instant>,
) -> Result<Result<Posting, PointsError>, Fault> {
    let command = Command { account: owner.account(), act, by, effective_at: at, imported: false };
    post(tx, &[command]).await?.pop().ok_or_else(|| Fault::internal("a command without its posting"))
}

/// What a refusal means for the order that named the hold.
fn hold_error(reason: PointsError) -> Stop<HoldError> {
    match reason {
        PointsError::NotFound | PointsError::GuestAccount => Stop::Refused(HoldError::NotFound),
        PointsError::NotHeld { .. } | PointsError::PinnedToOrder => Stop::Refused(HoldError::NotHeld),
        PointsError::CurrencyMismatch | PointsError::CurrencyNotAccepted => {
            Stop::Refused(HoldError::CurrencyMismatch)
        }
        PointsError::BelowMinimum { .. } => Stop::Refused(HoldError::BelowMinimum),
        PointsError::Insufficient { .. }
        | PointsError::NotPending
        | PointsError::BalanceLimit
        | PointsError::ZeroAmount => Fault::internal("a hold was refused for what it cannot be").into(),
    }
}

/// Pins a hold to an order: clamps it to the order's value, releases the excess.
pub(crate) async fn pin(
    tx: &Tx,
    hold: HoldId,
    owner: Owner,
    order: OrderId,
    value: Money,
    by: Actor,
) -> Outcome<Pinned, HoldError> {
    let posting =
        post_one(tx, owner, Act::Pin { hold, order, value }, by, None).await?.map_err(hold_error)?;
    Ok(Pinned { points: posting.points, value: Money { minor: posting.value, currency: value.currency } })
}

/// Captures the hold of a paid order.
pub(crate) async fn capture(
    tx: &Tx,
    owner: Owner,
    hold: HoldId,
    order: OrderId,
    by: Actor,
    at: Instant,
) -> Outcome<(), HoldError> {
    let act = Act::Capture { hold, order: Some(order) };
    post_one(tx, owner, act, by, Some(at)).await?.map_err(hold_error)?;
    Ok(())
}

/// Gives back the hold of an unpaid order that is cancelled; a hold that lapsed already is fine.
pub(crate) async fn release(tx: &Tx, owner: Owner, hold: HoldId, by: Actor) -> Result<(), Fault> {
    match post_one(tx, owner, Act::Void { hold, why: Release::ByShop }, by, None).await? {
        Err(PointsError::NotHeld { .. }) => Ok(()),
        posted => must(posted).map(|_| ()),
    }
}

/// Tells pending points of these lines when they activate, now that the order is delivered.
pub(crate) async fn delivered(
    tx: &Tx,
    owner: Owner,
    lines: &[LineId],
    delivered_at: Instant,
    by: Actor,
) -> Result<(), Fault> {
    must(post_one(tx, owner, Act::Schedule(lines.to_vec(), delivered_at), by, None).await?)?;
    Ok(())
}

/// Takes back what returned pieces earned and gives back what was redeemed on them, all lines of a return in one batch.
pub(crate) async fn returned(tx: &Tx, order: &ReturnedOrder<'_>) -> Result<(), Fault> {
    let ReturnedOrder { owner, hold, currency, paid_at, lines, by, at } = *order;
    let command =
        |act: Act| Command { account: owner.account(), act, by, effective_at: Some(at), imported: false };
    let of = |line: &ReturnedLine| Return {
        id: line.return_id,
        order: line.order,
        line: line.line,
        bought: line.bought,
        returned_before: line.returned_before,
        returned: line.returned,
        redeemed: hold.map(|hold| (hold, line.redeemed_points)),
        earned_at: paid_at,
    };
    // Redeemed points go back first, those of all lines, so that what is taken back finds them.
    let refunds = lines.iter().filter(|_| hold.is_some()).map(|line| command(Act::Refund(of(line))));
    let commands: Vec<Command> =
        refunds.chain(lines.iter().map(|line| command(Act::ClawBack(of(line))))).collect();
    for posted in post(tx, &commands).await? {
        must(posted)?;
    }
    let Some(paid_at) = paid_at else { return Ok(()) };
    let owners = lock_owners(tx, &[owner.account()]).await?;
    let back = lines.iter().map(ReturnedLine::spent_back).sum::<i64>();
    tiers::count_spent(tx, &owners, &[Spent { owner, currency, at: paid_at, amount: -back, imported: false }])
        .await
}

impl ReturnedLine {
    /// Minor units of what was paid with money that this return takes back; any sequence of returns sums to the whole.
    fn spent_back(&self) -> i64 {
        let share = |pieces: i32| self.spent * i64::from(pieces) / i64::from(self.bought.max(1));
        share(self.returned) - share(self.returned_before)
    }
}

/// What a referral gave an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) account: AccountId,
    pub(crate) referral: ReferralId,
    pub(crate) earned_at: Instant,
}

/// Takes back what referrals gave.
pub(crate) async fn take_back(tx: &Tx, given: &[Given], by: Actor, at: Option<Instant>) -> Result<(), Fault> {
    let command = |given: &Given| Command {
        account: given.account,
        act: Act::TakeBack { referral: given.referral, earned_at: given.earned_at },
        by,
        effective_at: at,
        imported: false,
    };
    for posted in post(tx, &given.iter().map(command).collect::<Vec<_>>()).await? {
        must(posted)?;
    }
    Ok(())
}

/// Moves a guest identity's pending points to the customer that it proved to be, where they activate by the normal rules.
pub(crate) async fn join(tx: &Tx, guest: GuestId, customer: CustomerId) -> Result<(), Fault> {
    let named = (guest, customer);
    let (guest, customer) = (Owner::Guest(guest).account(), Owner::Customer(customer).account());
    let command = |account: AccountId, act: Act| Command {
        account,
        act,
        by: Actor::SYSTEM,
        effective_at: None,
        imported: false,
    };
    // Locks both in the order of their ids before either changes.
    post(tx, &[command(guest, Act::Expire), command(customer, Act::Expire)]).await?;
    let left = post(tx, &[command(guest, Act::JoinOut)]).await?.pop();
    let left = must(left.ok_or_else(|| Fault::internal("a command without its posting"))?)?;
    let arriving: Vec<Command> =
        left.joined.into_iter().map(|lot| command(customer, Act::JoinIn(lot))).collect();
    for posted in post(tx, &arriving).await? {
        unless_full(posted)?;
    }
    tiers::move_to_customer(tx, named.0, named.1).await
}
