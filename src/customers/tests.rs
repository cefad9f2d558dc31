//! Customers on a database of their own.

use entity::id::CustomerId;
use sea_orm::{ActiveModelTrait, EntityTrait, PaginatorTrait, Set};

use super::email::EmailAddress;
use super::write::{Change, Profile};
use super::{CustomerBy, CustomerError, Record, Update, find, record, update};
use crate::app::App;
use crate::error::split;
use crate::idempotency::Key;
use crate::testing::on_each_database;
use crate::tx::Tx;

fn anna(name: &str) -> Record {
    Record {
        external_id: "shop-1".to_owned().try_into().unwrap(),
        email: Some("anna@example.com".to_owned().try_into().unwrap()),
        profile: Profile { name: Change::Set(name.to_owned().try_into().unwrap()), ..Profile::default() },
    }
}

async fn topics(app: &App) -> Vec<String> {
    entity::outbox::Entity::find().all(&app.db.read).await.unwrap().into_iter().map(|e| e.topic).collect()
}

async fn accounts(app: &App) -> u64 {
    entity::points_account::Entity::find().count(&app.db.read).await.unwrap()
}

#[tokio::test]
async fn recording_makes_a_customer_once_and_then_updates_it() {
    on_each_database(async |app| {
        let first = app.change(&anna("Anna"), record).await.unwrap();
        let again = app.change(&anna("Anna"), record).await.unwrap();
        assert_eq!((first, accounts(app).await), (again, 1));
        assert_eq!(topics(app).await, ["customer.created"]);
        app.change(&anna("Anna de Wit"), record).await.unwrap();
        let row = find(&app.db.read, &CustomerBy::ExternalId("shop-1".to_owned().try_into().unwrap()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((row.id, row.name.as_deref()), (first, Some("Anna de Wit")));
        assert_eq!((row.email.as_deref(), row.email_key), (Some("anna@example.com"), None));
        assert!(row.enrolled_at.is_some() && row.registered_at.is_none());
        assert_eq!(topics(app).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn two_that_record_the_same_customer_at_once_mean_one() {
    on_each_database(async |app| {
        let (left, right) = (anna("Anna"), anna("Anna"));
        let both = tokio::join!(app.change(&left, record), app.change(&right, record));
        assert_eq!(both.0.unwrap(), both.1.unwrap());
        assert_eq!(accounts(app).await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_the_shop_wrote_down_identifies_nobody() {
    on_each_database(async |app| {
        app.change(&anna("Anna"), record).await.unwrap();
        let email = EmailAddress::try_from("anna@example.com".to_owned()).unwrap();
        assert_eq!(find(&app.db.read, &CustomerBy::Mailbox(email)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_registered_customer_keeps_the_mailbox_that_was_proven() {
    on_each_database(async |app| {
        let id = app.change(&anna("Anna"), record).await.unwrap();
        let row = entity::customer::ActiveModel {
            id: Set(id),
            email: Set(Some("proven@example.com".to_owned())),
            registered_at: Set(Some(app.clock.now())),
            ..Default::default()
        };
        row.update(&app.db.write).await.unwrap();
        app.change(&anna("Anna"), record).await.unwrap();
        let row = find(&app.db.read, &CustomerBy::Id(id)).await.unwrap().unwrap();
        assert_eq!(row.email.as_deref(), Some("proven@example.com"));
    })
    .await;
}

#[tokio::test]
async fn an_update_happens_once_for_its_key_and_refuses_a_customer_that_there_is_not() {
    on_each_database(async |app| {
        let id = app.change(&anna("Anna"), record).await.unwrap();
        let renamed = |customer: Option<CustomerId>| Update {
            customer,
            profile: Profile {
                name: Change::Set("Ann".to_owned().try_into().unwrap()),
                locale: Change::Set("nl-BE".to_owned().try_into().unwrap()),
                ..Profile::default()
            },
        };
        let key = Key { scope: "test".to_owned(), key: "one".to_owned(), operation: "customerUpdate" };
        let done = app.write_once(&key, &renamed(Some(id)), update).await;
        let replayed = app.write_once(&key, &renamed(Some(id)), update).await;
        assert_eq!([done, replayed].map(|once| split(once).unwrap().unwrap().replayed), [false, true]);
        let nobody = CustomerId(app.ids.uuid(app.clock.now()));
        for customer in [None, Some(nobody)] {
            let refused =
                app.write(&renamed(customer), async |tx: &Tx, command| update(tx, command).await).await;
            assert_eq!(split(refused).unwrap().unwrap_err(), CustomerError::NotFound);
        }
        assert_eq!(topics(app).await, ["customer.created", "customer.updated"]);
    })
    .await;
}
