//! Proof of a mailbox: with the mailed code an account is made or found, what others prepared on the address is dropped,
//! and what was ordered with it as a guest joins the account.

use aws_lc_rs::hmac;
use entity::id::{ChallengeId, CustomerId, GuestId};
use entity::mailbox_challenge::{Column, Entity, Model, Purpose};
use entity::session::Audience;
use entity::{customer, guest_identity};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use serde_json::json;

use super::link::{self, Link};
use super::sessions::{self, Opened, Tokens};
use super::{AuthError, code, mailbox, release};
use crate::actor::Actor;
use crate::app::App;
use crate::carts;
use crate::consent;
use crate::customers::{self, OrderAddresses, words};
use crate::db::bulk::Rows;
use crate::earning;
use crate::error::{Fault, Outcome, refuse, refuse_recorded};
use crate::feedback;
use crate::journeys;
use crate::messages;
use crate::onboarding;
use crate::orders;
use crate::outbox::{self, Event};
use crate::points::orders::{self as points, Owner};
use crate::referrals;
use crate::rewards;
use crate::tx::Tx;

/// Tries of one code.
const TRIES: i32 = 5;
/// Wrong codes for one mailbox a day, over all its challenges.
const TRIES_A_DAY: i64 = 20;

/// Proves the mailbox of a challenge with the mailed code and signs in.
pub(crate) async fn prove(
    app: &App,
    challenge: ChallengeId,
    given: &str,
) -> Outcome<(Tokens, CustomerId), AuthError> {
    let answer = Answer::code(&app.keys.code()?, challenge, given);
    let (opened, customer) = app.write(&answer, prove_in).await?;
    Ok((opened.tokens(app)?, customer))
}

/// Proves the mailbox that a long token was mailed to and signs in.
pub(crate) async fn prove_by_link(app: &App, token: &str) -> Outcome<(Tokens, CustomerId), AuthError> {
    let Some(challenge) = link::read(&app.keys.link()?, Link::SignIn, token).map(ChallengeId) else {
        return refuse(AuthError::CodeInvalid);
    };
    let (opened, customer) = app.write(&Answer { challenge, given: Given::Link }, prove_in).await?;
    Ok((opened.tokens(app)?, customer))
}

/// What somebody gives for a challenge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) challenge: ChallengeId,
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// Six digits.
    Code {
        /// Whether they are those that were mailed.
        right: bool,
    },
    /// The long token, which was read already.
    Link,
}

impl Answer {
    /// Six digits.
    pub(super) fn code(key: &hmac::Key, challenge: ChallengeId, code: &str) -> Self {
        Self { challenge, given: Given::Code { right: code::matches(key, challenge, code) } }
    }

    /// Six digits are no answer where a long token was mailed, nor the other way round.
    fn is_right(self, purpose: Purpose) -> bool {
        match self.given {
            Given::Code { right } => right && !mailbox::is_link(purpose),
            Given::Link => mailbox::is_link(purpose),
        }
    }

    /// Whether wrong answers of the whole day stand against it: a token cannot be guessed.
    fn is_capped(self) -> bool {
        self.given != Given::Link
    }
}

/// A challenge whose code was right, used up by that.
pub(super) struct Proven {
    pub(super) challenge: Model,
    /// The customer whose mailbox it is, locked.
    pub(super) account: Option<customer::Model>,
}

async fn prove_in(tx: &Tx, answer: &Answer) -> Outcome<(Opened, CustomerId), AuthError> {
    let is_open = tx.settings().registration.is_open();
    let Proven { challenge, account } =
        try_code(tx, answer, |challenge, account| may_enter(challenge, account, is_open)).await?;
    let customer = match account {
        Some(account) if account.registered_at.is_some() => account.id,
        _ => make_account(tx, &challenge).await?,
    };
    drop_prepared(tx, &challenge.email_key).await?;
    attach_guest(tx, &challenge, customer).await?;
    Ok((sessions::open(tx, Audience::Customer, customer.0).await?, customer))
}

/// Takes one try of a code, behind the lock on its mailbox. `fits` says whether the challenge is good for what the caller is
/// about to do with the account: a code that is right and does not fit is a wrong one, and counts as a try. Who is signed in
/// makes sure before that the challenge is its own, so that nobody uses up the tries of another.
pub(super) async fn try_code(
    tx: &Tx,
    answer: &Answer,
    fits: impl Fn(&Model, Option<&customer::Model>) -> bool,
) -> Outcome<Proven, AuthError> {
    let challenge = answer.challenge;
    let Some(found) = Entity::find_by_id(challenge).one(tx.db()).await? else {
        return refuse(AuthError::CodeInvalid);
    };
    mailbox::lock(tx, &found.email_key).await?;
    if answer.is_capped() && tries_today(tx, &found.email_key).await? >= TRIES_A_DAY {
        return refuse(AuthError::CodeInvalid);
    }
    let (account, merged) = match held(tx, &found.email_key).await? {
        Some(gone) if !customers::holds_mailbox(&gone) => (None, Some(gone)),
        account => (account, None),
    };
    let right = answer.is_right(found.purpose) && fits(&found, account.as_ref());
    if !count_try(tx, challenge, right).await? {
        return refuse(AuthError::CodeInvalid);
    }
    if !right {
        return refuse_recorded(AuthError::CodeInvalid);
    }
    if let Some(gone) = merged {
        release::of_merged(tx, &gone).await?;
    }
    Ok(Proven { challenge: found, account })
}

async fn tries_today(tx: &Tx, email_key: &str) -> Result<i64, Fault> {
    let tries: Vec<i32> = mailbox::since(email_key, tx.now() - mailbox::DAY)
        .select_only()
        .column(Column::Tries)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(tries.into_iter().map(i64::from).sum())
}

/// The customer whom this mailbox finds, locked: who has it, or had it before being merged into another.
async fn held(tx: &Tx, email_key: &str) -> Result<Option<customer::Model>, Fault> {
    let mailbox = customer::Entity::find().filter(customer::Column::EmailKey.eq(email_key));
    Ok(mailbox.lock_exclusive().one(tx.db()).await?)
}

/// Whether a code of this purpose proves the mailbox to come in. A code to sign in is mailed to accounts only: without one
/// it was guessed.
fn may_enter(challenge: &Model, account: Option<&customer::Model>, is_open: bool) -> bool {
    let enabled = account.is_none_or(|account| account.disabled_at.is_none());
    let registered = account.is_some_and(|account| account.registered_at.is_some());
    match challenge.purpose {
        // Whoever comes after the shop closed registration makes no account any more.
        Purpose::Register | Purpose::Welcome => enabled && (registered || is_open),
        Purpose::Invitation => enabled,
        Purpose::SignIn => enabled && registered,
        Purpose::PasswordReset | Purpose::EmailChange => false,
    }
}

/// Counts a wrong try, or ends the challenge with the right one; false if no try is left.
async fn count_try(tx: &Tx, challenge: ChallengeId, right: bool) -> Result<bool, Fault> {
    let update = Entity::update_many();
    let update = if right {
        update.col_expr(Column::EndedAt, Expr::val(tx.now()))
    } else {
        update.col_expr(Column::Tries, Expr::col(Column::Tries).add(1))
    };
    let open = Column::EndedAt.is_null().and(Column::ExpiresAt.gt(tx.now()));
    let counted =
        update.filter(Column::Id.eq(challenge).and(Column::Tries.lt(TRIES)).and(open)).exec(tx.db()).await?;
    Ok(counted.rows_affected == 1)
}

/// Makes the account, or registers the customer whom an import knows by this mailbox or whom staff prepared for it.
pub(super) async fn make_account(tx: &Tx, proven: &Model) -> Result<CustomerId, Fault> {
    let found = match held(tx, &proven.email_key).await? {
        Some(imported) => imported,
        None => prepared(tx, proven).await?,
    };
    let registered = customer::Entity::update_many()
        .col_expr(customer::Column::RegisteredAt, Expr::val(tx.now()))
        .col_expr(customer::Column::EnrolledAt, Expr::val(found.enrolled_at.unwrap_or_else(|| tx.now())))
        .col_expr(customer::Column::Email, Expr::val(proven.email.as_str()))
        .col_expr(customer::Column::EmailKey, Expr::val(proven.email_key.as_str()))
        .col_expr(customer::Column::Name, Expr::val(proven.name.clone().or(found.name)))
        .col_expr(customer::Column::Locale, Expr::val(proven.locale.clone().or(found.locale)))
        .col_expr(customer::Column::PasswordHash, Expr::val(proven.password_hash.clone()))
        .col_expr(customer::Column::UpdatedAt, Expr::val(tx.now()))
        .filter(customer::Column::Id.eq(found.id).and(customer::Column::RegisteredAt.is_null()))
        .exec(tx.db())
        .await
        // An import may give the mailbox to a customer of its own while that of whom staff prepared has none yet.
        .map_err(Fault::of_race)?;
    if registered.rows_affected != 1 {
        return Err(Fault::internal("a locked customer was registered by another"));
    }
    words::refresh(tx, &[found.id]).await?;
    sessions::end_all(tx, Audience::Customer, found.id.0, None).await?;
    points::open_accounts(tx, &[Owner::Customer(found.id)]).await?;
    earning::joined(tx, found.id).await?;
    if let Some(order) = proven.order_id {
        let [shipping, billing] = orders::addresses_of(tx, order).await?;
        let as_defaults = proven.purpose == Purpose::Register;
        customers::remember(tx, found.id, OrderAddresses { shipping, billing, as_defaults }).await?;
    }
    outbox::emit(
        tx,
        [Event {
            topic: "customer.registered",
            aggregate_id: found.id.0,
            payload: json!({ "customerId": found.id }),
            imported: false,
            occurred_at: tx.now(),
        }],
    )
    .await?;
    Ok(found.id)
}

/// The customer that is to have the mailbox: whom staff prepared for it, else a new one.
async fn prepared(tx: &Tx, proven: &Model) -> Result<customer::Model, Fault> {
    let row = if let Some(invited) = onboarding::invited(tx, &proven.email_key).await? {
        customer::Entity::find_by_id(invited).lock_exclusive().one(tx.db()).await?
    } else {
        let mut rows = Rows::new("customers", &["id", "email_key", "created_at", "updated_at"]);
        let new: CustomerId = tx.id();
        rows.push([new.0.into(), proven.email_key.clone().into(), tx.now().into(), tx.now().into()]);
        // An import may write the same mailbox at this moment: then that customer is the one.
        rows.insert_missing(tx.db()).await?;
        held(tx, &proven.email_key).await?
    };
    row.ok_or_else(|| Fault::internal("the customer of a proven mailbox is gone"))
}

/// Ends what else is open on the mailbox, and forgets what any of it had prepared.
pub(super) async fn drop_prepared(tx: &Tx, email_key: &str) -> Result<(), Fault> {
    let mailbox = Column::EmailKey.eq(email_key);
    Entity::update_many()
        .col_expr(Column::EndedAt, Expr::val(tx.now()))
        .filter(mailbox.clone().and(Column::EndedAt.is_null()))
        .exec(tx.db())
        .await?;
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::val(None::<String>))
        .col_expr(Column::Name, Expr::val(None::<String>))
        .filter(mailbox)
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Gives the customer what was ordered with the address before it was proven, and its carts.
pub(super) async fn attach_guest(tx: &Tx, proven: &Model, customer: CustomerId) -> Result<(), Fault> {
    attach_orders(tx, proven, customer).await?;
    carts::follow(tx, &proven.email_key, customer).await
}

async fn attach_orders(tx: &Tx, proven: &Model, customer: CustomerId) -> Result<(), Fault> {
    use guest_identity::Column as Guest;
    // The row of the address is made if there is none: an order that is just being recorded with this address waits for
    // it, and then sees whose the address is.
    let mut rows = Rows::new("guest_identities", &["id", "email", "email_key", "created_at"]);
    let (id, email, key) = (tx.id::<GuestId>(), proven.email.clone(), proven.email_key.clone());
    rows.push([id.0.into(), email.into(), key.into(), tx.now().into()]);
    let ordered = rows.insert_missing(tx.db()).await? == 0;
    let found = guest_identity::Entity::find()
        .filter(Guest::EmailKey.eq(proven.email_key.as_str()))
        .lock_exclusive()
        .one(tx.db())
        .await?;
    let Some(guest) = found.filter(|guest| guest.customer_id.is_none()) else {
        return Ok(());
    };
    guest_identity::Entity::update_many()
        .col_expr(Guest::CustomerId, Expr::val(customer))
        .col_expr(Guest::JoinedAt, Expr::val(tx.now()))
        .filter(Guest::Id.eq(guest.id).and(Guest::CustomerId.is_null()))
        .exec(tx.db())
        .await?;
    if !ordered {
        return Ok(());
    }
    orders::attach(tx, guest.id, customer).await?;
    feedback::follow(tx, guest.id.into(), customer).await?;
    rewards::move_uses(tx, guest.id.0, customer.0).await?;
    consent::merge(tx, guest.id, customer).await?;
    let owed = referrals::joined(tx, guest.id, customer).await?;
    points::join(tx, guest.id, customer).await?;
    messages::inbox::follow(tx, guest.id, customer).await?;
    journeys::follow(tx, guest.id.into(), customer).await?;
    referrals::take_back(tx, &owed, Actor::SYSTEM, None).await?;
    outbox::emit(
        tx,
        [Event {
            topic: "guest.joined",
            aggregate_id: customer.0,
            payload: json!({ "customerId": customer, "guestId": guest.id }),
            imported: false,
            occurred_at: tx.now(),
        }],
    )
    .await
}
