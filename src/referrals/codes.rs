//! Codes that customers give friends: one for each customer, made when it is first asked for.

use std::collections::HashMap;

use entity::customer;
use entity::id::CustomerId;
use entity::referral_code::{Column, Entity, Model};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::app::App;
use crate::auth::secret;
use crate::customers::{self, CustomerBy};
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// Letters of a code: 60 bits, which nobody can guess.
const LETTERS: usize = 12;

/// As codes are kept, whatever people type between the letters.
pub(super) fn normal(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// Whose a code is, if it counts: whoever takes no part in the programme, or is disabled, brings nobody.
pub(super) async fn owner(tx: &Tx, code: &str) -> Result<Option<customer::Model>, Fault> {
    let Some(found) = Entity::find_by_id(normal(code)).one(tx.db()).await? else { return Ok(None) };
    let owner = customers::find(tx.db(), &CustomerBy::Id(found.customer_id)).await?;
    Ok(owner.filter(takes_part))
}

/// Whether a customer can bring friends, or be one.
pub(super) fn takes_part(row: &customer::Model) -> bool {
    row.enrolled_at.is_some() && row.disabled_at.is_none()
}

/// The codes of these customers, none of whom turned out to be another; those that are missing are made.
pub(super) async fn of_customers(
    app: &App,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, String>, Fault> {
    let mut codes = stored(&app.db.read, customers).await?;
    let missing: Vec<CustomerId> = customers.iter().copied().filter(|id| !codes.contains_key(id)).collect();
    if !missing.is_empty() {
        codes.extend(app.change(missing.as_slice(), make).await?);
    }
    Ok(codes)
}

/// Of those who make one for the same customer at once, one does, and all read that one.
async fn make(tx: &Tx, customers: &[CustomerId]) -> Result<HashMap<CustomerId, String>, Fault> {
    let mut rows = Rows::new("referral_codes", &["code", "customer_id", "made_for", "created_at"]);
    for customer in customers {
        let code = secret::letters::<LETTERS>()?.to_ascii_uppercase();
        rows.push([code.into(), customer.0.into(), customer.0.into(), tx.now().into()]);
    }
    rows.insert_missing(tx.db()).await?;
    stored(tx.db(), customers).await
}

/// The codes there are. Whoever others turned out to be has several, and is shown that which was made for them.
async fn stored(
    db: &impl ConnectionTrait,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, String>, Fault> {
    let among = is_among(db.get_database_backend(), "customer_id", customers.iter().map(|id| id.0));
    let oldest_first =
        Entity::find().filter(among).order_by_asc(Column::CreatedAt).order_by_asc(Column::Code);
    let mut codes: HashMap<CustomerId, Model> = HashMap::new();
    for row in oldest_first.all(db).await? {
        let kept = codes.entry(row.customer_id).or_insert_with(|| row.clone());
        if row.made_for == row.customer_id {
            *kept = row;
        }
    }
    Ok(codes.into_iter().map(|(customer, row)| (customer, row.code)).collect())
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn a_code_is_the_same_however_people_type_it() {
        assert_eq!(normal(" abcd-EFGH 2345\n"), "ABCDEFGH2345");
        assert_eq!(normal("—"), "");
    }
}
