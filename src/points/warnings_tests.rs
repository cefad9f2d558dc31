//! Sweeps at the same time warn of everything, and of nothing twice.

use chrono::TimeDelta;
use entity::outbox;
use entity::points_lot::LotSource;
use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::amount::Points;
use super::command::{Act, Command, Earn, When};
use super::histories::{new_owner, run_programme};
use super::ledger::post;

use super::programme::{Expiry, Programme};
use super::warnings::warn;
use crate::actor::Actor;
use crate::app::App;
use crate::testing;

fn grant(account: entity::id::AccountId, points: i64) -> Command {
    let earn = Earn {
        source: LotSource::Grant,
        amount: Points::try_from(points).unwrap(),
        activation: When::Now,
        order: None,
        line: None,
        rule: None,
        reason: None,
        referral: None,
    };
    Command { account, act: Act::Earn(earn), by: Actor::SYSTEM, effective_at: None, imported: false }
}

async fn told(app: &App) -> Vec<(uuid::Uuid, serde_json::Value)> {
    let of_topic = outbox::Entity::find().filter(outbox::Column::Topic.eq("points.expiring"));
    let events = of_topic.all(&app.db.read).await.unwrap();
    events.into_iter().map(|event| (event.aggregate_id, event.payload["points"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweeps_at_the_same_time_warn_each_account_once() {
    testing::on_each_database(async |app| {
        for expiry in [Expiry::Months(1), Expiry::MonthsWithoutActivity(1)] {
            let expiry_warning_days = vec![30, 7];
            run_programme(app, Programme { expiry, expiry_warning_days, ..Programme::default() });
            let before = told(app).await.len();
            let mut commands = Vec::new();
            for number in 1..=30 {
                let account = new_owner(app, false).await.account();
                commands.extend([grant(account, number), grant(account, 100)]);
            }
            app.change(commands.as_slice(), post).await.unwrap();
            // A month from the middle of January is 31 days, a month from the middle of February 28.
            app.clock.advance(TimeDelta::days(25));
            let now = app.clock.now();
            for swept in join_all((0..4).map(|_| warn(app, now))).await {
                swept.unwrap();
            }
            let mut warned = told(app).await.split_off(before);
            let points: i64 = warned.iter().map(|(_, points)| points.as_i64().unwrap()).sum();
            // 1 + 2 + … + 30 = 465, and 30 × 100.
            assert_eq!((warned.len(), points), (30, 3_465), "{expiry:?}");
            warned.sort_unstable_by_key(|(account, _)| *account);
            warned.dedup_by_key(|(account, _)| *account);
            assert_eq!(warned.len(), 30);
            assert_eq!(warn(app, now).await.unwrap(), 0, "nothing is looked at again");
        }
    })
    .await;
}
