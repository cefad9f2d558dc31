//! Writing, publishing, pausing and retiring journeys.

use std::collections::BTreeSet;

use entity::id::{JourneyId, JourneyVersionId, StaffId};
use entity::journey::{Column, Entity, JourneyState, Model};
use entity::{coupon, journey_version};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::definition::{Condition, Definition, Invalid};
use super::{builtin, intake, live, lock, tick};
use crate::audit::{self, Entry};
use crate::db::bulk::Rows;
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::feedback::has_survey;
use crate::messages::published_template;
use crate::tx::Tx;

/// Journeys that take people in at once.
const MOST: usize = 200;

/// Why a journey stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JourneyError {
    /// There is no such journey.
    NotFound,
    /// It is not where it would have to be for that.
    WrongState(JourneyState),
    /// A value is out of its bounds.
    Invalid(Invalid),
    /// A step names a template that is not published, or is for another purpose or other channels.
    Template {
        /// Counted from 0.
        step: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A step names a coupon that there is not.
    Coupon {
        /// Counted from 0.
        step: usize,
    },
    /// A step names a survey that there is not.
    Survey {
        /// Counted from 0.
        step: usize,
    },
    /// There are as many as there may be.
    Limit,
}

/// What is to be published next.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Draft {
    /// 1 to 64 of a-z, 0-9 and underscore.
    pub(crate) code: String,
    /// For staff; stays as it is, if none.
    pub(crate) name: Option<String>,
    pub(crate) definition: Definition,
}

/// A journey, by its code, and who acts on it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Act {
    pub(crate) code: String,
    #[serde(skip)]
    pub(crate) by: Option<StaffId>,
}

/// Keeps a draft; what is published stays in force.
pub(crate) async fn draft(tx: &Tx, draft: &Draft) -> Outcome<JourneyId, JourneyError> {
    let in_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !(1..=64).contains(&draft.code.len()) || !draft.code.bytes().all(in_code) {
        return refuse(invalid(&["code"], "must be 1 to 64 of a-z, 0-9 and underscore"));
    }
    let is_name =
        |name: &str| (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if draft.name.as_deref().is_some_and(|name| !is_name(name)) {
        return refuse(invalid(&["name"], "must be 1 to 100 characters on one line"));
    }
    draft.definition.check().map_err(|problem| Stop::Refused(JourneyError::Invalid(problem)))?;
    lock(tx).await?;
    let written = serde_json::to_value(&draft.definition)?;
    let known = live::by_code(tx.db(), &draft.code).await?;
    if known.as_ref().is_some_and(|known| known.state == JourneyState::Retired) {
        return refuse(JourneyError::WrongState(JourneyState::Retired));
    }
    let name = draft.name.clone().or(known.as_ref().map(|known| known.name.clone()));
    let name = name.unwrap_or_else(|| default_name(&draft.code));
    let id = match known {
        Some(known) => {
            Entity::update_many()
                .col_expr(Column::Name, Expr::val(name))
                .col_expr(Column::Draft, Expr::val(written.clone()))
                .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
                .filter(Column::Id.eq(known.id))
                .exec(tx.db())
                .await?;
            known.id
        }
        None => make(tx, &draft.code, name, Some(written.clone())).await?,
    };
    audited(tx, "journey.draft", id, json!({ "code": draft.code, "definition": written })).await?;
    Ok(id)
}

fn invalid(path: &[&str], problem: &'static str) -> JourneyError {
    JourneyError::Invalid(Invalid::new(path, problem))
}

fn default_name(code: &str) -> String {
    builtin::find(code).map_or_else(|| code.to_owned(), |one| one.name.to_owned())
}

async fn make(tx: &Tx, code: &str, name: String, draft: Option<Json>) -> Outcome<JourneyId, JourneyError> {
    if Entity::find().count(tx.db()).await? >= u64::try_from(MOST)? {
        return refuse(JourneyError::Limit);
    }
    let id: JourneyId = tx.id();
    let mut rows =
        Rows::new("journeys", &["id", "code", "name", "state", "draft", "created_at", "updated_at"]);
    rows.push([
        id.0.into(),
        code.into(),
        name.into(),
        JourneyState::Draft.to_value().into(),
        draft.into(),
        tx.now().into(),
        tx.now().into(),
    ]);
    rows.insert(tx.db()).await?;
    Ok(id)
}

/// Puts the draft in force, or, of a built-in journey without one, what it comes with. Who is on the way goes on in the
/// version in which it began.
pub(crate) async fn publish(tx: &Tx, act: &Act) -> Outcome<JourneyId, JourneyError> {
    lock(tx).await?;
    let known = live::by_code(tx.db(), &act.code).await?;
    if known.as_ref().is_some_and(|known| known.state == JourneyState::Retired) {
        return refuse(JourneyError::WrongState(JourneyState::Retired));
    }
    let Some(definition) = to_publish(known.as_ref(), &act.code)? else {
        return refuse(match known {
            Some(known) => JourneyError::WrongState(known.state),
            None => JourneyError::NotFound,
        });
    };
    check(tx, &definition).await?;
    let (id, version) = match known {
        Some(known) => (known.id, known.version.unwrap_or_default() + 1),
        None => (make(tx, &act.code, default_name(&act.code), None).await?, 1),
    };
    let columns = &["id", "journey_id", "version", "definition", "staff_id", "published_at"];
    let mut rows = Rows::new("journey_versions", columns);
    rows.push([
        tx.id::<JourneyVersionId>().0.into(),
        id.0.into(),
        version.into(),
        serde_json::to_value(&definition)?.into(),
        act.by.map(|staff| staff.0).into(),
        tx.now().into(),
    ]);
    rows.insert(tx.db()).await?;
    Entity::update_many()
        .col_expr(Column::Version, Expr::val(version))
        .col_expr(Column::Draft, Expr::val(None::<Json>))
        .col_expr(Column::State, Expr::val(JourneyState::Active.to_value()))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tick::unpark(tx, id).await?;
    intake::begin(tx).await?;
    let detail = json!({ "code": act.code, "version": version, "definition": definition });
    audited(tx, "journey.publish", id, detail).await?;
    Ok(id)
}

/// The draft; of a built-in journey that has none and was never published, what it comes with.
fn to_publish(known: Option<&Model>, code: &str) -> Result<Option<Definition>, Fault> {
    match known {
        Some(Model { draft: Some(draft), .. }) => Ok(Some(serde_json::from_value(draft.clone())?)),
        Some(Model { version: Some(_), .. }) => Ok(None),
        Some(_) | None => Ok(builtin::find(code).map(|one| one.definition)),
    }
}

/// Checks what a definition names.
async fn check(tx: &Tx, definition: &Definition) -> Outcome<(), JourneyError> {
    definition.check().map_err(|problem| Stop::Refused(JourneyError::Invalid(problem)))?;
    for (index, condition) in definition.conditions.iter().enumerate() {
        if let Condition::InTier(tiers) = condition
            && tiers.iter().any(|tier| tx.settings().tiers.rank(tier).is_none())
        {
            return refuse(invalid(&["conditions", &index.to_string()], "names a tier that there is not"));
        }
    }
    for (index, step) in definition.steps.iter().enumerate() {
        let problem = match published_template(tx.db(), &step.template).await? {
            None => Some("is not published"),
            Some(template) if template.purpose != definition.purpose => Some("is for another purpose"),
            Some(template) => {
                let known: BTreeSet<_> = template.channels.iter().collect();
                let fits = step.channels.iter().all(|channel| known.contains(channel));
                (!fits).then_some("has no words for one of the channels")
            }
        };
        if let Some(problem) = problem {
            return refuse(JourneyError::Template { step: index, problem });
        }
        if let Some(code) = &step.survey
            && !has_survey(tx.db(), code).await?
        {
            return refuse(JourneyError::Survey { step: index });
        }
        if let Some(code) = &step.coupon {
            let of_code = coupon::Column::Code.eq(code.as_str());
            let found = coupon::Entity::find().filter(of_code).one(tx.db()).await?;
            if found.is_none_or(|coupon| coupon.disabled_at.is_some() || coupon.customer_id.is_some()) {
                return refuse(JourneyError::Coupon { step: index });
            }
        }
    }
    Ok(())
}

/// It goes on taking people in; what is due waits.
pub(crate) async fn pause(tx: &Tx, act: &Act) -> Outcome<JourneyId, JourneyError> {
    moved(tx, act, "journey.pause", &[JourneyState::Active], JourneyState::Paused).await
}

/// What waited goes on.
pub(crate) async fn resume(tx: &Tx, act: &Act) -> Outcome<JourneyId, JourneyError> {
    let id = moved(tx, act, "journey.resume", &[JourneyState::Paused], JourneyState::Active).await?;
    tick::unpark(tx, id).await?;
    Ok(id)
}

/// It is over, for who is on the way too.
pub(crate) async fn retire(tx: &Tx, act: &Act) -> Outcome<JourneyId, JourneyError> {
    let from = [JourneyState::Active, JourneyState::Paused];
    let id = moved(tx, act, "journey.retire", &from, JourneyState::Retired).await?;
    // Those that are parked would never be looked at again; the others end when they are due.
    tick::unpark(tx, id).await?;
    Ok(id)
}

async fn moved(
    tx: &Tx,
    act: &Act,
    name: &'static str,
    from: &[JourneyState],
    to: JourneyState,
) -> Outcome<JourneyId, JourneyError> {
    lock(tx).await?;
    let Some(known) = live::by_code(tx.db(), &act.code).await? else {
        return refuse(if builtin::find(&act.code).is_some() {
            JourneyError::WrongState(JourneyState::Draft)
        } else {
            JourneyError::NotFound
        });
    };
    if !from.contains(&known.state) {
        return refuse(JourneyError::WrongState(known.state));
    }
    Entity::update_many()
        .col_expr(Column::State, Expr::val(to.to_value()))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(known.id))
        .exec(tx.db())
        .await?;
    audited(tx, name, known.id, json!({ "code": act.code })).await?;
    Ok(known.id)
}

async fn audited(tx: &Tx, act: &'static str, id: JourneyId, detail: Json) -> Result<(), Fault> {
    audit::record(tx, [Entry::of(act, "Journey", id.0, detail)]).await
}

/// The definition that a version has, or a draft.
pub(super) async fn definition_of(
    db: &impl ConnectionTrait,
    journey: &Model,
) -> Result<Option<Definition>, Fault> {
    use journey_version::Column as Version;
    let Some(version) = journey.version else { return Ok(None) };
    let which = Version::JourneyId.eq(journey.id).and(Version::Version.eq(version));
    let row = journey_version::Entity::find().filter(which).one(db).await?;
    Ok(row.map(|row| serde_json::from_value(row.definition)).transpose()?)
}
