//! A believable small shop on a fresh database: what `regulars demo` serves.

mod history;
mod members;
mod shop;

use std::collections::BTreeMap;

use entity::customer::{Column, Entity};
use entity::id::{AccountId, CustomerId};
use entity::points_account;
use entity::staff::Role;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use secrecy::SecretString;

use crate::actor::Actor;
use crate::app::App;
use crate::auth::api_keys::{self, NewKey};
use crate::auth::mailbox::{self, Register};
use crate::auth::passwords::Password;
use crate::auth::viewer::Scope;
use crate::auth::{code, proof, secret, staff};
use crate::catalog;
use crate::customers::email::EmailAddress;
use crate::customers::words;
use crate::customers::write::Change;
use crate::error::{Fault, Outcome, split};
use crate::external_id::ExternalId;
use crate::orders::{self, OrderRef, ReturnPieces, Which};
use crate::points::amount::Points;
use crate::points::command::{Act, Command};
use crate::points::ledger;
use crate::points::programme::{Activation, Expiry, Programme, ReturnPolicy};
use crate::settings::{self, ShopSettings};
use crate::tiers::programme::{Tier, TierProgramme, Window};
use crate::tx::Tx;

/// How to get in.
#[derive(Debug)]
pub struct Doors {
    /// A key with every scope.
    pub api_key: SecretString,
    /// The owner's address and password.
    pub owner: (&'static str, SecretString),
    /// The same of a customer with points.
    pub member: (&'static str, SecretString),
    /// How many orders there are.
    pub orders: usize,
}

/// Fills an empty database.
pub async fn fill(app: &App) -> Result<Doors, Fault> {
    change_settings(app).await?;
    sell_goods(app).await?;
    let orders = record_orders(app).await?;
    name_customers(app).await?;
    return_and_spend(app).await?;
    members::join(app).await?;
    let owner = make_owner(app).await?;
    let member = register_member(app).await?;
    let key = NewKey { name: "Demo shop".to_owned(), scopes: Scope::ALL.to_vec(), days: None };
    let api_key = api_keys::create(app, &key).await?;
    Ok(Doors { api_key, owner: (shop::OWNER, owner), member: (shop::MEMBER, member), orders })
}

/// The demo states nothing that could be refused.
fn granted<T, R>(outcome: Outcome<T, R>) -> Result<T, Fault> {
    split(outcome)?.map_err(|_refusal| Fault::internal("the demo shop was refused something"))
}

async fn change_settings(app: &App) -> Result<(), Fault> {
    let programme = Programme {
        activation: Activation::DaysAfterDelivery(14),
        expiry: Expiry::Months(24),
        redemption_rates: BTreeMap::from([("EUR".to_owned(), 20)]),
        redemption_minimum: 50,
        redemption_multiple: 10,
        redemption_cap_percent: 50,
        return_policy: ReturnPolicy::AllowDebt,
        ..Programme::default()
    };
    let settings = ShopSettings {
        name: shop::NAME.to_owned(),
        locale: "nl".to_owned(),
        programme,
        tiers: TierProgramme {
            tiers: shop::TIERS.into_iter().map(Tier::from).collect(),
            window: Window::Rolling12Months,
            grace_days: 30,
            ..TierProgramme::default()
        },
        ..ShopSettings::default()
    };
    let changed =
        app.write(&settings, async |tx: &Tx, settings| settings::change(tx, settings, None).await).await;
    granted(changed)?;
    settings::refresh(app).await
}

impl From<shop::Rung> for Tier {
    fn from(rung: shop::Rung) -> Self {
        let shop::Rung { code, name, points, benefit } = rung;
        Self {
            code: code.to_owned(),
            name: name.to_owned(),
            threshold: points,
            benefits: vec![benefit.to_owned()],
            early_access: false,
        }
    }
}

async fn sell_goods(app: &App) -> Result<(), Fault> {
    for good in &shop::GOODS {
        let product = catalog::Upsert {
            name: Some(good.name.to_owned()),
            categories: Change::Set(vec![good.category.to_owned()]),
            ..catalog::Upsert::of(good.sku)
        };
        granted(app.write(&product, catalog::upsert).await)?;
    }
    Ok(())
}

async fn record_orders(app: &App) -> Result<usize, Fault> {
    let records = history::orders(app.clock.now())?;
    for batch in records.chunks(200) {
        for recorded in app.change(batch, orders::record::record).await?.results {
            recorded.map_err(|_refusal| Fault::internal("an order of the demo shop was refused"))?;
        }
    }
    Ok(records.len())
}

async fn name_customers(app: &App) -> Result<(), Fault> {
    app.change(&(), async |tx: &Tx, ()| {
        for (name, email) in shop::PEOPLE {
            Entity::update_many()
                .col_expr(Column::Name, Expr::val(name))
                .col_expr(Column::Locale, Expr::val("nl"))
                .filter(Column::EmailKey.eq(email))
                .exec(tx.db())
                .await?;
        }
        let named = Entity::find().select_only().column(Column::Id).filter(Column::Name.is_not_null());
        words::refresh(tx, &named.into_tuple::<CustomerId>().all(tx.db()).await?).await
    })
    .await
}

/// A few orders come back in part, and the richest members spend some points.
async fn return_and_spend(app: &App) -> Result<(), Fault> {
    for number in [10_012, 10_031, 10_047] {
        let order = ExternalId::try_from(format!("ZW-{number}"))?;
        let back = orders::Return {
            order: OrderRef::External(order.into()),
            pieces: vec![ReturnPieces { line: Which::Position(1), quantity: 1 }],
            reason: Some("Toch niet mijn smaak".to_owned()),
            at: None,
            by: Actor::SYSTEM,
        };
        granted(app.write(&back, orders::return_lines).await)?;
    }
    let rich: Vec<AccountId> = points_account::Entity::find()
        .select_only()
        .column(points_account::Column::Id)
        .filter(points_account::Column::Available.gte(150))
        .order_by_desc(points_account::Column::Available)
        .limit(5)
        .into_tuple()
        .all(&app.db.read)
        .await?;
    let spend = |account: &AccountId| Command {
        account: *account,
        act: Act::Redeem(Points::at_most(100), Some("Twee kopjes met zwaluw".to_owned())),
        by: Actor::SYSTEM,
        effective_at: None,
        imported: true,
    };
    let spending: Vec<Command> = rich.iter().map(spend).collect();
    app.change(spending.as_slice(), ledger::post).await?;
    Ok(())
}

/// A password that nobody else has.
fn password() -> Result<(SecretString, Password), Fault> {
    let text = secret::token()?;
    let password = Password::parse(text.clone())
        .map_err(|_problem| Fault::internal("a password of our own is refused"))?;
    Ok((text, password))
}

async fn make_owner(app: &App) -> Result<SecretString, Fault> {
    let (text, password) = password()?;
    let email = EmailAddress::try_from(shop::OWNER.to_owned())?;
    let owner = staff::NewStaff { email, name: "Eva Zwaluw".to_owned(), role: Role::Owner, password };
    granted(staff::create(app, owner).await)?;
    Ok(text)
}

/// Registers the member as a storefront would: with a code that goes to the mailbox.
async fn register_member(app: &App) -> Result<SecretString, Fault> {
    let (text, password) = password()?;
    let email = EmailAddress::try_from(shop::MEMBER.to_owned())?;
    let register = Register { email, password: Some(password), name: None, locale: None };
    let challenge = granted(mailbox::register(app, register).await)?;
    let digits = code::of(&app.keys.code()?, challenge);
    granted(proof::prove(app, challenge, &digits).await)?;
    Ok(text)
}
