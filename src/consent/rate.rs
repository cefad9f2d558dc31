//! How many of those who can be reached said yes.

use std::collections::HashMap;

use entity::consent::{ConsentState, OptIn, Purpose};
use entity::message::Channel;
use entity::{consent_state, customer, guest_identity};
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, FromQueryResult, Iterable, PaginatorTrait, QueryFilter,
    QuerySelect,
};

use super::permit::{needs_confirmation, needs_consent};
use crate::app::App;
use crate::db::Connections;
use crate::error::Fault;
use crate::messages::terms::MessageTerms;

/// How many said yes to a purpose on a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptInRate {
    pub(crate) purpose: Purpose,
    pub(crate) channel: Channel,
    /// People who can be reached.
    pub(crate) reachable: u64,
    /// Those of them who said yes.
    pub(crate) granted: u64,
    /// Those of these who confirmed it in the mailbox.
    pub(crate) confirmed: u64,
    /// Those who may be sent something.
    pub(crate) counted: u64,
}

#[derive(Debug, FromQueryResult)]
struct Granting {
    purpose: Purpose,
    opt_in: Option<OptIn>,
    count: i64,
}

/// The rates of every purpose that needs consent on every channel.
pub(crate) async fn rates(app: &App) -> Result<Vec<OptInRate>, Fault> {
    let terms = app.settings().messages.clone();
    let mut rates = Vec::new();
    for channel in Channel::iter() {
        rates.extend(of_channel(&app.db.read, &terms, channel).await?);
    }
    Ok(rates)
}

async fn of_channel(
    db: &Connections,
    terms: &MessageTerms,
    channel: Channel,
) -> Result<Vec<OptInRate>, Fault> {
    let customers = customer::Entity::find().filter(reachable(channel)).count(db).await?;
    let guests = match channel {
        Channel::Email => guest_identity::Entity::find().filter(is_guest()).count(db).await?,
        Channel::Inbox | Channel::Sms | Channel::Push => 0,
    };
    let person = Expr::col(consent_state::Column::PersonId);
    let mut people = Condition::any().add(person.clone().in_subquery(customers_of(channel)));
    if channel == Channel::Email {
        people = people.add(person.in_subquery(guests_of()));
    }
    let rows: Vec<Granting> = consent_state::Entity::find()
        .select_only()
        .columns([consent_state::Column::Purpose, consent_state::Column::OptIn])
        .column_as(consent_state::Column::PersonId.count(), "count")
        .filter(consent_state::Column::Channel.eq(channel))
        .filter(consent_state::Column::State.eq(ConsentState::Granted))
        .filter(people)
        .group_by(consent_state::Column::Purpose)
        .group_by(consent_state::Column::OptIn)
        .into_model()
        .all(db)
        .await?;
    let mut counts: HashMap<(Purpose, Option<OptIn>), u64> = HashMap::new();
    for row in rows {
        counts.insert((row.purpose, row.opt_in), u64::try_from(row.count)?);
    }
    let of = |purpose, opt_in| counts.get(&(purpose, Some(opt_in))).copied().unwrap_or_default();
    let rate = |purpose: Purpose| {
        let confirmed = of(purpose, OptIn::Double);
        let granted = confirmed + of(purpose, OptIn::Single);
        let counted = if needs_confirmation(terms, purpose, channel) { confirmed } else { granted };
        OptInRate { purpose, channel, reachable: customers + guests, granted, confirmed, counted }
    };
    Ok(Purpose::iter().filter(|purpose| needs_consent(*purpose)).map(rate).collect())
}

/// Customers who can be reached by a channel: nobody who is disabled or turned out to be another.
fn reachable(channel: Channel) -> Condition {
    use customer::Column;
    let has_contact = match channel {
        Channel::Email => Column::Email.is_not_null().or(Column::EmailKey.is_not_null()),
        Channel::Sms => Column::Phone.is_not_null(),
        // Those who have the app signed in to it.
        Channel::Inbox | Channel::Push => Column::RegisteredAt.is_not_null(),
    };
    Condition::all().add(Column::MergedInto.is_null()).add(Column::DisabledAt.is_null()).add(has_contact)
}

/// Who proved the mailbox is counted as the customer.
fn is_guest() -> Condition {
    Condition::all().add(guest_identity::Column::CustomerId.is_null())
}

fn customers_of(channel: Channel) -> SelectStatement {
    Query::select().column(customer::Column::Id).from(customer::Entity).cond_where(reachable(channel)).take()
}

fn guests_of() -> SelectStatement {
    Query::select()
        .column(guest_identity::Column::Id)
        .from(guest_identity::Entity)
        .cond_where(is_guest())
        .take()
}
