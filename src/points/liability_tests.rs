//! What is reported as owed is what the ledger, the lots and the plain model of every member say.

use chrono::{Datelike, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use entity::{Instant, points_lot};
use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sea_orm::EntityTrait;

use super::histories::{BOUGHT, History, Op, op, run_programme};
use super::liability::report;
use super::model::Stage;
use super::programme::{Expiry, Programme, ReturnPolicy};
use super::rules::total_value;
use super::verify;
use crate::app::App;
use crate::money::Currency;
use crate::testing::{self, Engine};

const MEMBERS: usize = 20;
const OPERATIONS: usize = 500;
const LOOK_EVERY: usize = 10;

/// The first day of the month in which `end` is, midnight belonging to the day before it.
fn month_of(end: Instant, zone: Tz) -> NaiveDate {
    (end - TimeDelta::microseconds(1)).with_timezone(&zone).date_naive().with_day(1).unwrap()
}

/// What of these members ends when; none for what never does.
fn endings(histories: &[History<'_>]) -> Vec<(Option<Instant>, i64)> {
    let of = |history: &History<'_>| {
        let member = &history.member;
        let open = member.parcels.iter().filter(|parcel| parcel.stage == Stage::Open);
        let end = |parcel: &super::model::Parcel| {
            let idle = member.runs_out.filter(|_| parcel.period.is_some());
            (parcel.ends.or(idle), i64::from(parcel.unspent))
        };
        open.map(end).collect::<Vec<_>>()
    };
    histories.iter().flat_map(of).collect()
}

async fn what_is_owed_is_what_there_is(engine: Engine) {
    let test_app = testing::app(engine).await;
    let app = &test_app.app;
    let programme = Programme {
        expiry: Expiry::Months(1),
        return_policy: ReturnPolicy::AllowDebt,
        refund_grace_days: 5,
        redemption_rates: [("EUR", 100), ("JPY", 3), ("BHD", 700)]
            .map(|(code, rate)| (code.to_owned(), rate))
            .into(),
        ..Programme::default()
    };
    run_programme(app, programme);
    let mut histories = Vec::new();
    for _ in 0..MEMBERS {
        histories.push(History::begin(app, histories.len() % 5 == 4, false).await);
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let step = (any::<usize>(), op());
    // Somebody who spent what a returned line had earned owes it.
    let owing = [
        Op::Earn { points: 50, line: Some(0), at_once: true },
        Op::Redeem(50),
        Op::Return { line: 0, pieces: BOUGHT },
    ];
    for op in &owing {
        histories[0].run(op).await.unwrap();
    }
    let mut most = compare(app, &mut histories).await;
    assert_eq!(most, [0, 0, 0, 50]);
    for number in 1..=OPERATIONS {
        let (who, op) = step.new_tree(&mut runner).unwrap().current();
        for (other, history) in histories.iter_mut().enumerate().filter(|(other, _)| *other != who % MEMBERS)
        {
            match &op {
                Op::Wait { minutes } => {
                    history.look().await.unwrap_or_else(|error| panic!("{other}: {error}"));
                    history.member.wait(TimeDelta::minutes(*minutes));
                }
                Op::Change(expiry) => {
                    history.look().await.unwrap_or_else(|error| panic!("{other}: {error}"));
                    history.member.programme.expiry = *expiry;
                }
                _ => {}
            }
        }
        histories[who % MEMBERS].run(&op).await.unwrap();
        if number % LOOK_EVERY == 0 {
            let told = compare(app, &mut histories).await;
            most = std::array::from_fn(|figure| told[figure].max(most[figure]));
        }
    }
    assert!(most.iter().all(|points| *points > 0), "{most:?} tell of everything");
}

/// In each currency the worth of a sum is that of its points, rounded down once; the worths of its parts by month add up
/// to no more, and each part loses less than one minor unit.
fn compare_worths(app: &App, reported: &super::liability::Liability, lots: &[points_lot::Model]) {
    let lots: i128 = lots.iter().map(|lot| i128::from(lot.remaining)).sum();
    for (code, rate) in &app.settings().programme.redemption_rates {
        let currency: Currency = code.parse().unwrap();
        let worth = |points: i64| total_value(points, currency, *rate);
        let whole = worth(reported.outstanding);
        assert_eq!(
            i128::from(whole),
            lots * i128::from(currency.minor_per_unit()) / i128::from(*rate),
            "{code}"
        );
        let months = reported.months.iter().map(|(_, points)| *points);
        let parts: Vec<i64> = months.chain([reported.later, reported.never]).map(worth).collect();
        let lost = whole - parts.iter().sum::<i64>();
        assert!((0..=i64::try_from(parts.len()).unwrap()).contains(&lost), "{code}: {lost}");
    }
}

/// Compares the report with the ledger, every lot and every model; answers pending, outstanding, held and debt.
async fn compare(app: &App, histories: &mut [History<'_>]) -> [i64; 4] {
    for history in histories.iter_mut() {
        history.look().await.unwrap();
    }
    let reported = report(app).await.unwrap();
    let ledger = verify::verify(app).await.unwrap();
    assert_eq!(ledger.drifts, [], "every debit is paired, every sum is that of its entries");
    let [_, pending, available, held, _, _, _, debt] = ledger.totals;
    let told = [reported.pending, reported.outstanding, reported.held, reported.debt];
    assert_eq!(told, [pending, available, held, debt]);
    assert!(reported.balanced);
    let lots = points_lot::Entity::find().all(&app.db.read).await.unwrap();
    assert!(lots.iter().all(|lot| lot.remaining >= 0 && lot.pending >= 0));
    assert_eq!(lots.iter().map(|lot| i64::from(lot.remaining)).sum::<i64>(), available);
    compare_worths(app, &reported, &lots);
    let endings = endings(histories);
    let sum = |of: &dyn Fn(Option<Instant>) -> bool| {
        endings.iter().filter(|(end, _)| of(*end)).map(|(_, points)| points).sum::<i64>()
    };
    let zone = app.settings().time_zone;
    for (first, points) in &reported.months {
        let is_then = |end: Option<Instant>| end.is_some_and(|end| month_of(end, zone) == *first);
        assert_eq!(sum(&is_then), *points, "{first}");
    }
    assert_eq!(sum(&|end| end.is_none()), reported.never);
    let of_months: i64 = reported.months.iter().map(|(_, points)| points).sum();
    assert_eq!(of_months + reported.later + reported.never, reported.outstanding);
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_500_random_operations_what_is_owed_is_what_there_is_on_sqlite() {
    what_is_owed_is_what_there_is(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_500_random_operations_what_is_owed_is_what_there_is_on_postgres() {
    what_is_owed_is_what_there_is(Engine::Postgres).await;
}
