//! What instances tell each other of ordinary requests.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use entity::rate_limit::{Column, Entity};
use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use super::limit::Limit;
use super::{counted, now};
use crate::app::App;
use crate::db::dialect;
use crate::db::rate_limits::{self, Span};
use crate::error::Fault;

/// How often.
const EVERY: Duration = Duration::from_millis(500);
/// How many callers one exchange tells of, those who did most first: a flood may not become one of statements.
const MOST_TOLD: usize = 10_000;
/// After how many exchanges rows that tell nothing any more are deleted.
const FORGET_EVERY: u32 = 120;
/// Rows one statement deletes.
const BITE: u64 = 1_000;

/// Exchanges the counts of this instance with all others until it is aborted. On `SQLite` there are no others.
pub async fn share(app: App) {
    if !app.throttle.is_shared {
        return;
    }
    let (mut turn, mut fails) = (0_u32, false);
    loop {
        tokio::time::sleep(EVERY).await;
        turn = turn.wrapping_add(1);
        let forgets = turn % FORGET_EVERY == 0;
        let done = async {
            exchange(&app).await?;
            if forgets { forget(&app).await } else { Ok(()) }
        };
        match (done.await, fails) {
            (Ok(()), _) => fails = false,
            // Said once: limits go on with what each instance counts.
            (Err(fault), false) => {
                tracing::warn!(?fault, "rate limits are not exchanged with other instances");
                fails = true;
            }
            (Err(_), true) => {}
        }
    }
}

/// Tells what this instance counted since the last time, and learns what all did. What cannot be told is not told later
/// either: by then it would count in the wrong window.
pub async fn exchange(app: &App) -> Result<(), Fault> {
    let throttle = &app.throttle;
    if !throttle.is_shared {
        return Ok(());
    }
    let now = now(app);
    let secret = app.keys.code()?;
    let mut told = Vec::new();
    for limit in Limit::ORDINARY {
        if let Some(window) = limit.window(&throttle.limits) {
            let untold = throttle.counts.of(limit).take_untold(window, now);
            told.extend(untold.into_iter().map(|(subject, count)| (limit, window, subject, count)));
        }
    }
    told.sort_unstable_by_key(|(.., count)| std::cmp::Reverse(*count));
    told.truncate(MOST_TOLD);
    let by_key: HashMap<[u8; 16], _> = told.into_iter().map(|one| (one.0.key(&secret, one.2), one)).collect();
    let span = Span { began: now - now.rem_euclid(Limit::ORDINARY_LENGTH), length: Limit::ORDINARY_LENGTH };
    let counts = by_key.iter().map(|(key, (.., count))| (*key, *count));
    for row in rate_limits::count_many(&app.db.write, counts, span).await? {
        let subject = <[u8; 16]>::try_from(row.key.as_slice()).ok().and_then(|key| by_key.get(&key));
        if let Some((limit, window, subject, _)) = subject {
            throttle.counts.of(*limit).learn(*window, *subject, counted(*window, &row, now), now);
        }
    }
    Ok(())
}

/// Deletes rows whose windows weigh nothing any more, passing by those that are just being counted in.
async fn forget(app: &App) -> Result<(), Fault> {
    let db = &app.db.write;
    let old = app.clock.now() - TimeDelta::milliseconds(3 * Limit::LONGEST);
    let mut keys = Query::select();
    keys.column(Column::Key).from(Entity).and_where(Column::BeganMs.lt(old.timestamp_millis())).limit(BITE);
    if dialect::skips_locked(db.get_database_backend()) {
        keys.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    loop {
        let which = Expr::col(Column::Key).in_subquery(keys.clone());
        if Entity::delete_many().filter(which).exec(db).await?.rows_affected < BITE {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::EntityTrait;

    use super::*;
    use crate::testing::{self, Engine};

    const KEY: [u8; 16] = [7; 16];

    fn minute(number: i64) -> Span {
        Span { began: number * 60_000, length: 60_000 }
    }

    #[tokio::test]
    async fn windows_follow_each_other_and_what_comes_late_counts_in_the_one_that_is_on() {
        let test = testing::app(Engine::Postgres).await;
        for (window, count, expected) in [
            (1, 5, (60_000, 5, 0)),
            (1, 3, (60_000, 8, 0)),
            (2, 2, (120_000, 2, 8)),
            (1, 1, (120_000, 3, 8)),
            (5, 4, (300_000, 4, 0)),
        ] {
            let told =
                rate_limits::count_many(&test.app.db.write, [(KEY, count)], minute(window)).await.unwrap();
            let row = &told[0];
            assert_eq!((told.len(), (row.began_ms, row.count, row.previous)), (1, expected));
        }
        let one = async |window, weight| {
            let row =
                rate_limits::count_one(&test.app.db.write, KEY, minute(window), (weight, 6)).await.unwrap();
            row.map(|row| (row.count, row.previous))
        };
        assert_eq!(one(5, 60_000).await, Some((5, 0)));
        assert_eq!(one(4, 60_000).await, Some((6, 0)));
        assert_eq!(one(5, 60_000).await, None);
        // Half of six leaves room for three.
        assert_eq!(one(6, 60_000).await, None);
        assert_eq!(one(6, 30_000).await, Some((1, 6)));
        assert_eq!(one(6, 30_000).await, Some((2, 6)));
        assert_eq!(one(6, 30_000).await, Some((3, 6)));
        assert_eq!(one(6, 30_000).await, None);
        assert_eq!(one(8, 30_000).await, Some((1, 0)));
    }

    #[tokio::test]
    async fn rows_go_when_their_windows_weigh_nothing_any_more() {
        let test = testing::app(Engine::Postgres).await;
        let minutes = now(&test.app) / 60_000;
        for age in [0, 20, 30, 31, 500] {
            let key = [u8::try_from(age % 256).unwrap(); 16];
            rate_limits::count_many(&test.app.db.write, [(key, 1)], minute(minutes - age)).await.unwrap();
        }
        forget(&test.app).await.unwrap();
        let rows = Entity::find().all(&test.app.db.read).await.unwrap();
        let mut ages: Vec<i64> = rows.iter().map(|row| minutes - row.began_ms / 60_000).collect();
        ages.sort_unstable();
        assert_eq!(ages, [0, 20, 30]);
    }
}
