//! What needs no database: the arithmetic of points, the limits of a request, and what a round costs whoever is alone in
//! it. `cargo bench` runs them.
#![expect(clippy::expect_used, reason = "a benchmark that cannot begin has nothing to report")]

use std::hint::black_box;

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use clap::Parser;
use criterion::{Criterion, criterion_group, criterion_main};
use regulars::config::Limits;
use regulars::graphql::limits::{check_document, check_source};
use regulars::money::Currency;
use regulars::points::preview;
use regulars::points::programme::Programme;
use regulars::points::rules::{Basis, line_points};
use regulars::rounds::Rounds;

/// A member with balance, tier and ten newest entries, as `benches/run` asks for them.
const READ: &str = "query Q($id: ID!) { customer(id: $id) { name points { available entries(first: 10) { nodes { \
                    id kind points recordedAt } } } tier { tier { code } } } }";
/// Lines of a cart.
const LINES: usize = 20;

fn euros() -> Currency {
    "EUR".parse().expect("a currency")
}

fn rules(c: &mut Criterion) {
    let programme = Programme::default();
    let basis = Basis { currency: euros(), line_total: 12_995, redeemed_value: 500, tax_rate: Some(2_100) };
    c.bench_function("what a line earns, by three factors", |b| {
        b.iter(|| line_points(black_box(&programme), black_box(basis), black_box(&[10_000, 15_000, 20_000])));
    });
    let totals = [1_999; LINES];
    c.bench_function("what points pay of a cart of twenty lines", |b| {
        b.iter(|| preview::redeemed(black_box(&programme), euros(), black_box(&totals), 1_500, Some(4_000)));
    });
}

/// What a server is started with that is told nothing.
#[derive(clap::Parser)]
struct Given {
    #[command(flatten)]
    limits: Limits,
}

fn limits(c: &mut Criterion) {
    let limits = Given::parse_from(["pure"]).limits;
    let document = parse_query(READ).expect("a query");
    let variables = Variables::default();
    c.bench_function("the limits of a query, before it is parsed", |b| {
        b.iter(|| check_source(&limits, black_box(READ)));
    });
    c.bench_function("the limits and the cost of a parsed query", |b| {
        b.iter(|| check_document(&limits, black_box(&document), &variables));
    });
}

async fn answers(questions: Vec<u64>) -> Vec<u64> {
    questions
}

fn rounds(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let rounds = Rounds::of(|(): (), questions| Box::pin(answers(questions)));
    c.bench_function("a question in a task of its own", |b| {
        b.to_async(&runtime).iter(|| async { tokio::spawn(answers(vec![black_box(1)])).await });
    });
    c.bench_function("a question alone in its round", |b| {
        b.to_async(&runtime).iter(|| async { rounds.ask(&(), black_box(1)).answer().await });
    });
}

criterion_group!(pure, rules, limits, rounds);
criterion_main!(pure);
