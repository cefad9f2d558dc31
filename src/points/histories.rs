//! Random histories of an account, posted to a database and told to the plain model.

use chrono::TimeDelta;
use entity::id::{CustomerId, GuestId, HoldId, LineId, LotId, OrderId, ReturnId};
use entity::points_account;
use entity::points_lot::LotSource;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sea_orm::{ConnectionTrait, EntityTrait};
use uuid::Uuid;

use super::amount::Points;
use super::command::{Act, Command, Earn, Hold, Release, Return, When};
use super::jobs;
use super::ledger::post;
use super::merges::merge;
use super::model::{Member, Stage};
use super::orders::{Owner, open_accounts};
use super::programme::{Expiry, Period, Programme, ReturnPolicy};
use crate::actor::Actor;
use crate::app::App;
use crate::money::Currency;
use crate::settings::ShopSettings;
use crate::tx::Tx;

/// Pieces bought on every line.
pub(super) const BOUGHT: i32 = 7;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Earn {
        points: u16,
        line: Option<usize>,
        at_once: bool,
    },
    Activate(usize),
    Hold(u16),
    Capture(usize),
    Void(usize),
    Redeem(u16),
    Adjust(i16),
    Return {
        line: usize,
        pieces: i32,
    },
    /// Pieces that a hold paid come back.
    Refund {
        hold: usize,
        pieces: i32,
    },
    /// The shop changes its programme.
    Change(Expiry),
    Wait {
        minutes: i64,
    },
    /// What follows may name what came before, and starts a new batch.
    Look,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let amount = || 0..150_u16;
    prop_oneof![
        4 => (1..200_u16, proptest::option::of(0..4_usize), any::<bool>())
            .prop_map(|(points, line, at_once)| Op::Earn { points, line, at_once }),
        2 => any::<usize>().prop_map(Op::Activate),
        2 => amount().prop_map(Op::Hold),
        2 => any::<usize>().prop_map(Op::Capture),
        1 => any::<usize>().prop_map(Op::Void),
        2 => amount().prop_map(Op::Redeem),
        1 => (-100..100_i16).prop_map(Op::Adjust),
        2 => (0..4_usize, 1..4_i32).prop_map(|(line, pieces)| Op::Return { line, pieces }),
        2 => (any::<usize>(), 1..4_i32).prop_map(|(hold, pieces)| Op::Refund { hold, pieces }),
        1 => expiry().prop_map(Op::Change),
        1 => prop_oneof![Just(10), Just(31), Just(60 * 24 * 20), Just(60 * 24 * 70)]
            .prop_map(|minutes| Op::Wait { minutes }),
        4 => Just(Op::Look),
    ]
}

/// An account under test with its model.
pub(super) struct History<'a> {
    pub(super) app: &'a App,
    pub(super) owner: Owner,
    pub(super) member: Member,
    /// Post every command in a transaction of its own.
    singly: bool,
    batch: Vec<Command>,
    expected: Vec<bool>,
    pub(super) lots: Vec<LotId>,
    holds: Vec<HoldId>,
    known: (usize, usize),
    lines: [LineId; 4],
    earned: [bool; 4],
    returned: [i32; 4],
    /// Pieces that each hold paid and that came back.
    refunded: Vec<i32>,
}

impl<'a> History<'a> {
    pub(super) async fn begin(app: &'a App, is_guest: bool, singly: bool) -> Self {
        let owner = new_owner(app, is_guest).await;
        let settings = app.settings();
        let member = Member {
            is_guest,
            now: app.clock.now(),
            programme: settings.programme.clone(),
            zone: settings.time_zone,
            parcels: Vec::new(),
            asides: Vec::new(),
            redeemed: 0,
            expired: 0,
            debt: 0,
            runs_out: None,
            months: None,
            period: 0,
        };
        let lines = std::array::from_fn(|_| LineId(new_id(app)));
        Self {
            app,
            owner,
            member,
            singly,
            batch: Vec::new(),
            expected: Vec::new(),
            lots: Vec::new(),
            holds: Vec::new(),
            known: (0, 0),
            lines,
            earned: [false; 4],
            returned: [0; 4],
            refunded: Vec::new(),
        }
    }

    pub(super) async fn run(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Wait { minutes } => {
                self.look().await?;
                let by = TimeDelta::minutes(*minutes);
                self.app.clock.advance(by);
                jobs::sweep(self.app).await.unwrap();
                self.member.wait(by);
            }
            Op::Change(expiry) => {
                self.look().await?;
                let programme = Programme { expiry: *expiry, ..self.member.programme.clone() };
                run_programme(self.app, programme.clone());
                self.member.programme = programme;
            }
            Op::Look => self.look().await?,
            other => {
                if let Some((act, succeeds)) = self.tell(other) {
                    self.batch.push(Command {
                        account: self.owner.account(),
                        act,
                        by: Actor::SYSTEM,
                        effective_at: None,
                        imported: false,
                    });
                    self.expected.push(succeeds);
                    if self.singly {
                        self.flush().await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the model, and gives the act with whether it is to succeed.
    fn tell(&mut self, op: &Op) -> Option<(Act, bool)> {
        let pick = |of: usize, index: usize| (of > 0).then(|| index % of);
        Some(match *op {
            Op::Earn { points, line, at_once } => {
                let line = line.filter(|line| !std::mem::replace(&mut self.earned[*line], true));
                self.member.buy(points.into(), line, at_once);
                (self.earning(points, line, at_once), true)
            }
            Op::Activate(index) => {
                let index = pick(self.known.0, index)?;
                (Act::Activate(self.lots[index]), self.member.activate(index))
            }
            Op::Hold(points) => {
                let hold = Hold { requested: points_of(points), currency: Currency::EUR, order_value: None };
                (Act::Hold(hold), self.member.hold(points.into()))
            }
            Op::Capture(index) => {
                let index = pick(self.known.1, index)?;
                (Act::Capture { hold: self.holds[index], order: None }, self.member.capture(index))
            }
            Op::Void(index) => {
                let index = pick(self.known.1, index)?;
                let act = Act::Void { hold: self.holds[index], why: Release::ByShop };
                (act, self.member.void(index))
            }
            Op::Redeem(points) => (Act::Redeem(points_of(points), None), self.member.redeem(points.into())),
            Op::Adjust(delta) => {
                (Act::Adjust(delta.into(), "test".to_owned()), self.member.adjust(delta.into()))
            }
            Op::Return { line, pieces } => {
                let before = self.returned[line];
                let returned = (before + pieces).min(BOUGHT);
                self.returned[line] = returned;
                self.member.give_back(line, returned, BOUGHT);
                (self.returning(line, before, returned), true)
            }
            Op::Refund { hold, pieces } => {
                let index = pick(self.known.1, hold)?;
                if !self.member.asides[index].spent {
                    return None;
                }
                self.refunded.resize(self.refunded.len().max(index + 1), 0);
                let before = self.refunded[index];
                let returned = (before + pieces).min(BOUGHT);
                self.refunded[index] = returned;
                self.member.refund(index, returned, BOUGHT);
                (self.refunding(index, before, returned), true)
            }
            Op::Wait { .. } | Op::Change(_) | Op::Look => return None,
        })
    }

    fn earning(&self, points: u16, line: Option<usize>, at_once: bool) -> Act {
        Act::Earn(Earn {
            source: LotSource::Order,
            amount: points_of(points),
            activation: if at_once { When::Now } else { When::Later },
            order: None,
            line: line.map(|line| self.lines[line]),
            rule: None,
            reason: None,
            referral: None,
        })
    }

    fn returning(&self, line: usize, before: i32, returned: i32) -> Act {
        Act::ClawBack(Return {
            id: ReturnId(new_id(self.app)),
            order: OrderId(self.lines[0].0),
            line: self.lines[line],
            bought: BOUGHT,
            returned_before: before,
            returned,
            redeemed: None,
            earned_at: None,
        })
    }

    fn refunding(&self, hold: usize, before: i32, returned: i32) -> Act {
        Act::Refund(Return {
            id: ReturnId(new_id(self.app)),
            order: OrderId(self.lines[0].0),
            line: self.lines[0],
            bought: BOUGHT,
            returned_before: before,
            returned,
            redeemed: Some((self.holds[hold], self.member.asides[hold].carried)),
            earned_at: None,
        })
    }

    /// `from` turns out to be this member: lines, lots and holds go on under their new owner.
    pub(super) async fn take_over(&mut self, from: History<'_>) -> Result<(), TestCaseError> {
        let both = (from.owner, self.owner);
        let before = (account(self.app, both.0).await, account(self.app, both.1).await);
        let merged = self.app.change(&both, async |tx: &Tx, both| match *both {
            (Owner::Customer(from), Owner::Customer(into)) => merge(tx, from, into).await,
            _ => unreachable!("made so above"),
        });
        prop_assert_eq!(merged.await.unwrap(), Ok(()));
        let after = (account(self.app, both.0).await, account(self.app, both.1).await);
        let sums = |pair: &(points_account::Model, points_account::Model)| {
            let sum = |of: fn(&points_account::Model) -> i64| of(&pair.0) + of(&pair.1);
            // A debt is paid from what arrives: both go down by as much.
            [
                sum(|row| row.pending),
                sum(|row| row.available - row.debt),
                sum(|row| row.held),
                sum(|row| row.redeemed),
                sum(|row| row.expired),
            ]
        };
        prop_assert_eq!(sums(&before), sums(&after));
        let left = &after.0;
        prop_assert_eq!((left.pending, left.available, left.held, left.issued), (0, 0, 0, 0));
        self.member.take_over(from.member);
        self.lots.extend(from.lots);
        self.refunded.resize(self.holds.len(), 0);
        self.refunded.extend(from.refunded);
        self.holds.extend(from.holds);
        // From now on returns are of the lines that moved.
        (self.lines, self.earned, self.returned) = (from.lines, [true; 4], from.returned);
        self.look().await
    }

    async fn flush(&mut self) -> Result<(), TestCaseError> {
        let postings = self.app.change(self.batch.as_slice(), post).await.unwrap();
        for ((command, posting), expected) in self.batch.iter().zip(postings).zip(&self.expected) {
            prop_assert_eq!(posting.is_ok(), *expected, "{:?} gave {:?}", command.act, posting);
            let Ok(posting) = posting else { continue };
            match command.act {
                Act::Earn(_) => self.lots.extend(posting.lot),
                Act::Adjust(delta, _) if delta > 0 => self.lots.extend(posting.lot),
                Act::Hold(_) => self.holds.extend(posting.hold),
                _ => {}
            }
        }
        self.batch.clear();
        self.expected.clear();
        Ok(())
    }

    pub(super) async fn look(&mut self) -> Result<(), TestCaseError> {
        self.flush().await?;
        self.known = (self.lots.len(), self.holds.len());
        let account = account(self.app, self.owner).await;
        let is = (account.available, account.pending, account.held, account.debt);
        let member = &self.member;
        let should_be = (member.available(), member.pending(), member.held(), member.debt);
        prop_assert_eq!(is, should_be, "available, pending, held, debt");
        prop_assert_eq!(
            (account.redeemed, account.expired),
            (member.redeemed, member.expired),
            "redeemed, expired"
        );
        prop_assert_eq!(self.lots.len(), member.parcels.len());
        let waiting = member.parcels.iter().filter(|parcel| parcel.stage == Stage::Waiting).count();
        prop_assert!(waiting == 0 || member.is_guest);
        Ok(())
    }
}

fn points_of(points: u16) -> Points {
    Points::try_from(i64::from(points)).unwrap()
}

fn new_id(app: &App) -> Uuid {
    app.ids.uuid(app.clock.now())
}

pub(super) async fn account(app: &App, owner: Owner) -> points_account::Model {
    points_account::Entity::find_by_id(owner.account()).one(&app.db.read).await.unwrap().unwrap()
}

pub(super) async fn new_owner(app: &App, is_guest: bool) -> Owner {
    let id = new_id(app);
    let values = if is_guest {
        format!("guest_identities (id, email, email_key, created_at) VALUES (ID, '{id}', '{id}', NOW)")
    } else {
        format!("customers (id, external_id, created_at, updated_at) VALUES (ID, '{id}', NOW, NOW)")
    };
    let id_text = if app.db.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) };
    let sql = values.replace("ID,", &format!("{id_text},")).replace("NOW", "'2026-01-15T12:00:00+00:00'");
    app.db.write.execute_unprepared(&format!("INSERT INTO {sql}")).await.unwrap();
    let owner = if is_guest { Owner::Guest(GuestId(id)) } else { Owner::Customer(CustomerId(id)) };
    app.change(&owner, async |tx: &Tx, owner| open_accounts(tx, &[*owner]).await).await.unwrap();
    owner
}

pub(super) fn programme() -> impl Strategy<Value = Programme> {
    let policy = prop_oneof![
        Just(ReturnPolicy::PendingOnly),
        Just(ReturnPolicy::WithinBalance),
        Just(ReturnPolicy::AllowDebt)
    ];
    let grace = prop_oneof![Just(0_u32), Just(5)];
    (policy, expiry(), grace).prop_map(|(return_policy, expiry, refund_grace_days)| Programme {
        expiry,
        return_policy,
        refund_grace_days,
        ..Programme::default()
    })
}

pub(super) fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        Just(Expiry::Never),
        Just(Expiry::Months(1)),
        Just(Expiry::MonthsToEndOf(1, Period::Quarter)),
        Just(Expiry::MonthsWithoutActivity(1)),
        Just(Expiry::MonthsWithoutActivity(3)),
    ]
}

/// Puts `programme` in force: only settings of a higher version take the place of others.
pub(super) fn run_programme(app: &App, programme: Programme) {
    let version = app.settings().version + 1;
    app.use_settings(ShopSettings { version, programme, ..ShopSettings::default() });
}
