//! The claim of an order: whoever has the token saw the thank-you page. It shows that one order, and begins an account for
//! its address; the mailbox still has to be proven.

use entity::id::{ChallengeId, OrderId};
use entity::mailbox_challenge::Purpose;
use entity::{order, order_line, points_lot};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::OnboardingError;
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::auth::mailbox::{self, Prepared};
use crate::auth::passwords::Password;
use crate::customers::email::EmailAddress;
use crate::customers::profile::{Locale, PersonName};
use crate::db::dialect::is_among;
use crate::error::{Fault, Outcome, refuse};
use crate::orders;
use crate::tx::Tx;

/// An order as its claim token shows it.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedOrder {
    pub(crate) order: order::Model,
    pub(crate) lines: Vec<order_line::Model>,
    /// What it earned so far, less what returns took back.
    pub(crate) points: i64,
}

/// The order of a claim token; none if the token is unknown, used or has ended.
pub(crate) async fn claimed(app: &App, token: &str) -> Result<Option<ClaimedOrder>, Fault> {
    let Some(id) = link::read(&app.keys.link()?, Link::Claim, token).map(OrderId) else {
        return Ok(None);
    };
    let db = &app.db.read;
    let found = order::Entity::find_by_id(id).one(db).await?;
    let Some(order) = found.filter(|order| orders::is_claimable(order, app.clock.now())) else {
        return Ok(None);
    };
    let lines = order_line::Entity::find().filter(order_line::Column::OrderId.eq(id));
    let lines = lines.order_by_asc(order_line::Column::Position).all(db).await?;
    let points = earned(db, &lines).await?;
    Ok(Some(ClaimedOrder { order, lines, points }))
}

/// What lines earned, whoever has the points by now: that the address was proven meanwhile does not show.
async fn earned(db: &impl ConnectionTrait, lines: &[order_line::Model]) -> Result<i64, Fault> {
    let among = is_among(db.get_database_backend(), "order_line_id", lines.iter().map(|line| line.id.0));
    let lots = points_lot::Entity::find().filter(among).order_by_asc(points_lot::Column::Id).all(db).await?;
    let of = |line: &order_line::Model| {
        // A guest's earn that joined an account is there twice: the later one counts.
        lots.iter()
            .rfind(|lot| lot.order_line_id == Some(line.id))
            .map_or(0, |lot| lot.amount - lot.clawed_back)
    };
    Ok(lines.iter().map(|line| i64::from(of(line))).sum())
}

/// An account to be made from an order.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) token: String,
    pub(crate) password: Option<Password>,
    pub(crate) locale: Option<Locale>,
}

/// Uses up the token and mails a code to the order's address. Whether the address is known changes nothing here.
pub(crate) async fn claim(app: &App, claim: Claim) -> Outcome<ChallengeId, OnboardingError> {
    if !app.settings().registration.is_open() {
        return refuse(OnboardingError::RegistrationClosed);
    }
    let id = link::read(&app.keys.link()?, Link::Claim, &claim.token).map(OrderId);
    let password_hash = match claim.password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let Some(order) = id else {
        return refuse(OnboardingError::ClaimInvalid);
    };
    app.write(&Parsed { order, password_hash, locale: claim.locale }, claim_in).await
}

struct Parsed {
    order: OrderId,
    password_hash: Option<String>,
    locale: Option<Locale>,
}

async fn claim_in(tx: &Tx, claim: &Parsed) -> Outcome<ChallengeId, OnboardingError> {
    let Some(order) = orders::use_claim(tx, claim.order).await? else {
        return refuse(OnboardingError::ClaimInvalid);
    };
    let email = order.email.ok_or_else(|| Fault::internal("a claimable order without an address"))?;
    let prepared = Prepared {
        name: order.name.and_then(|name| PersonName::try_from(name).ok()),
        locale: claim.locale.clone(),
        password_hash: claim.password_hash.clone(),
        order: Some(order.id),
        ..Prepared::new(Purpose::Register, EmailAddress::try_from(email)?)
    };
    // However many mails the mailbox got today: only an order of the shop has a token, and only one.
    Ok(mailbox::begin(tx, &prepared).await?)
}
