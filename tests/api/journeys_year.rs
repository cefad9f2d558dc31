//! A year of a shop with every built-in journey, against a plain model of what is to be sent to whom and when: one person
//! after the other, day by day, without a database.

mod model;
mod rows;
mod shop;

use std::collections::BTreeMap;

use entity::journey_run::{self, RunState};
use entity::message::{self, MessageState};
use entity::{Instant, id::PersonId};
use regulars::journeys::builtin;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::support::{TestApp, both_engines};
use model::Sending;
use shop::Year;

/// Customers of the shop; `tests/proofs/journeys_year` goes through the year with more of them.
fn customers() -> usize {
    std::env::var("REGULARS_YEAR_CUSTOMERS").map_or(200, |count| count.parse().unwrap())
}

/// When the next step of anybody is due.
async fn next_due(shop: &TestApp) -> Option<Instant> {
    use journey_run::Column;
    let due: Option<Option<Instant>> = journey_run::Entity::find()
        .select_only()
        .expr(Column::DueAt.min())
        .filter(Column::State.eq(RunState::Waiting))
        .into_tuple()
        .one(&shop.app.db.read)
        .await
        .unwrap();
    due.flatten()
}

/// What was sent, by whom and when it was queued.
async fn sent(shop: &TestApp) -> Vec<Sending> {
    let rows = message::Entity::find().all(&shop.app.db.read).await.unwrap();
    assert!(
        rows.iter().all(|row| row.state == MessageState::Sent),
        "{:?}",
        rows.iter().find(|row| row.state != MessageState::Sent)
    );
    let mut sent: Vec<Sending> =
        rows.into_iter().map(|row| (row.person_id, row.template, row.queued_at)).collect();
    sent.sort();
    sent
}

/// How many of each template.
fn counted(sendings: &[Sending]) -> BTreeMap<&str, usize> {
    let mut counts: BTreeMap<&str, usize> = builtin::codes().map(|code| (code, 0)).collect();
    for (_, template, _) in sendings {
        *counts.get_mut(template.as_str()).unwrap() += 1;
    }
    counts
}

both_engines! {
    async fn a_year_of_a_shop_sends_what_a_plain_model_says(shop: &TestApp) {
        let year = Year::begin(shop, customers()).await;
        let mut events = year.events().into_iter().peekable();
        let end = Year::end();
        loop {
            let happens = events.peek().map(|event| event.at);
            let Some(at) = happens.into_iter().chain(next_due(shop).await).chain([Year::next_day(shop)]).min() else { break };
            if at > end {
                break;
            }
            shop.clock.advance(at - shop.clock.now());
            while let Some(event) = events.next_if(|event| event.at <= at) {
                year.happen(shop, &event).await;
            }
            year.run(shop).await;
        }
        let (expected, actual) = (model::expected(&year), sent(shop).await);
        println!("{:<28} {:>8} {:>8}", "journey", "expected", "actual");
        let (wanted, found) = (counted(&expected), counted(&actual));
        for (journey, count) in &wanted {
            println!("{journey:<28} {count:>8} {:>8}", found[journey]);
        }
        let missing: Vec<_> = expected.iter().filter(|one| actual.binary_search(one).is_err()).take(5).collect();
        let more: Vec<_> = actual.iter().filter(|one| expected.binary_search(one).is_err()).take(5).collect();
        assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, too many {more:?}");
        assert_eq!(wanted, found);
        assert!(wanted.values().all(|count| *count > 0), "{wanted:?}");
        let people: std::collections::BTreeSet<PersonId> = actual.iter().map(|(person, ..)| *person).collect();
        assert!(people.len() * 2 > customers());
    }
}
