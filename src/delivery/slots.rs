//! Stating delivery slots, closing them, and finding those of an address.

use std::collections::BTreeMap;

use entity::delivery_slot::{Column, Entity, Model};
use entity::id::{DeliverySlotId, ShippingMethodId};
use entity::points_entry::ActorKind;
use entity::{Instant, delivery_slot_area, shipping_method};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};
use serde::Serialize;
use serde_json::json;

use super::Invalid;
use super::rules::{Area, beginnings};
use crate::audit::{self, Entry};
use crate::customers::country::CountryCode;
use crate::db::bulk::Rows;
use crate::db::dialect::{self, is_among, is_among_texts};
use crate::error::{Fault, Outcome, Stop, refuse};
use crate::external_id::ExternalId;
use crate::orders::rules::comparable;
use crate::tx::Tx;

/// Slots of one call.
const MOST_SLOTS: usize = 100;
/// Orders that a slot can be for.
const MOST_CAPACITY: i32 = 100_000;
/// Countries and beginnings of postal codes of one slot.
const MOST_PREFIXES: usize = 100;
/// Characters of a postal code.
const LONGEST_POSTAL: usize = 20;

/// A slot as the shop states it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Upsert {
    /// The shop's.
    pub(super) external_id: ExternalId,
    /// The code of its method.
    pub(super) method: String,
    pub(super) areas: Vec<Area>,
    pub(super) starts_at: Instant,
    pub(super) ends_at: Instant,
    pub(super) cut_off_at: Instant,
    pub(super) capacity: i32,
    pub(super) members_only: bool,
}

/// Many slots as the shop states them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct UpsertAll(pub(super) Vec<Upsert>);

/// Why slots were not stated or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SlotError {
    /// A value is out of its bounds.
    Invalid(Invalid),
    /// No such slot, or no such method.
    NotFound(Vec<String>),
}

/// Makes or changes all of these slots, or none. What is taken stays taken, and a closed slot stays closed.
pub(super) async fn upsert(
    tx: &Tx,
    UpsertAll(stated): &UpsertAll,
) -> Outcome<Vec<DeliverySlotId>, SlotError> {
    check(stated).map_err(|invalid| Stop::Refused(SlotError::Invalid(invalid)))?;
    // One after the other: whoever takes a slot waits for its row only.
    dialect::lock(tx.db(), "delivery_slots").await?;
    let methods = methods(tx, stated).await?;
    let ids = stated.iter().map(|slot| slot.external_id.as_str().to_owned());
    let among = is_among_texts(tx.db().get_database_backend(), "external_id", ids);
    let known = Entity::find().filter(among).all(tx.db()).await?;
    let known: BTreeMap<String, Model> =
        known.into_iter().map(|row| (row.external_id.clone(), row)).collect();
    let mut written = Vec::with_capacity(stated.len());
    for (index, slot) in stated.iter().enumerate() {
        let Some(method) = methods.get(&slot.method) else {
            return refuse(SlotError::NotFound(Invalid::in_list("slots", index, "method", "").path));
        };
        written.push(slot.onto(tx, *method, known.get(slot.external_id.as_str()))?);
    }
    write(tx, &written, &known).await?;
    write_areas(tx, stated, &written).await?;
    audited(tx, stated, &written).await?;
    Ok(written.into_iter().map(|row| row.id).collect())
}

/// The methods that they name, by code.
async fn methods(tx: &Tx, stated: &[Upsert]) -> Result<BTreeMap<String, ShippingMethodId>, Fault> {
    use shipping_method::{Column, Entity};
    let codes = stated.iter().map(|slot| slot.method.clone());
    let among = is_among_texts(tx.db().get_database_backend(), "code", codes);
    let query = Entity::find().select_only().columns([Column::Code, Column::Id]).filter(among);
    let found: Vec<(String, ShippingMethodId)> = query.into_tuple().all(tx.db()).await?;
    Ok(found.into_iter().collect())
}

impl Upsert {
    /// The row as it is to be.
    fn onto(&self, tx: &Tx, method_id: ShippingMethodId, known: Option<&Model>) -> Result<Model, Fault> {
        Ok(Model {
            id: known.map_or_else(|| tx.id(), |row| row.id),
            external_id: self.external_id.as_str().to_owned(),
            method_id,
            areas: serde_json::to_value(&self.areas)?,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            cut_off_at: self.cut_off_at,
            capacity: self.capacity,
            taken: 0,
            members_only: self.members_only,
            closed_at: None,
            created_at: tx.now(),
            updated_at: tx.now(),
        })
    }
}

/// Inserts those that are not known, and changes the others but for what is taken of them.
async fn write(tx: &Tx, slots: &[Model], known: &BTreeMap<String, Model>) -> Result<(), Fault> {
    const COLUMNS: &[&str] = &[
        "id",
        "method_id",
        "areas",
        "starts_at",
        "ends_at",
        "cut_off_at",
        "capacity",
        "members_only",
        "updated_at",
        "external_id",
        "taken",
        "created_at",
    ];
    // The last three stay as they are.
    const CHANGED: &[&str] = COLUMNS.split_at(COLUMNS.len() - 3).0;
    let (mut new, mut changed) = (Rows::new("delivery_slots", COLUMNS), Rows::new("delivery_slots", CHANGED));
    for slot in slots {
        let row: [Value; 12] = [
            slot.id.0.into(),
            slot.method_id.0.into(),
            slot.areas.clone().into(),
            slot.starts_at.into(),
            slot.ends_at.into(),
            slot.cut_off_at.into(),
            slot.capacity.into(),
            slot.members_only.into(),
            slot.updated_at.into(),
            slot.external_id.as_str().into(),
            slot.taken.into(),
            slot.created_at.into(),
        ];
        if known.contains_key(&slot.external_id) {
            let [row @ .., _, _, _] = row;
            changed.push(row);
        } else {
            new.push(row);
        }
    }
    new.insert(tx.db()).await?;
    changed.update(tx.db(), "").await
}

/// Where each slot is for, in place of where it was.
async fn write_areas(tx: &Tx, stated: &[Upsert], slots: &[Model]) -> Result<(), Fault> {
    let backend = tx.db().get_database_backend();
    let ids = slots.iter().map(|slot| slot.id.0);
    let theirs = is_among(backend, "slot_id", ids);
    delivery_slot_area::Entity::delete_many().filter(theirs).exec(tx.db()).await?;
    let mut rows = Rows::new("delivery_slot_areas", &["slot_id", "country", "prefix", "cut_off_at"]);
    for (slot, row) in stated.iter().zip(slots) {
        for area in &slot.areas {
            let whole = [String::new()];
            let prefixes = if area.prefixes.is_empty() { whole.as_slice() } else { &area.prefixes };
            for prefix in prefixes {
                let (country, prefix) = (area.country.as_str(), prefix.as_str());
                rows.push([row.id.0.into(), country.into(), prefix.into(), row.cut_off_at.into()]);
            }
        }
    }
    rows.insert(tx.db()).await
}

/// Leaves an entry for each slot, if staff stated it.
async fn audited(tx: &Tx, stated: &[Upsert], slots: &[Model]) -> Result<(), Fault> {
    if tx.caller().actor.kind != ActorKind::Staff {
        return Ok(());
    }
    let entry = |(slot, row): (&Upsert, &Model)| {
        Entry::of("delivery_slot.upsert", "DeliverySlot", row.id.0, json!({ "after": slot }))
    };
    audit::record(tx, stated.iter().zip(slots).map(entry)).await
}

/// Closes the slot: nobody can take it any more, and who has it keeps it.
pub(super) async fn close(tx: &Tx, external_id: &ExternalId) -> Outcome<DeliverySlotId, SlotError> {
    let which = Entity::find().filter(Column::ExternalId.eq(external_id.as_str()));
    let Some(slot) = which.lock_exclusive().one(tx.db()).await? else {
        return refuse(SlotError::NotFound(vec!["externalId".to_owned()]));
    };
    if slot.closed_at.is_some() {
        return Ok(slot.id);
    }
    Entity::update_many()
        .col_expr(Column::ClosedAt, Expr::val(tx.now()))
        .col_expr(Column::UpdatedAt, Expr::val(tx.now()))
        .filter(Column::Id.eq(slot.id))
        .exec(tx.db())
        .await?;
    if tx.caller().actor.kind == ActorKind::Staff {
        let entry = Entry::of("delivery_slot.close", "DeliverySlot", slot.id.0, json!({}));
        audit::record(tx, [entry]).await?;
    }
    Ok(slot.id)
}

/// Where somebody wants a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    pub(super) country: CountryCode,
    /// As it was written.
    pub(super) postal_code: Option<String>,
}

/// The first slots of each of these methods that are open at `at` for a destination, full ones too, the earliest first;
/// one statement.
pub(super) async fn open(
    db: &impl ConnectionTrait,
    methods: impl IntoIterator<Item = ShippingMethodId>,
    to: &Destination,
    at: Instant,
    first: i32,
) -> Result<Vec<Model>, Fault> {
    use delivery_slot_area::Column as AreaColumn;
    let backend = db.get_database_backend();
    let there = Query::select()
        .column(AreaColumn::SlotId)
        .from(delivery_slot_area::Entity)
        .and_where(AreaColumn::Country.eq(to.country.as_str()))
        .and_where(is_among_texts(backend, "prefix", beginnings(to.postal_code.as_deref())))
        .and_where(AreaColumn::CutOffAt.gt(at))
        .take();
    let rank = "ROW_NUMBER() OVER (PARTITION BY method_id ORDER BY starts_at, id)";
    let ranked = Query::select()
        .column(Column::Id)
        .expr_as(Expr::cust(rank), "place")
        .from(Entity)
        .and_where(Expr::col(Column::Id).in_subquery(there))
        .and_where(is_among(backend, "method_id", methods.into_iter().map(|method| method.0)))
        .and_where(Column::ClosedAt.is_null())
        .and_where(Column::CutOffAt.gt(at))
        .take();
    let first_of_each = Query::select()
        .column("id")
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(first))
        .take();
    let all = Entity::find().filter(Expr::col((Entity, Column::Id)).in_subquery(first_of_each));
    Ok(all.order_by_asc(Column::StartsAt).order_by_asc(Column::Id).all(db).await?)
}

fn check(stated: &[Upsert]) -> Result<(), Invalid> {
    if stated.is_empty() || stated.len() > MOST_SLOTS {
        return Err(Invalid::of("slots", "must be 1 to 100"));
    }
    for (index, slot) in stated.iter().enumerate() {
        let checked = if stated[..index].iter().any(|other| other.external_id == slot.external_id) {
            Err(("externalId", "came before"))
        } else {
            check_one(slot)
        };
        checked.map_err(|(field, problem)| Invalid::in_list("slots", index, field, problem))?;
    }
    Ok(())
}

fn check_one(slot: &Upsert) -> Result<(), (&'static str, &'static str)> {
    let instants = [("startsAt", slot.starts_at), ("endsAt", slot.ends_at), ("cutOffAt", slot.cut_off_at)];
    for (field, at) in instants {
        if comparable(at) != at {
            return Err((field, "must be in the years 1970 to 9999"));
        }
    }
    if slot.ends_at <= slot.starts_at {
        return Err(("endsAt", "must be later than startsAt"));
    }
    if slot.cut_off_at > slot.starts_at {
        return Err(("cutOffAt", "is after startsAt"));
    }
    if !(0..=MOST_CAPACITY).contains(&slot.capacity) {
        return Err(("capacity", "must be 0 to 100,000"));
    }
    check_areas(&slot.areas).map_err(|problem| ("areas", problem))
}

fn check_areas(areas: &[Area]) -> Result<(), &'static str> {
    if areas.is_empty() {
        return Err("must be 1 at least");
    }
    let prefixes: usize = areas.iter().map(|area| area.prefixes.len().max(1)).sum();
    if prefixes > MOST_PREFIXES {
        return Err("must have 100 countries and beginnings of postal codes at most");
    }
    for (place, area) in areas.iter().enumerate() {
        if areas[..place].iter().any(|other| other.country == area.country) {
            return Err("name a country twice");
        }
        for (place, prefix) in area.prefixes.iter().enumerate() {
            let fits = (1..=LONGEST_POSTAL).contains(&prefix.chars().count());
            if !fits || prefix.chars().any(char::is_control) {
                return Err("must have beginnings of 1 to 20 characters");
            }
            if area.prefixes[..place].contains(prefix) {
                return Err("name a beginning twice");
            }
        }
    }
    Ok(())
}

/// Takes a place of a slot that is open at `at`; false if it is not, or is full.
pub(super) async fn take(tx: &Tx, slot: DeliverySlotId, at: Instant) -> Result<bool, Fault> {
    let taken = Entity::update_many()
        .col_expr(Column::Taken, Expr::col(Column::Taken).add(1))
        .filter(Column::Id.eq(slot))
        .filter(Expr::col(Column::Taken).lt(Expr::col(Column::Capacity)))
        .filter(Column::ClosedAt.is_null())
        .filter(Column::CutOffAt.gt(at))
        .exec(tx.db())
        .await?;
    Ok(taken.rows_affected == 1)
}

/// Gives so many places of a slot back.
pub(super) async fn give_back(tx: &Tx, slot: DeliverySlotId, places: u64) -> Result<(), Fault> {
    let given = Entity::update_many()
        .col_expr(Column::Taken, Expr::col(Column::Taken).sub(i64::try_from(places)?))
        .filter(Column::Id.eq(slot))
        .exec(tx.db())
        .await?;
    if given.rows_affected == 1 { Ok(()) } else { Err(Fault::internal("a slot that was held is gone")) }
}
