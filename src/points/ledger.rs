//! The one function that moves points, [`post`], and the door for single mutations, [`submit`].
//!
//! A batch locks its accounts sorted by id, decides every command in memory in order, and writes all of it together: the
//! number of statements does not grow with the batch.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use entity::id::{AccountId, HoldId, LineId, LotId, ReferralId};
use entity::points_lot::LotSource;
use entity::{Instant, points_account, points_hold, points_lot};

use super::account::{Account, Tracked};
use super::apply::{Context, apply, settle};
use super::command::{Act, Command, PointsError, Posting};
use super::imported::Activity;
use super::{events, imported, store};
use crate::app::App;
use crate::error::{Fault, FaultKind, Outcome, Stop, split};
use crate::idempotency::{self, Claim, Fingerprinted, Key, Once};
use crate::outbox;
use crate::tiers::{self, Earned};
use crate::tx::{Tx, Waiting};

/// Posts `commands` in order. A refused one leaves its account as it was and does not disturb its neighbours.
pub(crate) async fn post(tx: &Tx, commands: &[Command]) -> Result<Vec<Result<Posting, PointsError>>, Fault> {
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    let mut commands = Cow::Borrowed(commands);
    let (mut accounts, histories) = loop {
        match load(tx, &commands).await? {
            Loaded::Accounts(accounts, histories) => break (accounts, histories),
            Loaded::Merged(heirs) => commands = Cow::Owned(redirected(&commands, &heirs)),
        }
    };
    let postings = decide(tx, &mut accounts, histories, &commands);
    let happened = commands.iter().zip(&postings).filter_map(|(command, posting)| {
        events::of(command, posting.as_ref().ok()?, accounts.get(&command.account)?, tx.now())
    });
    let happened: Vec<_> = happened.collect();
    let earned = commands.iter().zip(&postings).filter_map(|(command, posting)| {
        counts_for_tiers(command, posting.as_ref().ok()?, accounts.get(&command.account)?, tx.now())
    });
    let earned: Vec<_> = earned.collect();
    // What is read comes before what is written, so that all of that goes in one statement.
    let counting = tiers::count_earned(tx, &earned).await?;
    let changed: Vec<Account> = accounts.into_values().collect();
    store::save(tx, &changed).await?;
    outbox::emit(tx, happened).await?;
    counting.write(tx).await?;
    Ok(postings)
}

/// Points that were earned, or taken back of those: these count for tiers, and nothing else does.
fn counts_for_tiers(command: &Command, posting: &Posting, account: &Account, now: Instant) -> Option<Earned> {
    let at = match &command.act {
        Act::Earn(earn) if earn.source != LotSource::Adjustment => command.effective_at.unwrap_or(now),
        Act::ClawBack(returned) => returned.earned_at?,
        Act::TakeBack { earned_at, .. } => *earned_at,
        _ => return None,
    };
    let Account { row, .. } = account;
    let (account, customer, points, imported) = (row.id, row.customer_id, posting.points, command.imported);
    (points != 0).then_some(Earned { account, customer, at, points, imported })
}

/// Whoever names an account that was merged means the one it was merged into.
fn redirected(commands: &[Command], heirs: &BTreeMap<AccountId, AccountId>) -> Vec<Command> {
    let account = |named: AccountId| heirs.get(&named).copied().unwrap_or(named);
    commands.iter().map(|command| Command { account: account(command.account), ..command.clone() }).collect()
}

/// Decides every command in order, in memory.
fn decide(
    tx: &Tx,
    accounts: &mut BTreeMap<AccountId, Account>,
    mut histories: Histories,
    commands: &[Command],
) -> Vec<Result<Posting, PointsError>> {
    let settings = tx.settings();
    let ids = || tx.id();
    let ctx =
        Context { now: tx.now(), programme: &settings.programme, time_zone: settings.time_zone, ids: &ids };
    for (id, account) in accounts.iter_mut() {
        if let Some(activities) = histories.remove(id) {
            account.end_history(&activities, &ctx);
        }
        settle(account, &ctx);
    }
    let mut decide_one = |command: &Command| match accounts.get_mut(&command.account) {
        Some(account) => apply(account, command, &ctx),
        None => Err(PointsError::NotFound),
    };
    commands.iter().map(&mut decide_one).collect()
}

/// What a batch touches beside its accounts.
#[derive(Default)]
struct Needs {
    accounts: BTreeSet<AccountId>,
    spending: BTreeSet<AccountId>,
    lots: BTreeSet<LotId>,
    lines: BTreeSet<LineId>,
    referrals: BTreeSet<ReferralId>,
    holds: BTreeSet<HoldId>,
    refilled: BTreeSet<HoldId>,
    /// Accounts of which everything is needed.
    leaving: BTreeSet<AccountId>,
}

impl Needs {
    fn of(commands: &[Command]) -> Self {
        let mut needs = Self::default();
        for command in commands {
            needs.accounts.insert(command.account);
            needs.add(command);
        }
        needs
    }

    fn add(&mut self, command: &Command) {
        match &command.act {
            Act::Earn(_) | Act::JoinIn(_) | Act::Open(_) | Act::Expire | Act::EndHistory => {}
            Act::MergeOut => {
                self.leaving.insert(command.account);
            }
            // A debt that arrives is paid from what there is.
            Act::Hold(_) | Act::Redeem(..) | Act::Adjust(..) | Act::JoinOut | Act::MergeIn(_) => {
                self.spending.insert(command.account);
            }
            Act::Activate(lot) => {
                self.lots.insert(*lot);
            }
            Act::Schedule(lines, _) => self.lines.extend(lines),
            Act::Capture { hold, .. } => {
                self.holds.insert(*hold);
            }
            Act::Pin { hold, .. } | Act::Void { hold, .. } | Act::Undo(hold) => {
                self.holds.insert(*hold);
                self.refilled.insert(*hold);
            }
            Act::Refund(returned) => {
                if let Some((hold, _)) = returned.redeemed {
                    self.holds.insert(hold);
                    self.refilled.insert(hold);
                }
            }
            Act::ClawBack(returned) => {
                self.spending.insert(command.account);
                self.lines.insert(returned.line);
            }
            Act::TakeBack { referral, .. } => {
                self.spending.insert(command.account);
                self.referrals.insert(*referral);
            }
        }
    }
}

/// What was ever done on accounts whose past an import told.
type Histories = BTreeMap<AccountId, Vec<Activity>>;

/// What was found under the accounts that commands name.
enum Loaded {
    /// All that they may need; with it what was done ever on those whose past is told.
    Accounts(BTreeMap<AccountId, Account>, Histories),
    /// Some went to others.
    Merged(BTreeMap<AccountId, AccountId>),
}

/// Locks the accounts and loads what the commands may need of them.
async fn load(tx: &Tx, commands: &[Command]) -> Result<Loaded, Fault> {
    let mut needs = Needs::of(commands);
    let rows = store::lock(tx, &needs.accounts).await?;
    let heirs: BTreeMap<_, _> = rows.iter().filter_map(|row| Some((row.id, row.merged_into?))).collect();
    if !heirs.is_empty() {
        return Ok(Loaded::Merged(heirs));
    }
    // Debts are paid from whatever becomes available; an account that runs out loses every lot that ends with it.
    let told = imported::told(&rows, commands, tx.now());
    let histories = histories(tx, &told).await?;
    let runs_out = |row: &points_account::Model| row.inactive_at.is_some_and(|end| end <= tx.now());
    needs.spending.extend(rows.iter().filter(|row| row.debt > 0 || runs_out(row)).map(|row| row.id));
    needs.spending.extend(told);
    let mut accounts: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, Account::new(row))).collect();
    let mut lots = store::open_lots(tx, &needs.accounts, &needs.spending, tx.now()).await?;
    let mut holds = Vec::new();
    if !needs.holds.is_empty() {
        holds = store::holds(tx, &needs.holds).await?;
    }
    if !needs.leaving.is_empty() {
        lots.extend(store::all_lots(tx, &needs.leaving).await?);
        let taken = store::holds_with_points(tx, &needs.leaving).await?;
        needs.refilled.extend(taken.iter().map(|hold| hold.id));
        let is_new = |hold: &points_hold::Model| !needs.holds.contains(&hold.id);
        holds.extend(taken.into_iter().filter(is_new));
    }
    for hold in holds {
        if let Some(account) = accounts.get_mut(&hold.account_id) {
            account.holds.push(Tracked::stored(hold));
        }
    }
    let mut consumptions = Vec::new();
    if !needs.refilled.is_empty() {
        consumptions = store::consumptions(tx, &needs.refilled).await?;
        needs.lots.extend(consumptions.iter().map(|consumed| consumed.lot_id));
    }
    lots.extend(store::named_lots(tx, &needs.lots, &needs.lines, &needs.referrals).await?);
    attach_lots(&mut accounts, lots);
    for consumed in consumptions {
        let owner = accounts
            .values_mut()
            .find(|account| account.holds.iter().any(|hold| Some(hold.row.id) == consumed.hold_id));
        if let Some(account) = owner {
            account.consumptions.push(Tracked::stored(consumed));
        }
    }
    Ok(Loaded::Accounts(accounts, histories))
}

async fn histories(tx: &Tx, told: &BTreeSet<AccountId>) -> Result<Histories, Fault> {
    let mut histories: Histories = told.iter().map(|account| (*account, Vec::new())).collect();
    if !told.is_empty() {
        for activity in store::activities(tx, told).await? {
            histories.entry(activity.account).or_default().push(activity);
        }
    }
    Ok(histories)
}

/// Gives each lot to its account, once; lots of accounts that are not locked are left out.
fn attach_lots(accounts: &mut BTreeMap<AccountId, Account>, lots: Vec<points_lot::Model>) {
    let mut seen = BTreeSet::new();
    for lot in lots {
        if let Some(account) = accounts.get_mut(&lot.account_id)
            && seen.insert(lot.id)
        {
            account.load_lot(lot);
        }
    }
}

/// A single mutation with its caller's key.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// The caller's key.
    pub(crate) key: Key,
    /// What to do.
    pub(crate) command: Command,
}

/// What becomes of a submission: done, or another request with its key is in flight.
pub(crate) type Submitted = Outcome<Option<Once<Posting>>, PointsError>;

/// Runs one mutation once for its key, together with those of others that come at the same time.
pub(crate) async fn submit(app: &App, submission: Submission) -> Outcome<Once<Posting>, PointsError> {
    let mut waiting = Waiting::begin();
    loop {
        if let Some(once) = app.shared.postings.ask(app, submission.clone()).answer().await?? {
            return Ok(once);
        }
        waiting.pause().await?;
    }
}

/// Runs the mutations of a round.
pub(crate) async fn submit_round(app: App, batch: Vec<Submission>) -> Vec<Submitted> {
    submit_all(&app, &batch).await
}

/// Runs many mutations in one transaction, each with its own key, result and refusal; after a fault each runs in one of
/// its own, so that a poor command never fails its neighbours.
pub(crate) async fn submit_all(app: &App, batch: &[Submission]) -> Vec<Submitted> {
    match split(app.write(batch, post_or_roll_back).await) {
        Ok(Ok(submitted) | Err(submitted)) => submitted,
        Err(fault) if batch.len() == 1 => vec![Err(fault.into())],
        // The database is away for all of them.
        Err(fault) if fault.kind() == FaultKind::Unavailable => {
            tracing::error!(?fault, "points could not be moved");
            batch.iter().map(|_| Err(Fault::of(FaultKind::Unavailable).into())).collect()
        }
        Err(fault) => {
            tracing::warn!(?fault, "points are moved one by one");
            let mut submitted = Vec::with_capacity(batch.len());
            for one in batch {
                submitted.push(match split(app.write(std::slice::from_ref(one), post_or_roll_back).await) {
                    Ok(Ok(mut ended) | Err(mut ended)) => ended.pop().unwrap_or(Ok(None)),
                    Err(fault) => Err(fault.into()),
                });
            }
            submitted
        }
    }
}

/// Rolls back if every mutation was refused, replayed or is in flight: a commit would make the next one on the same
/// account wait for the disk, only to keep nothing.
async fn post_or_roll_back(tx: &Tx, batch: &[Submission]) -> Outcome<Vec<Submitted>, Vec<Submitted>> {
    let submitted = post_claimed(tx, batch).await?;
    let is_first = |one: &Submitted| matches!(one, Ok(Some(once)) if !once.replayed);
    if submitted.iter().any(is_first) { Ok(submitted) } else { Err(Stop::Refused(submitted)) }
}

async fn post_claimed(tx: &Tx, batch: &[Submission]) -> Result<Vec<Submitted>, Fault> {
    let fingerprints =
        batch.iter().map(|one| idempotency::fingerprint(&one.command)).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<Fingerprinted<'_>> =
        batch.iter().zip(&fingerprints).map(|(one, print)| (&one.key, &**print)).collect();
    let claims = idempotency::claim(tx, &keys).await?;
    let is_new = |claim: &Claim| matches!(claim, Claim::New);
    let commands: Vec<Command> = batch
        .iter()
        .zip(&claims)
        .filter(|(_, claim)| is_new(claim))
        .map(|(one, _)| one.command.clone())
        .collect();
    let mut postings = post(tx, &commands).await?.into_iter();
    let mut done = Vec::new();
    let mut submitted: Vec<Submitted> = Vec::with_capacity(batch.len());
    for (key, claim) in keys.into_iter().zip(claims) {
        submitted.push(match claim {
            Claim::Done(result) => Ok(Some(Once::replay(serde_json::from_value(result)?))),
            Claim::Reused => Err(Fault::of(FaultKind::KeyReused).into()),
            Claim::InFlight => Ok(None),
            Claim::New => match postings.next() {
                Some(Ok(posting)) => {
                    done.push((key, serde_json::to_value(&posting)?));
                    Ok(Some(Once::first(posting)))
                }
                Some(Err(reason)) => Err(Stop::Refused(reason)),
                None => return Err(Fault::internal("a command without its posting")),
            },
        });
    }
    idempotency::store(tx, done).await?;
    Ok(submitted)
}
