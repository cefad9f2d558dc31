//! Background work is enqueued with its cause, done once, tried again later, and given up at last.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::Instant;
use entity::job::{Entity, JobState, Model};
use futures_util::future::join_all;
use regulars::app::App;
use regulars::clock::IdGen;
use regulars::error::{Outcome, refuse};
use regulars::jobs::{self, Ended, Free, Job};
use regulars::tx::Tx;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use serde_json::json;

use crate::support::{TestApp, both_engines, config_with, refusal};

fn job() -> Job {
    Job { kind: "test", payload: json!({}), due: None, dedup_key: None, max_attempts: 3 }
}

async fn enqueue(shop: &TestApp, job: &Job) {
    shop.change(async |tx: &Tx| jobs::enqueue(tx, job.clone()).await).await;
}

async fn stored(shop: &TestApp) -> Vec<Model> {
    Entity::find().all(&shop.app.db.read).await.unwrap()
}

async fn only(shop: &TestApp) -> Model {
    let mut jobs = stored(shop).await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

/// What a worker with nothing to do takes.
const FREE: Free = Free { urgent: 8, bulk: 8 };

/// Leases the only job that is due.
async fn lease_one(shop: &TestApp) -> Model {
    let mut leased = jobs::lease(&shop.app, FREE).await.unwrap();
    assert_eq!(leased.len(), 1, "{leased:?}");
    leased.remove(0)
}

/// Lets every lease run out by the clock of the database.
async fn end_leases(shop: &TestApp) {
    shop.app.db.write.execute_unprepared("UPDATE jobs SET leased_until_ms = 1").await.unwrap();
}

fn in_seconds(shop: &TestApp, seconds: i64) -> Instant {
    shop.clock.now() + TimeDelta::seconds(seconds)
}

both_engines! {
    async fn a_job_waits_until_it_is_due(shop: &TestApp) {
        enqueue(shop, &Job { due: Some(in_seconds(shop, 60)), ..job() }).await;
        assert_eq!(jobs::lease(&shop.app, FREE).await.unwrap(), []);
        shop.clock.advance(TimeDelta::seconds(60));
        let leased = lease_one(shop).await;
        assert_eq!((leased.kind.as_str(), leased.attempts, leased.state), ("test", 1, JobState::Ready));
        assert_eq!(jobs::lease(&shop.app, FREE).await.unwrap(), [], "leased twice");
        jobs::settle(&shop.app, &leased, Ended::Done).await.unwrap();
        assert_eq!(stored(shop).await, []);
    }

    async fn a_rolled_back_change_enqueues_nothing(shop: &TestApp) {
        let outcome: Outcome<(), &str> = shop
            .unchanged_by(async || {
                shop.app
                    .write(&(), async |tx: &Tx, ()| {
                        jobs::enqueue(tx, job()).await?;
                        refuse("changed my mind")
                    })
                    .await
            })
            .await;
        assert_eq!(refusal(outcome), "changed my mind");
    }

    async fn one_job_waits_under_a_key(shop: &TestApp) {
        let first = Job { dedup_key: Some("sweep".to_owned()), payload: json!({ "n": 1 }), ..job() };
        enqueue(shop, &first).await;
        shop.unchanged_by(async || enqueue(shop, &Job { payload: json!({ "n": 2 }), ..first.clone() }).await).await;
        assert_eq!(only(shop).await.payload, json!({ "n": 1 }));
        enqueue(shop, &Job { dedup_key: Some("other".to_owned()), ..job() }).await;
        enqueue(shop, &job()).await;
        enqueue(shop, &job()).await;
        assert_eq!(stored(shop).await.len(), 4);
    }

    async fn a_key_is_free_again_once_its_job_is_done(shop: &TestApp) {
        let keyed = Job { dedup_key: Some("sweep".to_owned()), ..job() };
        enqueue(shop, &keyed).await;
        jobs::settle(&shop.app, &lease_one(shop).await, Ended::Done).await.unwrap();
        enqueue(shop, &keyed).await;
        assert_eq!(only(shop).await.attempts, 0);
    }

    async fn eight_workers_do_four_hundred_jobs_once_each(shop: &TestApp) {
        shop.change(async |tx: &Tx| {
            for number in 0..400 {
                jobs::enqueue(tx, Job { payload: json!({ "number": number }), ..job() }).await?;
            }
            Ok(())
        })
        .await;
        let other = shop.another_instance().await;
        let workers = (0..8).map(|worker| {
            let app = if worker % 2 == 0 { &shop.app } else { &other };
            async move {
                let mut done = Vec::new();
                // A worker may find nothing while others hold the rows that it looked at.
                while Entity::find().count(&app.db.read).await.unwrap() > 0 {
                    for job in jobs::lease(app, Free { urgent: 7, bulk: 7 }).await.unwrap() {
                        jobs::settle(app, &job, Ended::Done).await.unwrap();
                        done.push(job.payload["number"].as_i64().unwrap());
                    }
                }
                done
            }
        });
        let mut claims = BTreeMap::<i64, usize>::new();
        for number in join_all(workers).await.into_iter().flatten() {
            *claims.entry(number).or_default() += 1;
        }
        assert_eq!(claims, (0..400).map(|number| (number, 1)).collect());
        assert_eq!(stored(shop).await, []);
        other.db.clone().close().await.unwrap();
    }

    async fn what_somebody_waits_for_is_not_behind_what_there_is_very_much_of(shop: &TestApp) {
        for _ in 0..20 {
            enqueue(shop, &job()).await;
        }
        shop.app.db.write.execute_unprepared("UPDATE jobs SET bulk = true").await.unwrap();
        shop.clock.advance(TimeDelta::minutes(1));
        enqueue(shop, &job()).await;
        let busy = Free { urgent: 8, bulk: 0 };
        let leased = jobs::lease(&shop.app, busy).await.unwrap();
        assert_eq!(leased.iter().map(|job| job.bulk).collect::<Vec<_>>(), [false]);
        assert_eq!(jobs::lease(&shop.app, busy).await.unwrap(), []);
        assert_eq!(jobs::lease(&shop.app, FREE).await.unwrap().len(), 8);
        assert_eq!(jobs::lease(&shop.app, Free { urgent: 0, bulk: 0 }).await.unwrap(), []);
    }

    async fn a_worker_that_lost_its_lease_cannot_settle(shop: &TestApp) {
        enqueue(shop, &job()).await;
        let stale = lease_one(shop).await;
        end_leases(shop).await;
        let fresh = lease_one(shop).await;
        assert_eq!((stale.id, stale.lease_token, fresh.lease_token), (fresh.id, 1, 2));
        shop.unchanged_by(async || {
            jobs::settle(&shop.app, &stale, Ended::Done).await.unwrap();
            jobs::settle(&shop.app, &stale, Ended::Failed("late".to_owned())).await.unwrap();
            jobs::settle(&shop.app, &stale, Ended::Again(shop.clock.now())).await.unwrap();
        })
        .await;
        jobs::settle(&shop.app, &fresh, Ended::Done).await.unwrap();
        assert_eq!(stored(shop).await, []);
    }

    async fn a_failed_job_is_tried_again_after_a_stored_pause(shop: &TestApp) {
        enqueue(shop, &job()).await;
        let leased = lease_one(shop).await;
        jobs::settle(&shop.app, &leased, Ended::Failed("no route to the mail server".to_owned())).await.unwrap();
        let waiting = only(shop).await;
        assert_eq!(waiting.due_ms, in_seconds(shop, 2).timestamp_millis());
        assert_eq!((waiting.attempts, waiting.leased_until_ms), (1, None));
        assert_eq!(waiting.last_error.as_deref(), Some("no route to the mail server"));
        assert_eq!(jobs::lease(&shop.app, FREE).await.unwrap(), []);

        shop.clock.advance(TimeDelta::seconds(2));
        jobs::settle(&shop.app, &lease_one(shop).await, Ended::Failed("again".to_owned())).await.unwrap();
        let waiting = only(shop).await;
        assert_eq!((waiting.attempts, waiting.due_ms), (2, in_seconds(shop, 4).timestamp_millis()));
    }

    async fn a_run_is_told_only_of_a_run_that_ended_without_a_word(shop: &TestApp) {
        enqueue(shop, &job()).await;
        let first = lease_one(shop).await;
        jobs::settle(&shop.app, &first, Ended::Failed("no route to the mail server".to_owned())).await.unwrap();
        shop.clock.advance(TimeDelta::hours(1));
        let after_a_failure = lease_one(shop).await;
        end_leases(shop).await;
        let after_silence = lease_one(shop).await;
        jobs::settle(&shop.app, &after_silence, Ended::Again(shop.clock.now())).await.unwrap();
        let after_a_success = lease_one(shop).await;
        let told = [first, after_a_failure, after_silence, after_a_success].map(|run| run.lost_lease);
        assert_eq!(told, [false, false, true, false]);
    }

    async fn a_lease_is_as_long_as_it_is_set(shop: &TestApp) {
        let five = config_with(shop.database.url(), &["--job-lease-seconds", "5"]);
        let other = App::build_with(five, shop.clock.clone(), IdGen::seeded(9)).await.unwrap();
        let mut ends = Vec::new();
        for app in [&shop.app, &other] {
            enqueue(shop, &job()).await;
            ends.push(jobs::lease(app, FREE).await.unwrap().remove(0).leased_until_ms.unwrap());
        }
        other.db.clone().close().await.unwrap();
        // The second was given a moment later.
        assert!((50_000..=55_000).contains(&(ends[0] - ends[1])), "{ends:?}");
    }

    async fn a_job_that_always_fails_is_dead_after_its_last_attempt(shop: &TestApp) {
        enqueue(shop, &job()).await;
        for _ in 0..3 {
            jobs::settle(&shop.app, &lease_one(shop).await, Ended::Failed("never works".to_owned())).await.unwrap();
            shop.clock.advance(TimeDelta::hours(1));
        }
        let dead = only(shop).await;
        assert_eq!((dead.state, dead.attempts), (JobState::Dead, 3));
        assert_eq!(dead.last_error.as_deref(), Some("never works"));
        assert_eq!(dead.ended_at, Some(shop.clock.now() - TimeDelta::hours(1)));
        assert_eq!(jobs::lease(&shop.app, FREE).await.unwrap(), []);
    }

    async fn a_recurring_job_is_armed_by_its_own_last_run(shop: &TestApp) {
        enqueue(shop, &job()).await;
        let leased = lease_one(shop).await;
        jobs::settle(&shop.app, &leased, Ended::Again(in_seconds(shop, 3_600))).await.unwrap();
        let armed = only(shop).await;
        assert_eq!((armed.attempts, armed.due_ms), (0, in_seconds(shop, 3_600).timestamp_millis()));
        assert_eq!(armed.leased_until_ms, None);
    }

    async fn every_recurring_job_is_armed_once(shop: &TestApp) {
        for _ in 0..2 {
            regulars::worker::arm_recurring(&shop.app).await.unwrap();
            let mut kinds: Vec<String> = stored(shop).await.into_iter().map(|job| job.kind).collect();
            kinds.sort();
            let expected = [
                "audit.seal", "auth.prune", "billing.sandbox", "catalog.release", "catalog.terms", "coupons.lapse",
                "customers.words", "delivery.lapse", "earning.birthdays", "journeys.birthdays", "journeys.tick", "memberships.reconcile", "memberships.sweep", "points.sweep",
                "referrals.vest", "tiers.sweep",
            ];
            assert_eq!(kinds, expected);
        }
    }

    async fn a_job_of_an_unknown_kind_is_kept_and_told(shop: &TestApp) {
        enqueue(shop, &job()).await;
        assert_eq!(shop.run_jobs().await, 1);
        let failed = only(shop).await;
        let error = failed.last_error.unwrap();
        assert!(error.contains("no handler for this kind of job"), "{error}");
    }

    async fn the_lag_is_the_wait_of_the_longest_waiting_job(shop: &TestApp) {
        assert_eq!(jobs::lag_millis(&shop.app).await.unwrap(), 0);
        enqueue(shop, &job()).await;
        shop.clock.advance(TimeDelta::milliseconds(1_500));
        enqueue(shop, &job()).await;
        assert_eq!(jobs::lag_millis(&shop.app).await.unwrap(), 1_500);
    }
}
