//! Random histories of accounts, posted to both databases and told to a plain model.

use chrono::TimeDelta;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

use super::histories::{History, Op, account, op, programme, run_programme};
use super::orders::{Owner, join};
use super::verify;
use crate::testing::{self, Engine};
use crate::tx::Tx;

fn random_histories_match_the_model(engine: Engine) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test_app = runtime.block_on(testing::app(engine));
    let app = &test_app.app;
    let history = (programme(), any::<bool>(), proptest::collection::vec(op(), 10..80));
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let result = runner.run(&history, |(programme, is_guest, ops)| {
        runtime.block_on(async {
            run_programme(app, programme);
            let mut batched = History::begin(app, is_guest, false).await;
            let mut singly = History::begin(app, is_guest, true).await;
            for op in &ops {
                // One clock and one programme for both: only the first may change them.
                match op {
                    Op::Wait { minutes } => {
                        singly.look().await?;
                        singly.member.wait(TimeDelta::minutes(*minutes));
                    }
                    Op::Change(expiry) => {
                        singly.look().await?;
                        singly.member.programme.expiry = *expiry;
                    }
                    _ => singly.run(op).await?,
                }
                batched.run(op).await?;
            }
            batched.look().await?;
            singly.look().await
        })
    });
    result.unwrap();
    let report = runtime.block_on(verify::verify(app)).unwrap();
    assert_eq!(report.drifts, []);
    assert!(report.entries > 500, "{} entries", report.entries);
}

#[test]
fn random_histories_end_as_the_plain_model_says_batched_or_singly_on_sqlite() {
    random_histories_match_the_model(Engine::Sqlite);
}

#[test]
fn random_histories_end_as_the_plain_model_says_batched_or_singly_on_postgres() {
    random_histories_match_the_model(Engine::Postgres);
}

/// Two histories, of which the first then becomes part of the second.
fn merged_histories_go_on_as_the_plain_model_says(engine: Engine) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test_app = runtime.block_on(testing::app(engine));
    let app = &test_app.app;
    let ops = || proptest::collection::vec(op(), 5..40);
    let history = (programme(), ops(), ops(), ops());
    let mut runner = TestRunner::new(Config { cases: 30, failure_persistence: None, ..Config::default() });
    let result = runner.run(&history, |(programme, first, second, then)| {
        runtime.block_on(async {
            run_programme(app, programme);
            let mut from = History::begin(app, false, false).await;
            for op in &first {
                from.run(op).await?;
            }
            // What is pending gets another id: all of it is activated, so that no later act can name it.
            from.look().await?;
            for lot in 0..from.lots.len() {
                from.run(&Op::Activate(lot)).await?;
            }
            from.look().await?;
            let mut into = History::begin(app, false, false).await;
            into.member.programme = app.settings().programme.clone();
            let changes_nothing = |op: &&Op| !matches!(op, Op::Wait { .. } | Op::Change(_));
            for op in second.iter().filter(changes_nothing) {
                into.run(op).await?;
            }
            into.look().await?;
            into.take_over(from).await?;
            for op in &then {
                into.run(op).await?;
            }
            into.look().await
        })
    });
    result.unwrap();
    let report = runtime.block_on(verify::verify(app)).unwrap();
    assert_eq!(report.drifts, []);
    assert!(report.entries > 500, "{} entries", report.entries);
}

#[test]
fn merged_histories_go_on_as_the_plain_model_says_on_sqlite() {
    merged_histories_go_on_as_the_plain_model_says(Engine::Sqlite);
}

#[test]
fn merged_histories_go_on_as_the_plain_model_says_on_postgres() {
    merged_histories_go_on_as_the_plain_model_says(Engine::Postgres);
}

async fn a_guest_brings_pending_points(engine: Engine) {
    let test_app = testing::app(engine).await;
    let app = &test_app.app;
    let mut guest = History::begin(app, true, false).await;
    let mut customer = History::begin(app, false, false).await;
    guest.run(&Op::Earn { points: 70, line: Some(0), at_once: true }).await.unwrap();
    guest.run(&Op::Earn { points: 30, line: Some(1), at_once: false }).await.unwrap();
    guest.run(&Op::Return { line: 0, pieces: 1 }).await.unwrap();
    guest.look().await.unwrap();
    customer.look().await.unwrap();
    let both = (guest.owner, customer.owner);
    let joined = app.change(&both, async |tx: &Tx, both| match *both {
        (Owner::Guest(guest), Owner::Customer(customer)) => join(tx, guest, customer).await,
        _ => unreachable!("made so above"),
    });
    joined.await.unwrap();
    let (left, arrived) = (account(app, guest.owner).await, account(app, customer.owner).await);
    assert_eq!((left.pending, left.issued), (0, -10), "only what the return took back stays: 70 ÷ 7");
    assert_eq!((arrived.available, arrived.pending), (60, 30), "what was at once is active now");
    assert_eq!(verify::verify(app).await.unwrap().drifts, []);
}

#[tokio::test]
async fn a_guests_pending_points_join_the_customer_and_activate_by_the_normal_rules_on_sqlite() {
    a_guest_brings_pending_points(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_guests_pending_points_join_the_customer_and_activate_by_the_normal_rules_on_postgres() {
    a_guest_brings_pending_points(Engine::Postgres).await;
}
