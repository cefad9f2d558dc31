//! What the ledger can be told to do, what it answers, and why it refuses.

use entity::Instant;
use entity::id::{AccountId, EntryId, HoldId, LineId, LotId, OrderId, ReferralId, ReturnId};
use entity::points_entry::Bucket;
use entity::points_hold::HoldState;
use entity::points_lot::LotSource;
use serde::{Deserialize, Serialize};

use super::amount::Points;
use super::opening::Opening;
use crate::actor::Actor;
use crate::money::{Currency, Money};

/// One act on one account.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Command {
    /// Whose points.
    pub(crate) account: AccountId,
    /// What to do.
    pub(crate) act: Act,
    /// Who does it.
    pub(crate) by: Actor,
    /// When it counts, if not now.
    pub(crate) effective_at: Option<Instant>,
    /// History: its event triggers nothing.
    pub(crate) imported: bool,
}

/// What to do with an account's points.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum Act {
    /// `ISSUED → AVAILABLE`, or `→ PENDING` until `activation`.
    Earn(Earn),
    /// `PENDING → AVAILABLE` of one earn.
    Activate(LotId),
    /// These lines were delivered: their earns activate as many days later as was frozen when they were earned.
    Schedule(Vec<LineId>, Instant),
    /// `AVAILABLE → HELD`.
    Hold(Hold),
    /// Clamps a hold to the value of an order and ties it to that order.
    Pin {
        /// Which hold.
        hold: HoldId,
        /// Which order.
        order: OrderId,
        /// What the order's goods cost.
        value: Money,
    },
    /// `HELD → REDEEMED`.
    Capture {
        /// Which hold.
        hold: HoldId,
        /// The order it must be pinned to; none for a hold of no order.
        order: Option<OrderId>,
    },
    /// `HELD → AVAILABLE`.
    Void {
        /// Which hold.
        hold: HoldId,
        /// Why.
        why: Release,
    },
    /// Hold and capture in one.
    Redeem(Points, Option<String>),
    /// By staff: up into a new lot, down from what is available.
    Adjust(i32, String),
    /// `ISSUED → AVAILABLE`: a balance is brought over from another programme.
    Open(Opening),
    /// A redemption for something that is no order is undone: its points go back to their lots.
    Undo(HoldId),
    /// Pieces of a line come back: what was redeemed on them goes back to its lots.
    Refund(Return),
    /// Pieces of a line come back: what they earned is taken back.
    ClawBack(Return),
    /// What a referral gave is taken back.
    TakeBack {
        /// Which.
        referral: ReferralId,
        /// When it gave that: it counts for tiers no more.
        earned_at: Instant,
    },
    /// Every waiting earn of a guest leaves.
    JoinOut,
    /// An earn of a guest arrives.
    JoinIn(MovedLot),
    /// Everything leaves a customer who turned out to be another.
    MergeOut,
    /// Everything of such a customer arrives.
    MergeIn(Box<Moved>),
    /// Nothing but what every command does first: due lots expire.
    Expire,
    /// The same, and an import has told all of the past.
    EndHistory,
}

/// Points to earn.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Earn {
    /// What gives them.
    pub(crate) source: LotSource,
    /// How many, above 0.
    pub(crate) amount: Points,
    /// When they can be spent.
    pub(crate) activation: When,
    /// The order behind them.
    pub(crate) order: Option<OrderId>,
    /// The line behind them.
    pub(crate) line: Option<LineId>,
    /// The rule that gave them and its version.
    pub(crate) rule: Option<(String, i32)>,
    /// In words, if the shop gave some.
    pub(crate) reason: Option<String>,
    /// The referral behind them.
    pub(crate) referral: Option<ReferralId>,
}

/// When earned points can be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum When {
    /// At once.
    Now,
    /// So many days after delivery, which is known or will be told.
    AfterDelivery {
        /// Days, of 24 hours.
        days: u32,
        /// When it was delivered, if it was already.
        delivered_at: Option<Instant>,
    },
    /// When somebody says so.
    Later,
}

/// Points to set aside.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hold {
    /// At most so many, above 0.
    pub(crate) requested: Points,
    /// What they are to pay in.
    pub(crate) currency: Currency,
    /// What the shop says the order costs, in minor units; the cap is a share of it.
    pub(crate) order_value: Option<i64>,
}

/// Why a hold gives its points back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Release {
    /// The shop says so, or cancelled the order.
    ByShop,
    /// The customer changed their mind: only while no order has the hold.
    ByCustomer,
    /// Its time is over.
    Lapsed,
}

/// Pieces of a line that come back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Return {
    /// Which return.
    pub(crate) id: ReturnId,
    /// Of which order.
    pub(crate) order: OrderId,
    /// Of which line.
    pub(crate) line: LineId,
    /// Pieces bought.
    pub(crate) bought: i32,
    /// Pieces returned before.
    pub(crate) returned_before: i32,
    /// Pieces returned with this return.
    pub(crate) returned: i32,
    /// The order's hold and how many of its points this line carries.
    pub(crate) redeemed: Option<(HoldId, i32)>,
    /// When the line earned, if it did.
    pub(crate) earned_at: Option<Instant>,
}

/// An earn on its way from one account to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MovedLot {
    /// The lot that it left.
    pub(crate) left: LotId,
    pub(crate) source: LotSource,
    pub(crate) line: Option<LineId>,
    pub(crate) rule: Option<String>,
    pub(crate) rule_version: Option<i32>,
    pub(crate) amount: i32,
    pub(crate) pending: i32,
    pub(crate) remaining: i32,
    pub(crate) clawed_back: i32,
    pub(crate) lapsed: i32,
    pub(crate) activates_after: Option<i32>,
    pub(crate) activates_at: Option<Instant>,
    pub(crate) opened_at: Option<Instant>,
    pub(crate) expires_at: Option<Instant>,
    /// Whether the account that it left had not run out since; none if it does not end that way.
    #[serde(default)]
    pub(crate) is_of_running_period: Option<bool>,
    #[serde(default)]
    pub(crate) referral: Option<ReferralId>,
}

/// A hold on its way from one account to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MovedHold {
    pub(crate) id: HoldId,
    pub(crate) order: Option<OrderId>,
    pub(crate) state: HoldState,
    pub(crate) amount: i32,
    pub(crate) reversed: i32,
    pub(crate) currency: Option<String>,
    pub(crate) value: i64,
    pub(crate) reference: Option<String>,
    pub(crate) expires_at: Instant,
    pub(crate) created_at: Instant,
    pub(crate) ended_at: Option<Instant>,
    /// What it took from which lots, less what it gave back.
    pub(crate) taken: Vec<(LotId, i32)>,
}

/// A whole account on its way to another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// By age.
    pub(crate) lots: Vec<MovedLot>,
    /// Those that have points of lots.
    pub(crate) holds: Vec<MovedHold>,
    /// What is in no lot, by bucket.
    pub(crate) rest: Vec<(Bucket, i64)>,
    /// When it would have run out, and the months that an activity lets it live.
    #[serde(default)]
    pub(crate) activity: Option<(Instant, i32)>,
}

/// What a command did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Posting {
    /// Points that moved, as the command means them.
    pub(crate) points: i32,
    /// The entries it appended.
    pub(crate) entries: Vec<EntryId>,
    /// The earn it made or activated.
    pub(crate) lot: Option<LotId>,
    /// The hold it made or changed.
    pub(crate) hold: Option<HoldId>,
    /// What the hold is worth in minor units.
    pub(crate) value: i64,
    /// Earns that left a guest.
    pub(crate) joined: Vec<MovedLot>,
    /// What left a customer who turned out to be another.
    #[serde(default)]
    pub(crate) moved: Option<Box<Moved>>,
}

/// Why the ledger refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PointsError {
    /// No such account, hold or earn of this account.
    NotFound,
    /// More than is available.
    Insufficient {
        /// What is.
        available: i64,
    },
    /// What could be applied is less than the programme's minimum.
    BelowMinimum {
        /// What could be applied.
        applied: i64,
        /// The least.
        minimum: i64,
    },
    /// The hold is not open any more.
    NotHeld {
        /// Where it is.
        state: HoldState,
    },
    /// An order has the hold.
    PinnedToOrder,
    /// The programme takes no points in this currency.
    CurrencyNotAccepted,
    /// The hold is worth another currency.
    CurrencyMismatch,
    /// Nothing of this earn is pending.
    NotPending,
    /// Guests spend nothing.
    GuestAccount,
    /// The account would hold more than 2,147,483,647 points.
    BalanceLimit,
    /// Zero, where something must move.
    ZeroAmount,
}
