//! What is remembered of a session, on an instance that hears the others.

use std::time::Duration;

use entity::id::StaffId;
use entity::session::Audience;
use entity::staff::Role;
use secrecy::ExposeSecret;

use crate::app::App;
use crate::auth::passwords::Password;
use crate::auth::viewer::Viewer;
use crate::auth::{Unauthenticated, authenticate, sessions, sign_in, staff};
use crate::customers::email::EmailAddress;
use crate::error::Fault;
use crate::notices::Notice;
use crate::testing::on_each_database;
use crate::tx::Tx;

const PASSWORD: &str = "correct horse";

fn email() -> EmailAddress {
    EmailAddress::try_from("olga@example.com".to_owned()).unwrap()
}

/// A member of staff, signed in: who, and the header.
async fn olga(app: &App) -> (StaffId, String) {
    let password = Password::parse(PASSWORD.into()).unwrap();
    let new = staff::NewStaff { email: email(), name: "Olga".to_owned(), role: Role::Owner, password };
    let id = staff::create(app, new).await.unwrap();
    let (tokens, _) = sign_in::staff(app, &email(), PASSWORD.into(), None).await.unwrap();
    (id, format!("Bearer {}", tokens.access_token.expose_secret()))
}

/// As a query sees whoever sends this header.
async fn seen(app: &App, header: &str) -> Option<Role> {
    match authenticate(app, Some(header), Ok(())).await {
        Ok(seen) => match seen.for_query() {
            Viewer::Staff { role, .. } => Some(role),
            other => panic!("{other:?}"),
        },
        Err(Unauthenticated::Rejected) => None,
        Err(Unauthenticated::Fault(fault)) => panic!("{fault:?}"),
    }
}

/// Whether the sender of this header comes to be remembered: on a busy machine not at the first try.
async fn is_remembered(app: &App, header: &str) -> bool {
    for _ in 0..100 {
        if authenticate(app, Some(header), Ok(())).await.unwrap().remembered.is_some() {
            return true;
        }
    }
    false
}

/// Changes the member of staff, and tells.
async fn change(app: &App, id: StaffId, column: entity::staff::Column, value: sea_orm::Value) {
    use sea_orm::sea_query::Expr;
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let input = (id, column, value);
    let changed = app.change(&input, async |tx: &Tx, (id, column, value)| {
        entity::staff::Entity::update_many()
            .col_expr(*column, Expr::val(value.clone()))
            .filter(entity::staff::Column::Id.eq(*id))
            .exec(tx.db())
            .await?;
        tx.tell(Notice::StandingChanged { audience: Audience::Staff, subject: id.0 });
        Ok::<_, Fault>(())
    });
    changed.await.unwrap();
}

/// Begins to hear, so that what is read from now on is remembered.
async fn keep_current(app: &App) -> tokio::task::JoinSet<()> {
    let keeping = app.keep_current(false);
    for _ in 0..1_000 {
        if !app.db.is_postgres() || app.notices.hears_others() {
            return keeping;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not hear");
}

#[tokio::test]
async fn who_gets_another_role_or_is_disabled_is_not_remembered() {
    on_each_database(async |app| {
        let keeping = keep_current(app).await;
        let (id, header) = olga(app).await;
        assert_eq!(seen(app, &header).await, Some(Role::Owner));
        assert!(is_remembered(app, &header).await);
        let role: sea_orm::Value = sea_orm::ActiveEnum::to_value(&Role::Analyst).into();
        change(app, id, entity::staff::Column::Role, role).await;
        assert_eq!(seen(app, &header).await, Some(Role::Analyst));
        change(app, id, entity::staff::Column::DisabledAt, app.clock.now().into()).await;
        assert_eq!(seen(app, &header).await, None);
        drop(keeping);
    })
    .await;
}

#[tokio::test]
async fn a_person_whose_sessions_all_end_is_not_remembered() {
    on_each_database(async |app| {
        let keeping = keep_current(app).await;
        let (id, header) = olga(app).await;
        let mut subscriber = app.notices.subscribe();
        assert_eq!(seen(app, &header).await, Some(Role::Owner));
        // Somebody else of the same id in another audience.
        let end = async |tx: &Tx, (audience, id): &(Audience, StaffId)| {
            sessions::end_all(tx, *audience, id.0, None).await
        };
        app.change(&(Audience::Customer, id), end).await.unwrap();
        assert_eq!(seen(app, &header).await, Some(Role::Owner));
        app.change(&(Audience::Staff, id), end).await.unwrap();
        assert_eq!(seen(app, &header).await, None);
        let mut told = Vec::new();
        while told.len() < 2 {
            let heard = tokio::time::timeout(Duration::from_secs(1), subscriber.next()).await;
            let heard = heard.unwrap().unwrap();
            // On PostgreSQL each comes back from the database as well.
            if !told.contains(&heard) {
                told.push(heard);
            }
        }
        let notice =
            |audience| crate::notices::Heard::Notice(Notice::StandingChanged { audience, subject: id.0 });
        assert_eq!(told, [Audience::Customer, Audience::Staff].map(notice));
        drop(keeping);
    })
    .await;
}
