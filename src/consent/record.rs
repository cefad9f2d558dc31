//! Writing down what was said, and what then stands.

use std::collections::{BTreeSet, HashMap};

use entity::consent::{ConsentSource, ConsentState, OptIn, Purpose};
use entity::id::{ConsentId, PersonId};
use entity::message::Channel;
use entity::{Instant, consent, consent_request, consent_state, customer, guest_identity};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::person::mailbox;
use super::state::{self, Word};
use super::suppress::hash;
use crate::db::bulk::Rows;
use crate::db::dialect::{self, is_among};
use crate::error::Fault;
use crate::outbox::{self, Event};
use crate::tx::Tx;

/// Something that somebody said.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Who; whom that one turned out to be is who it is kept for.
    pub(crate) person: PersonId,
    /// What for.
    pub(crate) purpose: Purpose,
    /// By which way.
    pub(crate) channel: Channel,
    /// What.
    pub(crate) state: ConsentState,
    /// Of a yes, and of nothing else.
    pub(crate) opt_in: Option<OptIn>,
    /// Where.
    pub(crate) source: ConsentSource,
    /// What shows it; an object of texts.
    pub(crate) proof: Json,
    /// When.
    pub(crate) at: Instant,
}

impl Said {
    /// Whether it was confirmed in a mailbox, and counts as confirmed for that one only.
    fn is_of_mailbox(&self) -> bool {
        self.channel == Channel::Email && self.opt_in == Some(OptIn::Double)
    }
}

/// About what something was said.
pub(super) type Subject = (PersonId, Purpose, Channel);

const EVIDENCE: &[&str] = &[
    "id",
    "person_id",
    "purpose",
    "channel",
    "state",
    "opt_in",
    "source",
    "proof",
    "actor_kind",
    "actor_id",
    "at",
    "recorded_at",
    "address_hash",
];

/// Writes down what was said, and what then stands. Whoever else writes of the same people waits.
pub(crate) async fn record(tx: &Tx, said: &[Said]) -> Result<(), Fault> {
    if said.is_empty() {
        return Ok(());
    }
    let people = held(tx, said.iter().map(|said| said.person)).await?;
    let standing = standing(tx.db(), people.values().copied()).await?;
    let mut now = standing.clone();
    let mut late = BTreeSet::new();
    let mut rows = Rows::new("consents", EVIDENCE);
    let named = |one: &Said| people.get(&one.person).copied().unwrap_or(one.person);
    let mailboxes =
        mailboxes(tx, &said.iter().filter(|one| one.is_of_mailbox()).map(named).collect()).await?;
    for one in said {
        let person = named(one);
        let id: ConsentId = tx.id();
        push(&mut rows, tx, id, (person, mailboxes.get(&person)), one);
        let subject = (person, one.purpose, one.channel);
        let word = Word { state: one.state, opt_in: one.opt_in, at: one.at, id };
        match state::after(now.get(&subject).copied(), word) {
            Some(stands) => {
                now.insert(subject, stands);
            }
            None => {
                late.insert(subject);
            }
        }
    }
    rows.insert(tx.db()).await?;
    if !late.is_empty() {
        let words = words(tx, &people.values().copied().collect()).await?;
        for subject in late {
            if let Some(stands) = words.get(&subject).and_then(|words| state::of(words)) {
                now.insert(subject, stands);
            }
        }
    }
    write(tx, &standing, &now).await
}

/// These people are written to by mail elsewhere from now on: what they confirmed in another mailbox stands, unconfirmed.
pub(crate) async fn readdress(tx: &Tx, people: impl IntoIterator<Item = PersonId>) -> Result<(), Fault> {
    let people: BTreeSet<PersonId> = held(tx, people).await?.into_values().collect();
    let before = standing(tx.db(), people.iter().copied()).await?;
    restate(tx, &before, &people).await
}

/// Somebody proved another mailbox as the own: what was confirmed in the one before is confirmed in this one.
pub(crate) async fn moved(tx: &Tx, person: PersonId) -> Result<(), Fault> {
    let stands = standing(tx.db(), [person]).await?;
    let said = stands.into_iter().map(|((person, purpose, channel), stands)| Said {
        person,
        purpose,
        channel,
        state: stands.state,
        opt_in: stands.opt_in,
        source: ConsentSource::Confirmation,
        proof: json!({ "mailbox": "changed by its owner" }),
        at: stands.at,
    });
    let said: Vec<Said> = said.filter(Said::is_of_mailbox).collect();
    record(tx, &said).await
}

/// Writes what stands of all that these people said.
async fn restate(tx: &Tx, before: &HashMap<Subject, Word>, people: &BTreeSet<PersonId>) -> Result<(), Fault> {
    let words = words(tx, people).await?;
    let now = words.iter().filter_map(|(subject, words)| Some((*subject, state::of(words)?)));
    write(tx, before, &now.collect()).await
}

/// The mailboxes that people are written to at, as suppressions know them.
async fn mailboxes(tx: &Tx, people: &BTreeSet<PersonId>) -> Result<HashMap<PersonId, Vec<u8>>, Fault> {
    let key = tx.keys().comparison()?;
    let mut found = HashMap::new();
    for person in people {
        if let Some(mailbox) = mailbox(tx.db(), *person).await? {
            found.insert(*person, hash(&key, Channel::Email, &mailbox.email.key()));
        }
    }
    Ok(found)
}

fn push(
    rows: &mut Rows,
    tx: &Tx,
    id: ConsentId,
    (person, mailbox): (PersonId, Option<&Vec<u8>>),
    said: &Said,
) {
    let actor = tx.caller().actor;
    rows.push([
        id.0.into(),
        person.0.into(),
        said.purpose.to_value().into(),
        said.channel.to_value().into(),
        said.state.to_value().into(),
        said.opt_in.map(|opt_in| opt_in.to_value()).into(),
        said.source.to_value().into(),
        said.proof.clone().into(),
        actor.kind.to_value().into(),
        actor.id.into(),
        said.at.into(),
        tx.now().into(),
        mailbox.filter(|_| said.is_of_mailbox()).cloned().into(),
    ]);
}

/// What stands for these people.
pub(super) async fn standing(
    db: &impl ConnectionTrait,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<HashMap<Subject, Word>, Fault> {
    let among = is_among(db.get_database_backend(), "person_id", people.into_iter().map(|id| id.0));
    let rows = consent_state::Entity::find().filter(among).all(db).await?;
    let word = |row: consent_state::Model| {
        let word = Word { state: row.state, opt_in: row.opt_in, at: row.at, id: row.consent_id };
        ((row.person_id, row.purpose, row.channel), word)
    };
    Ok(rows.into_iter().map(word).collect())
}

/// All that these people said; what was confirmed elsewhere than in the mailbox that they are written to at, as unconfirmed.
async fn words(tx: &Tx, people: &BTreeSet<PersonId>) -> Result<HashMap<Subject, Vec<Word>>, Fault> {
    let mailboxes = mailboxes(tx, people).await?;
    let among = is_among(tx.db().get_database_backend(), "person_id", people.iter().map(|person| person.0));
    let mut words: HashMap<Subject, Vec<Word>> = HashMap::new();
    for row in consent::Entity::find().filter(among).all(tx.db()).await? {
        let is_elsewhere =
            row.address_hash.as_ref().is_some_and(|hash| mailboxes.get(&row.person_id) != Some(hash));
        let opt_in = if is_elsewhere { Some(OptIn::Single) } else { row.opt_in };
        let word = Word { state: row.state, opt_in, at: row.at, id: row.id };
        words.entry((row.person_id, row.purpose, row.channel)).or_default().push(word);
    }
    Ok(words)
}

/// Writes what stands where it is not what stood, and tells of it where that makes a difference.
async fn write(tx: &Tx, before: &HashMap<Subject, Word>, now: &HashMap<Subject, Word>) -> Result<(), Fault> {
    let columns: &[&str] = &["person_id", "purpose", "channel", "state", "opt_in", "at", "consent_id"];
    let (mut new, mut known) = (Rows::new("consent_states", columns), Rows::new("consent_states", columns));
    let mut events = Vec::new();
    for (subject, word) in now.iter().filter(|(subject, word)| before.get(subject) != Some(word)) {
        let (person, purpose, channel) = subject;
        let stood = before.get(subject);
        let rows = if stood.is_some() { &mut known } else { &mut new };
        rows.push([
            person.0.into(),
            purpose.to_value().into(),
            channel.to_value().into(),
            word.state.to_value().into(),
            word.opt_in.map(|opt_in| opt_in.to_value()).into(),
            word.at.into(),
            word.id.0.into(),
        ]);
        if stood.is_none_or(|stood| (stood.state, stood.opt_in) != (word.state, word.opt_in)) {
            events.push(changed(tx, *subject, word));
        }
    }
    new.insert(tx.db()).await?;
    known.update(tx.db(), " AND t.purpose = v.purpose AND t.channel = v.channel").await?;
    if events.is_empty() { Ok(()) } else { outbox::emit(tx, events).await }
}

fn changed(tx: &Tx, (person, purpose, channel): Subject, word: &Word) -> Event {
    let payload = json!({
        "personId": person,
        "purpose": purpose,
        "channel": channel,
        "state": word.state,
        "optIn": word.opt_in,
    });
    Event {
        topic: "consent.changed",
        aggregate_id: person.0,
        payload,
        imported: false,
        occurred_at: tx.now(),
    }
}

/// Holds these people until the transaction ends, each of them as whom they turned out to be; answers who that is.
pub(super) async fn held(
    tx: &Tx,
    named: impl IntoIterator<Item = PersonId>,
) -> Result<HashMap<PersonId, PersonId>, Fault> {
    let named: BTreeSet<PersonId> = named.into_iter().collect();
    let mut held = BTreeSet::new();
    let mut ends: HashMap<PersonId, PersonId> = named.iter().map(|id| (*id, *id)).collect();
    loop {
        let both: BTreeSet<PersonId> = named.iter().chain(ends.values()).copied().collect();
        let missing: Vec<PersonId> = both.difference(&held).copied().collect();
        if missing.is_empty() {
            return Ok(ends);
        }
        for person in missing {
            dialect::lock(tx.db(), &format!("consents:{}", person.0)).await?;
            held.insert(person);
        }
        // Somebody may have turned out to be another while this waited.
        ends = who(tx.db(), named.iter().copied()).await?;
    }
}

/// Whom each of these turned out to be: of merged customers the one who stays, of guests who proved the mailbox the
/// customer.
pub(crate) async fn who(
    db: &impl ConnectionTrait,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<HashMap<PersonId, PersonId>, Fault> {
    let mut ends: HashMap<PersonId, PersonId> = people.into_iter().map(|id| (id, id)).collect();
    loop {
        let among = || is_among(db.get_database_backend(), "id", ends.values().map(|id| id.0));
        let merged: Vec<(Uuid, Option<Uuid>)> = customer::Entity::find()
            .select_only()
            .columns([customer::Column::Id, customer::Column::MergedInto])
            .filter(among())
            .filter(customer::Column::MergedInto.is_not_null())
            .into_tuple()
            .all(db)
            .await?;
        let joined: Vec<(Uuid, Option<Uuid>)> = guest_identity::Entity::find()
            .select_only()
            .columns([guest_identity::Column::Id, guest_identity::Column::CustomerId])
            .filter(among())
            .filter(guest_identity::Column::CustomerId.is_not_null())
            .into_tuple()
            .all(db)
            .await?;
        let next: HashMap<Uuid, Uuid> =
            merged.into_iter().chain(joined).filter_map(|(from, into)| Some((from, into?))).collect();
        if next.is_empty() {
            return Ok(ends);
        }
        for end in ends.values_mut() {
            if let Some(into) = next.get(&end.0) {
                *end = PersonId(*into);
            }
        }
    }
}

/// Gives `into` all that `from` said, and what is to be confirmed; what stands then is what both said. To be called once it is
/// written where `into` is written to.
pub(crate) async fn merge(
    tx: &Tx,
    from: impl Into<PersonId>,
    into: impl Into<PersonId>,
) -> Result<(), Fault> {
    let (from, into): (PersonId, PersonId) = (from.into(), into.into());
    for person in BTreeSet::from([from, into]) {
        dialect::lock(tx.db(), &format!("consents:{}", person.0)).await?;
    }
    consent_request::Entity::update_many()
        .col_expr(consent_request::Column::PersonId, Expr::val(into))
        .filter(consent_request::Column::PersonId.eq(from))
        .exec(tx.db())
        .await?;
    let before = standing(tx.db(), [from, into]).await?;
    consent::Entity::update_many()
        .col_expr(consent::Column::PersonId, Expr::val(into))
        .filter(consent::Column::PersonId.eq(from))
        .exec(tx.db())
        .await?;
    consent_state::Entity::delete_many()
        .filter(consent_state::Column::PersonId.eq(from))
        .exec(tx.db())
        .await?;
    let before = before.into_iter().filter(|((person, ..), _)| *person == into).collect();
    restate(tx, &before, &BTreeSet::from([into])).await
}
