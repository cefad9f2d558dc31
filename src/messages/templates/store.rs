//! Templates in the database: drafts, what is published of them, and what is built in behind that.

use std::collections::BTreeMap;

use entity::consent::Purpose;
use entity::id::{StaffId, TemplateId, TemplateVersionId};
use entity::message::Channel;
use entity::points_entry::ActorKind;
use entity::{message_template, message_template_version};
use message_template_version::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, JoinType, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, RelationDef, Set,
};
use serde::Serialize;
use serde_json::json;

use super::validate::{self, Code, Problem};
use super::{Body, built_in};
use crate::audit::{self, Entry};
use crate::db::dialect;
use crate::error::{Fault, Outcome, refuse};
use crate::journeys;
use crate::tx::Tx;

/// Templates that a shop may have, besides those that are built in.
const MOST_TEMPLATES: u64 = 500;
/// Bytes of a whole template.
const LONGEST_BODY: usize = 512 * 1024;

/// A template that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishedTemplate {
    pub(crate) code: String,
    /// 0 is the one that is built in.
    pub(crate) version: i32,
    /// What right it needs; transactional, if none.
    pub(crate) purpose: Option<Purpose>,
    /// By which ways it can be sent.
    pub(crate) channels: Vec<Channel>,
    /// With its words.
    pub(crate) body: Body,
}

/// What is in use under this code: the shop's own, else the one that is built in.
pub(crate) async fn published_template(
    db: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<PublishedTemplate>, Fault> {
    let published = Expr::col((message_template::Entity, message_template::Column::Published));
    let found = Entity::find()
        .join(JoinType::InnerJoin, to_template())
        .filter(message_template::Column::Code.eq(code))
        .filter(Expr::col((Entity, Column::Version)).eq(published))
        .one(db)
        .await?;
    let (version, body) = match found {
        Some(row) => (row.version, serde_json::from_value(row.body)?),
        None => match built_in::body(code) {
            Some(body) => (0, body.clone()),
            None => return Ok(None),
        },
    };
    let Body { purpose, channels, .. } = body.clone();
    Ok(Some(PublishedTemplate { code: code.to_owned(), version, purpose, channels, body }))
}

fn to_template() -> RelationDef {
    Entity::belongs_to(message_template::Entity)
        .from(Column::TemplateId)
        .to(message_template::Column::Id)
        .into()
}

/// A template as staff see it.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) is_built_in: bool,
    /// With its version; 0 is the one that is built in.
    pub(crate) published: Option<(i32, Body)>,
    /// With the version that it is to be.
    pub(crate) draft: Option<(i32, Body)>,
}

/// Every template, by its code.
pub(crate) async fn all(db: &impl ConnectionTrait) -> Result<Vec<Template>, Fault> {
    let rows = message_template::Entity::find().all(db).await?;
    templates(db, rows, built_in::names()).await
}

/// The template with this code.
pub(crate) async fn one(db: &impl ConnectionTrait, code: &str) -> Result<Option<Template>, Fault> {
    let row =
        message_template::Entity::find().filter(message_template::Column::Code.eq(code)).one(db).await?;
    let built_in = built_in::names().filter(|(known, _)| *known == code);
    Ok(templates(db, row.into_iter().collect(), built_in).await?.into_iter().next())
}

async fn templates(
    db: &impl ConnectionTrait,
    rows: Vec<message_template::Model>,
    built_in: impl Iterator<Item = (&'static str, &'static str)>,
) -> Result<Vec<Template>, Fault> {
    let mut templates: BTreeMap<String, Template> = built_in
        .map(|(code, name)| {
            let published = built_in::body(code).map(|body| (0, body.clone()));
            let (code, name) = (code.to_owned(), name.to_owned());
            (code.clone(), Template { code, name, is_built_in: true, published, draft: None })
        })
        .collect();
    let among = dialect::is_among(db.get_database_backend(), "template_id", rows.iter().map(|row| row.id.0));
    // Published ones that another took the place of are many in the end.
    let current = Expr::col(Column::PublishedAt).is_null().or(Expr::exists(in_use()));
    let versions = Entity::find().filter(among).filter(current).all(db).await?;
    for row in rows {
        let entry = templates.entry(row.code.clone()).or_insert_with(|| Template {
            code: row.code.clone(),
            name: String::new(),
            is_built_in: false,
            published: None,
            draft: None,
        });
        entry.name.clone_from(&row.name);
        for version in versions.iter().filter(|version| version.template_id == row.id) {
            let body = (version.version, serde_json::from_value(version.body.clone())?);
            if version.published_at.is_none() {
                entry.draft = Some(body);
            } else {
                entry.published = Some(body);
            }
        }
    }
    Ok(templates.into_values().collect())
}

fn in_use() -> sea_orm::sea_query::SelectStatement {
    use message_template::{Column as Of, Entity as Templates};
    sea_orm::sea_query::Query::select()
        .expr(Expr::val(1))
        .from(Templates)
        .and_where(Expr::col((Templates, Of::Id)).eq(Expr::col((Entity, Column::TemplateId))))
        .and_where(Expr::col((Templates, Of::Published)).eq(Expr::col((Entity, Column::Version))))
        .take()
}

/// Why a template was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// No such template.
    NotFound,
    /// A value is out of its bounds: which, and what is wrong with it.
    Invalid(&'static str, &'static str),
    /// There is nothing to publish.
    NoDraft,
    /// The draft is another than the one that was looked at.
    Changed,
    /// The draft cannot be published.
    Problems(Vec<Problem>),
    /// There are as many as there may be.
    TooMany,
    /// It is not for mail.
    NotMail,
    /// No such customer.
    NoCustomer,
}

/// A draft of a template, new or not.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Draft {
    pub(crate) code: String,
    /// For staff.
    pub(crate) name: String,
    pub(crate) body: Body,
}

/// Writes the draft of a template, in place of the one there may be.
pub(crate) async fn draft(tx: &Tx, draft: &Draft) -> Outcome<String, TemplateError> {
    if let Some((field, problem)) = problem(draft)? {
        return refuse(TemplateError::Invalid(field, problem));
    }
    // One after the other: they are counted, and have one draft each.
    dialect::lock(tx.db(), "message_templates").await?;
    let template = template_of(tx, draft).await?;
    let Some(template) = template else { return refuse(TemplateError::TooMany) };
    let body = serde_json::to_value(&draft.body)?;
    let replaced = Entity::update_many()
        .col_expr(Column::Body, Expr::val(body.clone()))
        .col_expr(Column::StaffId, Expr::val(author(tx)))
        .col_expr(Column::CreatedAt, Expr::val(tx.now()))
        .filter(Column::TemplateId.eq(template).and(Column::PublishedAt.is_null()))
        .exec(tx.db())
        .await?;
    if replaced.rows_affected == 0 {
        let last = last_version(tx, template).await?.map_or(0, |last| last.version);
        let row = ActiveModel {
            id: Set(tx.id::<TemplateVersionId>()),
            template_id: Set(template),
            version: Set(last + 1),
            body: Set(body),
            staff_id: Set(author(tx)),
            created_at: Set(tx.now()),
            published_at: Set(None),
        };
        row.insert(tx.db()).await?;
    }
    message_template::Entity::update_many()
        .col_expr(message_template::Column::Name, Expr::val(draft.name.as_str()))
        .col_expr(message_template::Column::UpdatedAt, Expr::val(tx.now()))
        .filter(message_template::Column::Id.eq(template))
        .exec(tx.db())
        .await?;
    let detail = json!({ "after": { "code": draft.code, "name": draft.name } });
    audit::record(tx, [Entry::of("message_template.draft", "MessageTemplate", template.0, detail)]).await?;
    Ok(draft.code.clone())
}

fn problem(draft: &Draft) -> Result<Option<(&'static str, &'static str)>, Fault> {
    let is_code =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if !(1..=60).contains(&draft.code.len()) || !draft.code.bytes().all(is_code) {
        return Ok(Some(("code", "must be 1 to 60 of a-z, 0-9, - and _")));
    }
    let name = draft.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Ok(Some(("name", "must be 1 to 100 characters, none of them control characters")));
    }
    let is_long = serde_json::to_vec(&draft.body)?.len() > LONGEST_BODY;
    Ok(is_long.then_some(("body", "must be 512 KiB at most")))
}

fn author(tx: &Tx) -> Option<StaffId> {
    let actor = tx.caller().actor;
    actor.id.filter(|_| actor.kind == ActorKind::Staff).map(StaffId)
}

async fn last_version(tx: &Tx, template: TemplateId) -> Result<Option<Model>, Fault> {
    let query = Entity::find().filter(Column::TemplateId.eq(template)).order_by_desc(Column::Version);
    Ok(query.one(tx.db()).await?)
}

/// The template with this code, made if there is none; none if there are too many.
async fn template_of(tx: &Tx, draft: &Draft) -> Result<Option<TemplateId>, Fault> {
    use message_template::{ActiveModel, Column, Entity};
    if let Some(found) = Entity::find().filter(Column::Code.eq(draft.code.as_str())).one(tx.db()).await? {
        return Ok(Some(found.id));
    }
    if Entity::find().count(tx.db()).await? >= MOST_TEMPLATES {
        return Ok(None);
    }
    let id: TemplateId = tx.id();
    let row = ActiveModel {
        id: Set(id),
        code: Set(draft.code.clone()),
        name: Set(draft.name.clone()),
        published: Set(None),
        created_at: Set(tx.now()),
        updated_at: Set(tx.now()),
    };
    row.insert(tx.db()).await?;
    Ok(Some(id))
}

/// Which template's draft is to be published.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Publish {
    pub(crate) code: String,
    /// None if there was no draft.
    #[serde(skip)]
    pub(crate) checked: Option<Checked>,
}

/// A draft, and what is wrong with it.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    body: Body,
    problems: Vec<Problem>,
}

/// Looks at the draft of a template, if there is one. It is filled in in every language, which is too slow for a transaction.
pub(crate) async fn checked(db: &impl ConnectionTrait, code: &str) -> Result<Option<Checked>, Fault> {
    let Some((_, body)) = one(db, code).await?.and_then(|template| template.draft) else { return Ok(None) };
    let check = move || Checked { problems: validate::problems(&body), body };
    Ok(Some(tokio::task::spawn_blocking(check).await?))
}

/// Publishes the draft of a template, if it is the one that was looked at and nothing is wrong with it; messages that are sent
/// from now on say what it says.
pub(crate) async fn publish(tx: &Tx, publish: &Publish) -> Outcome<String, TemplateError> {
    use message_template::Column as Of;
    dialect::lock(tx.db(), "message_templates").await?;
    let found =
        message_template::Entity::find().filter(Of::Code.eq(publish.code.as_str())).one(tx.db()).await?;
    let Some(template) = found else {
        let is_built_in = built_in::body(&publish.code).is_some();
        return refuse(if is_built_in { TemplateError::NoDraft } else { TemplateError::NotFound });
    };
    let last = last_version(tx, template.id).await?.filter(|last| last.published_at.is_none());
    let Some(draft) = last else { return refuse(TemplateError::NoDraft) };
    let body: Body = serde_json::from_value(draft.body)?;
    let Some(checked) = publish.checked.as_ref().filter(|checked| checked.body == body) else {
        return refuse(TemplateError::Changed);
    };
    let mut problems = checked.problems.clone();
    problems.extend(unfit(tx, &publish.code, &body).await?);
    if !problems.is_empty() {
        return refuse(TemplateError::Problems(problems));
    }
    Entity::update_many()
        .col_expr(Column::PublishedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(draft.id))
        .exec(tx.db())
        .await?;
    message_template::Entity::update_many()
        .col_expr(Of::Published, Expr::val(draft.version))
        .col_expr(Of::UpdatedAt, Expr::val(tx.now()))
        .filter(Of::Id.eq(template.id))
        .exec(tx.db())
        .await?;
    let detail = json!({
        "before": { "version": template.published },
        "after": { "code": publish.code, "version": draft.version },
    });
    audit::record(tx, [Entry::of("message_template.publish", "MessageTemplate", template.id.0, detail)])
        .await?;
    Ok(publish.code.clone())
}

/// Why journeys in force could not send it any more: their messages would be dropped.
async fn unfit(tx: &Tx, code: &str, body: &Body) -> Result<Vec<Problem>, Fault> {
    let uses = journeys::uses_of_template(tx, code).await?;
    let problem = |field, message| Problem::new(Code::UsedByJourney, &[field], message);
    let unfit = |used: journeys::Use| {
        let journey = used.journey;
        if used.purpose != body.purpose {
            return Some(problem("purpose", format!("The journey {journey} sends it for another purpose.")));
        }
        let has_all = used.channels.iter().all(|channel| body.channels.contains(channel));
        let message = || format!("The journey {journey} sends it by a channel that it would not have.");
        (!has_all).then(|| problem("channels", message()))
    };
    Ok(uses.into_iter().filter_map(unfit).collect())
}
