//! What instances tell each other: with the change that causes it, and without a word of what is rolled back.

use std::time::{Duration, Instant};

use regulars::app::App;
use regulars::error::{Outcome, refuse};
use regulars::jobs::{self, Job};
use regulars::notices::{Heard, Notice, Subscriber};
use regulars::settings::{self, ShopSettings};
use regulars::tx::Tx;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::{Engine, TestApp, both_engines, eventually, refusal};

/// For what happens within a second if nothing else is going on.
const PATIENCE: Duration = Duration::from_secs(10);

async fn rename(app: &App, version: i64, name: &str) {
    let wanted = ShopSettings { version, name: name.to_owned(), ..ShopSettings::default() };
    let changed = app.write(&wanted, async |tx: &Tx, wanted| settings::change(tx, wanted, None).await).await;
    assert_eq!(changed.unwrap().version, version + 1);
}

/// The next within a second.
async fn next(subscriber: &mut Subscriber) -> Option<Heard> {
    tokio::time::timeout(Duration::from_secs(1), subscriber.next()).await.ok().flatten()
}

both_engines! {
    async fn a_notice_is_heard_once_its_change_is_committed(shop: &TestApp) {
        let mut subscriber = shop.app.notices.subscribe();
        rename(&shop.app, 0, "Bakery").await;
        assert_eq!(next(&mut subscriber).await, Some(Heard::Notice(Notice::SettingsChanged)));
    }

    async fn what_is_rolled_back_is_told_to_nobody(shop: &TestApp) {
        let mut subscriber = shop.app.notices.subscribe();
        let wanted = ShopSettings { name: "Bakery".to_owned(), ..ShopSettings::default() };
        let outcome: Outcome<(), &str> = shop.app.write(&wanted, async |tx: &Tx, wanted| {
            assert_eq!(settings::change(tx, wanted, None).await.unwrap().version, 1);
            refuse("changed my mind")
        }).await;
        assert_eq!(refusal(outcome), "changed my mind");
        rename(&shop.app, 0, "Bookshop").await;
        // The first that is heard is of the second change.
        assert_eq!(next(&mut subscriber).await, Some(Heard::Notice(Notice::SettingsChanged)));
        assert_eq!(settings::load(&shop.app.db.read).await.unwrap().name, "Bookshop");
        assert_eq!(next(&mut subscriber).await, None);
    }

    async fn other_instances_hear_it_where_there_may_be_others(shop: &TestApp) {
        let other = shop.another_instance().await;
        let keeping = other.keep_current(true);
        if shop.database.engine() == Engine::Postgres {
            eventually("the other instance hears", PATIENCE, || other.notices.hears_others()).await;
        }
        let mut subscriber = other.notices.subscribe();
        rename(&shop.app, 0, "Bakery").await;
        let told = Instant::now();
        eventually("the new name", PATIENCE, || other.settings().name == "Bakery").await;
        assert!(told.elapsed() < Duration::from_secs(1), "not within a second");
        let heard = next(&mut subscriber).await;
        match shop.database.engine() {
            Engine::Postgres => assert_eq!(heard, Some(Heard::Notice(Notice::SettingsChanged))),
            Engine::Sqlite => assert_eq!((heard, other.notices.hears_others()), (None, false)),
        }
        drop(keeping);
        other.db.clone().close().await.unwrap();
    }

    async fn a_lost_line_is_noticed_told_and_taken_up_again(shop: &TestApp) {
        if shop.database.engine() == Engine::Sqlite {
            return;
        }
        let keeping = shop.app.keep_current(true);
        eventually("the instance hears", PATIENCE, || shop.app.notices.hears_others()).await;
        let mut subscriber = shop.app.notices.subscribe();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'regulars notices'";
        shop.app.db.write.execute_unprepared(cut).await.unwrap();
        assert_eq!(next(&mut subscriber).await, Some(Heard::Gap));
        // Once when it was lost, once when it is there again.
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), subscriber.next()).await.unwrap(), Some(Heard::Gap));
        eventually("the instance hears again", PATIENCE, || shop.app.notices.hears_others()).await;
        rename(&shop.app, 0, "Bakery").await;
        assert_eq!(next(&mut subscriber).await, Some(Heard::Notice(Notice::SettingsChanged)));
        drop(keeping);
    }

    async fn a_job_of_another_instance_wakes_the_worker(shop: &TestApp) {
        if shop.database.engine() == Engine::Sqlite {
            return;
        }
        let other = shop.another_instance().await;
        let keeping = other.keep_current(true);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let working = tokio::spawn(regulars::worker::run(other.clone(), stopped));
        eventually("the other instance hears", PATIENCE, || other.notices.hears_others()).await;
        let mut least = Duration::MAX;
        // Several times: without a notice the worker looks once a second anyway.
        for _ in 0..5 {
            let job = Job { kind: "test", payload: json!({}), due: None, dedup_key: None, max_attempts: 1 };
            shop.change(async |tx: &Tx| jobs::enqueue(tx, job.clone()).await).await;
            let told = Instant::now();
            while waits(shop).await {
                assert!(told.elapsed() < Duration::from_secs(10), "the job never ran");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            least = least.min(told.elapsed());
        }
        assert!(least < Duration::from_millis(300), "{least:?}");
        stop.send(true).unwrap();
        working.await.unwrap();
        drop(keeping);
        other.db.clone().close().await.unwrap();
    }
}

/// Whether a job of the test waits still: each fails at its only attempt, as it has no handler.
async fn waits(shop: &TestApp) -> bool {
    use entity::job::{Column, Entity, JobState};
    use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};
    let waiting = Column::Kind.eq("test").and(Column::State.eq(JobState::Ready));
    Entity::find().filter(waiting).count(&shop.app.db.read).await.unwrap() > 0
}
