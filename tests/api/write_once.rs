//! One idempotency key, one effect.

use futures_util::future::join_all;
use regulars::error::{FaultKind, Outcome, Stop, refuse, refuse_recorded};
use regulars::idempotency::{Key, Once};
use regulars::outbox::{self, Event};
use regulars::tx::Tx;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestApp, both_engines, refusal};

#[derive(Clone, Debug, Serialize)]
struct Greet {
    name: &'static str,
}

const JOAN: Greet = Greet { name: "Joan" };

fn key(text: &str) -> Key {
    Key { scope: "shop:1".to_owned(), key: text.to_owned(), operation: "greet" }
}

/// An effect that can be counted, and an answer that differs from run to run.
async fn greet(tx: &Tx, command: &Greet) -> Outcome<Uuid, &'static str> {
    let event = Event {
        topic: "test.greeted",
        aggregate_id: Uuid::nil(),
        payload: json!({ "name": command.name }),
        imported: false,
        occurred_at: tx.now(),
    };
    outbox::emit(tx, [event]).await?;
    Ok(tx.id())
}

async fn submit(shop: &TestApp, key: &Key, command: &Greet) -> Outcome<Once<Uuid>, &'static str> {
    shop.app.write_once(key, command, greet).await
}

async fn effects(shop: &TestApp) -> usize {
    shop.snapshot().await.count("outbox")
}

fn fault_kind<T: std::fmt::Debug>(outcome: Outcome<T, &'static str>) -> FaultKind {
    match outcome {
        Err(Stop::Fault(fault)) => fault.kind(),
        other => panic!("not a fault: {other:?}"),
    }
}

both_engines! {
    async fn fifty_requests_at_once_with_one_key_have_one_effect(shop: &TestApp) {
        let key = key("k");
        let answers = join_all((0..50).map(|_| submit(shop, &key, &JOAN))).await;
        let answers: Vec<Once<Uuid>> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|once| !once.replayed).count(), 1);
        assert!(answers.iter().all(|once| once.value == answers[0].value), "{answers:?}");
        assert_eq!(effects(shop).await, 1);
    }

    async fn two_instances_share_their_keys(shop: &TestApp) {
        let other = shop.another_instance().await;
        let key = key("k");
        let on_both = [&shop.app, &other, &shop.app, &other].map(|app| app.write_once(&key, &JOAN, greet));
        let first = join_all(on_both).await.into_iter().filter(|once| !once.as_ref().unwrap().replayed).count();
        assert_eq!((first, effects(shop).await), (1, 1));
        other.db.clone().close().await.unwrap();
    }

    async fn a_replay_gets_the_stored_answer_and_changes_nothing(shop: &TestApp) {
        let first = submit(shop, &key("k"), &JOAN).await.unwrap();
        let again = shop.unchanged_by(async || submit(shop, &key("k"), &JOAN).await.unwrap()).await;
        assert_eq!((first.replayed, again.replayed), (false, true));
        assert_eq!(again.value, first.value);
    }

    async fn a_key_of_another_command_is_a_mistake_of_the_caller(shop: &TestApp) {
        submit(shop, &key("k"), &JOAN).await.unwrap();
        let another_input = shop.unchanged_by(async || submit(shop, &key("k"), &Greet { name: "Jan" }).await).await;
        assert_eq!(fault_kind(another_input), FaultKind::KeyReused);
        let another_operation = Key { operation: "shout", ..key("k") };
        let reused = shop.unchanged_by(async || submit(shop, &another_operation, &JOAN).await).await;
        assert_eq!(fault_kind(reused), FaultKind::KeyReused);
    }

    async fn two_callers_may_choose_the_same_key(shop: &TestApp) {
        let mine = submit(shop, &key("k"), &JOAN).await.unwrap();
        let theirs = Key { scope: "shop:2".to_owned(), ..key("k") };
        let theirs = submit(shop, &theirs, &Greet { name: "Jan" }).await.unwrap();
        assert_eq!((mine.replayed, theirs.replayed, effects(shop).await), (false, false, 2));
        assert_ne!(mine.value, theirs.value);
    }

    async fn a_refused_key_is_not_kept(shop: &TestApp) {
        let refused: Outcome<Once<Uuid>, &str> = shop
            .unchanged_by(async || {
                shop.app
                    .write_once(&key("k"), &JOAN, async |tx: &Tx, command: &Greet| {
                        greet(tx, command).await?;
                        refuse("not today")
                    })
                    .await
            })
            .await;
        assert_eq!(refusal(refused), "not today");
        assert!(!submit(shop, &key("k"), &JOAN).await.unwrap().replayed);
        assert_eq!(effects(shop).await, 1);
    }

    async fn a_recorded_refusal_keeps_its_effect_and_not_its_key(shop: &TestApp) {
        for _ in 0..2 {
            let refused: Outcome<Once<Uuid>, &str> = shop
                .app
                .write_once(&key("k"), &JOAN, async |tx: &Tx, command: &Greet| {
                    greet(tx, command).await?;
                    refuse_recorded("wrong code")
                })
                .await;
            assert_eq!(refusal(refused), "wrong code");
        }
        let after = shop.snapshot().await;
        assert_eq!((after.count("outbox"), after.count("idempotency_keys")), (2, 0));
    }

    async fn a_duplicate_of_a_request_in_flight_waits_two_seconds_at_most(shop: &TestApp) {
        // On SQLite the writer is alone: a duplicate waits for the whole of it.
        let (asked, answer) = (key("k"), tokio::sync::Notify::new());
        let slow = shop.app.write_once(&asked, &JOAN, async |tx: &Tx, command: &Greet| {
            if shop.app.db.is_postgres() {
                answer.notified().await;
            }
            greet(tx, command).await
        });
        let duplicate = async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            let ended = submit(shop, &asked, &JOAN).await;
            answer.notify_one();
            ended
        };
        let (slow, duplicate) = tokio::join!(slow, duplicate);
        assert!(!slow.unwrap().replayed);
        if shop.app.db.is_postgres() {
            assert_eq!(fault_kind(duplicate), FaultKind::KeyInProgress);
        } else {
            assert!(duplicate.unwrap().replayed);
        }
        assert_eq!(effects(shop).await, 1);
    }
}
