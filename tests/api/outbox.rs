//! Events get their positions after commit: dense, in the order of commits, however many relays run.

use entity::outbox::{Column, Entity, Model};
use futures_util::future::join_all;
use regulars::error::{Outcome, refuse};
use regulars::outbox::{self, Event};
use regulars::tx::Tx;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestApp, both_engines};

fn event(tx: &Tx, number: i64) -> Event {
    Event {
        topic: "test.happened",
        aggregate_id: Uuid::nil(),
        payload: json!({ "number": number }),
        imported: false,
        occurred_at: tx.now(),
    }
}

async fn emit(shop: &TestApp, numbers: impl IntoIterator<Item = i64> + Clone) {
    shop.change(async |tx: &Tx| {
        let events: Vec<Event> = numbers.clone().into_iter().map(|number| event(tx, number)).collect();
        outbox::emit(tx, events).await
    })
    .await;
}

async fn stored(shop: &TestApp) -> Vec<Model> {
    Entity::find().order_by_asc(Column::Position).all(&shop.app.db.read).await.unwrap()
}

fn numbers(events: &[Model]) -> Vec<i64> {
    events.iter().map(|event| event.payload["number"].as_i64().unwrap()).collect()
}

fn positions(events: &[Model]) -> Vec<Option<i64>> {
    events.iter().map(|event| event.position).collect()
}

both_engines! {
    async fn an_event_has_no_position_before_the_relay_ran(shop: &TestApp) {
        emit(shop, [7]).await;
        let events = stored(shop).await;
        assert_eq!((numbers(&events), positions(&events)), (vec![7], vec![None]));
        let event = &events[0];
        assert_eq!((event.topic.as_str(), event.imported, event.occurred_at), ("test.happened", false, shop.clock.now()));
    }

    async fn positions_are_dense_and_in_the_order_of_commits(shop: &TestApp) {
        for number in 0..30 {
            emit(shop, [number]).await;
            if number % 7 == 0 {
                outbox::relay(&shop.app).await.unwrap();
            }
        }
        assert_eq!(outbox::relay(&shop.app).await.unwrap(), 1);
        assert_eq!(outbox::relay(&shop.app).await.unwrap(), 0);
        let events = stored(shop).await;
        assert_eq!(numbers(&events), (0..30).collect::<Vec<_>>());
        assert_eq!(positions(&events), (1..=30).map(Some).collect::<Vec<_>>());
    }

    async fn an_event_that_commits_late_is_not_skipped(shop: &TestApp) {
        // On SQLite a second writer waits for the first; only PostgreSQL lets a later id commit earlier.
        let late_can_wait = shop.app.db.is_postgres();
        let (committed, wait) = tokio::sync::oneshot::channel::<()>();
        let wait = std::sync::Mutex::new(Some(wait));
        let late = shop.change(async |tx: &Tx| {
            outbox::emit(tx, [event(tx, 1)]).await?;
            let wait = wait.lock().unwrap().take();
            if let Some(wait) = wait.filter(|_| late_can_wait) {
                wait.await.unwrap();
            }
            Ok(())
        });
        let early = async {
            if late_can_wait {
                emit(shop, [2]).await;
                outbox::relay(&shop.app).await.unwrap();
                committed.send(()).unwrap();
            }
        };
        tokio::join!(late, early);
        outbox::relay(&shop.app).await.unwrap();
        let events = stored(shop).await;
        let expected = if late_can_wait { vec![2, 1] } else { vec![1] };
        assert_eq!(numbers(&events), expected);
        assert_eq!(positions(&events), (1..).take(expected.len()).map(Some).collect::<Vec<_>>());
    }

    async fn two_relays_at_once_give_each_event_one_position(shop: &TestApp) {
        let other = shop.another_instance().await;
        emit(shop, 0..1_200).await;
        let relays = [&shop.app, &other, &shop.app, &other].map(|app| async move {
            let mut relayed = 0;
            for _ in 0..20 {
                relayed += outbox::relay(app).await.unwrap();
            }
            relayed
        });
        let relayed: usize = join_all(relays).await.into_iter().sum();
        assert_eq!(relayed, 1_200);
        let events = stored(shop).await;
        assert_eq!(positions(&events), (1..=1_200).map(Some).collect::<Vec<_>>());
        assert_eq!(numbers(&events), (0..1_200).collect::<Vec<_>>());
        other.db.clone().close().await.unwrap();
    }

    async fn a_rolled_back_event_never_happened(shop: &TestApp) {
        let outcome: Outcome<(), &str> = shop
            .unchanged_by(async || {
                shop.app
                    .write(&(), async |tx: &Tx, ()| {
                        outbox::emit(tx, [event(tx, 1)]).await?;
                        refuse("changed my mind")
                    })
                    .await
            })
            .await;
        assert_eq!(crate::support::refusal(outcome), "changed my mind");
        assert_eq!(outbox::relay(&shop.app).await.unwrap(), 0);
    }

    async fn no_events_are_no_rows(shop: &TestApp) {
        shop.unchanged_by(async || emit(shop, []).await).await;
    }
}
