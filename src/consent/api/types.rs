//! What was said, and what stands, as clients see it.

use std::collections::HashMap;

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::consent::{Column, ConsentSource as StoredSource, ConsentState as StoredState, Entity, Model};
use entity::consent::{OptIn, Purpose};
use entity::id::PersonId;
use entity::message::Channel;
use sea_orm::{ColumnTrait, EntityTrait, Iterable, QueryFilter};

use crate::app::App;
use crate::audit::api::AuditActorKind;
use crate::consent::permissions;
use crate::consent::record::standing;
use crate::db::dialect::is_among;
use crate::graphql::fault::ApiError;
use crate::graphql::newest::{NewestPages, newest_first};
use crate::graphql::page::PageArguments;

/// What a message that needs a right to be sent is for. What an order, a payment, a delivery, a membership or the account
/// itself needs is sent without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Purpose")]
pub(crate) enum ConsentPurpose {
    /// News of the shop; needs consent.
    Newsletter,
    /// Offers: on a birthday, to come back, to buy again, to join; needs consent.
    Offers,
    /// Reminders of a cart, and of what is used up; needs consent.
    Reminders,
    /// What somebody waited for; asking for it is the consent, for that product.
    BackInStock,
    /// About something bought: thanks, care tips, the question after delivery; sent unless somebody says no.
    Care,
    /// Updates of a product, to who owns it; sent unless somebody says no.
    ProductUpdates,
    /// Points, tiers, and the standing of the account; sent unless somebody says no.
    Programme,
}

/// A way by which messages reach people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Channel")]
pub(crate) enum MessageChannel {
    /// Mail.
    Email,
    /// The inbox in the member's app.
    Inbox,
    /// A text message.
    Sms,
    /// A notification on a device.
    Push,
}

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredState")]
pub(crate) enum ConsentState {
    /// Asked for, and to be confirmed in the mailbox.
    Requested,
    /// Yes.
    Granted,
    /// No, or not any more.
    Withdrawn,
}

/// How sure it is that a yes is the word of whom it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "OptIn")]
pub(crate) enum ConsentOptIn {
    /// Somebody said so, or the shop did.
    Single,
    /// Whoever reads the mailbox confirmed it.
    Double,
}

/// Where something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredSource")]
pub(crate) enum ConsentSource {
    /// While ordering.
    Checkout,
    /// In the preference centre.
    Preferences,
    /// In a form for it.
    SignUp,
    /// With the button behind the link of a confirmation.
    Confirmation,
    /// With the button behind the link in a message.
    UnsubscribeLink,
    /// By the mail program, as RFC 8058 has it.
    OneClick,
    /// By calling a message spam.
    Complaint,
    /// To the shop's staff.
    Staff,
    /// Elsewhere, and brought over.
    Import,
}

/// Something that shows what was said: the words that were shown, the page, the order.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ConsentProofInput")]
pub(crate) struct ConsentProof {
    /// 1 to 64 letters, digits, dots, underscores and hyphens.
    pub(crate) key: String,
    /// 1 to 2,000 characters.
    pub(crate) value: String,
}

/// What stands for one purpose on one channel.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Consent {
    /// What for.
    purpose: ConsentPurpose,
    /// By which way.
    channel: MessageChannel,
    /// What was said last; null if nothing was.
    state: Option<ConsentState>,
    /// Of a yes: the surest since the last no.
    opt_in: Option<ConsentOptIn>,
    /// When that was said.
    at: Option<Instant>,
    /// Where that was said.
    source: Option<ConsentSource>,
    /// Whether messages may be sent: by the consent, the purpose and the shop's terms. Of `BACK_IN_STOCK`: if somebody asked
    /// for a product now. An address that bounced or complained gets none all the same.
    allowed: bool,
}

/// What stands for a person, for each purpose on each channel.
pub(crate) async fn consents_of(
    ctx: &Context<'_>,
    person: impl Into<PersonId>,
) -> Result<Vec<Consent>, ApiError> {
    let person = person.into();
    let app = ctx.data_unchecked::<App>();
    let db = &app.db.read;
    let stands = standing(db, [person]).await?;
    let permissions = permissions(db, [person]).await?;
    let among = is_among(db.get_database_backend(), "id", stands.values().map(|word| word.id.0));
    let evidence: HashMap<_, Model> =
        Entity::find().filter(among).all(db).await?.into_iter().map(|row| (row.id, row)).collect();
    let (settings, now) = (app.settings(), app.clock.now());
    let consent = |purpose: Purpose, channel: Channel| {
        let word = stands.get(&(person, purpose, channel));
        let said = word.and_then(|word| evidence.get(&word.id));
        let allowed = permissions.allow(&settings.messages, person, purpose, channel, Some(now));
        Consent {
            purpose: purpose.into(),
            channel: channel.into(),
            state: word.map(|word| word.state.into()),
            opt_in: word.and_then(|word| word.opt_in).map(Into::into),
            at: said.map(|row| row.at),
            source: said.map(|row| row.source.into()),
            allowed: allowed.is_ok(),
        }
    };
    let each = Purpose::iter().flat_map(|purpose| Channel::iter().map(move |channel| (purpose, channel)));
    Ok(each.map(|(purpose, channel)| consent(purpose, channel)).collect())
}

/// Something that was said: kept as it was, whatever was said after it.
#[derive(Clone, Debug)]
pub(crate) struct ConsentRecord(Model);

#[Object]
impl ConsentRecord {
    /// What for.
    async fn purpose(&self) -> ConsentPurpose {
        self.0.purpose.into()
    }

    /// By which way.
    async fn channel(&self) -> MessageChannel {
        self.0.channel.into()
    }

    /// What.
    async fn state(&self) -> ConsentState {
        self.0.state.into()
    }

    /// How sure a yes was.
    async fn opt_in(&self) -> Option<ConsentOptIn> {
        self.0.opt_in.map(Into::into)
    }

    /// Where.
    async fn source(&self) -> ConsentSource {
        self.0.source.into()
    }

    /// What shows it.
    async fn proof(&self) -> Vec<ConsentProof> {
        let pairs = self.0.proof.as_object().into_iter().flatten();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        pairs.map(|(key, value)| ConsentProof { key: key.clone(), value: text(value) }).collect()
    }

    /// Who told of it.
    async fn told_by(&self) -> AuditActorKind {
        self.0.actor_kind.into()
    }

    /// When it was said.
    async fn at(&self) -> Instant {
        self.0.at
    }

    /// When it was told.
    async fn recorded_at(&self) -> Instant {
        self.0.recorded_at
    }
}

/// All that a person said, what was told last first.
pub(crate) async fn consent_history_of(
    ctx: &Context<'_>,
    person: impl Into<PersonId>,
    arguments: PageArguments,
) -> Result<NewestPages<ConsentRecord>, ApiError> {
    let all = Entity::find().filter(Column::PersonId.eq(person.into()));
    newest_first(ctx, all, Column::Id, arguments, |row| (row.id.0, ConsentRecord(row))).await
}
