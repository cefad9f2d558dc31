//! The rules of the house that a compiler does not know: who may name what, and how long a file may be.

use std::path::{Path, PathBuf};

/// A line of a file of ours, without its comments.
#[derive(Debug)]
struct Line {
    path: String,
    number: usize,
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files under `directory`, by their path from the root.
fn files(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no files under {directory}");
    found.sort();
    found
}

fn lines(directory: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (path, text) in files(directory) {
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default().to_owned();
            lines.push(Line { path: path.clone(), number: index + 1, code });
        }
    }
    lines
}

/// Fails with every line that has one of `words` in a file that `allowed` does not name.
fn only_in(words: &[&str], allowed: impl Fn(&str) -> bool, rule: &str) {
    let broken: Vec<String> = lines("src")
        .iter()
        .filter(|line| words.iter().any(|word| line.code.contains(word)) && !allowed(&line.path))
        .map(|line| format!("{}:{}: {}", line.path, line.number, line.code.trim()))
        .collect();
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

/// Tests beside a slice may go through its API.
fn is_api(path: &str) -> bool {
    let is_edge = path.ends_with("/api.rs") || path.contains("/api/") || path.starts_with("src/graphql/");
    is_edge || path.ends_with("/tests.rs")
}

/// The slice that a file belongs to: `points` of `src/points/ledger.rs`.
fn slice(path: &str) -> &str {
    path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default()
}

/// Whether `code` has `path` as whole words: `auth::api` is not in `auth::api_keys`.
fn names(code: &str, path: &str) -> bool {
    let of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(path).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + path.len()..]);
        !before.ends_with(of_a_word) && !after.starts_with(of_a_word)
    })
}

#[test]
fn graphql_is_named_only_at_the_edge() {
    let allowed = |path: &str| is_api(path) || path.starts_with("src/http/");
    only_in(&["async_graphql"], allowed, "async_graphql is for api.rs, api/, graphql/ and http/");
}

#[test]
fn the_web_server_is_named_only_in_http() {
    only_in(&["actix_web", "actix_ws"], |path| path.starts_with("src/http/"), "actix is for http/");
}

#[test]
fn the_client_of_stripe_is_named_only_where_payments_go_through_it() {
    let crates = [
        "stripe_billing",
        "stripe_checkout",
        "stripe_core",
        "stripe_product",
        "stripe_shared",
        "stripe_types",
    ];
    let words = [&crates[..], &["stripe_payment::", "stripe_webhook::", "use stripe::"]].concat();
    only_in(&words, |path| path.starts_with("src/billing/stripe"), "Stripe's crates are for billing/stripe");
}

#[test]
fn only_tx_opens_transactions() {
    let words = ["begin_writing(", "begin_snapshot(", "begin_with_options", ".begin(", ".transaction("];
    let allowed = |path: &str| path == "src/tx.rs" || path.starts_with("src/db/");
    only_in(&words, allowed, "transactions are opened by App::write and App::write_once");
}

#[test]
fn only_db_and_the_store_of_points_know_which_database_it_is() {
    let allowed = |path: &str| path.starts_with("src/db/") || path == "src/points/store.rs";
    only_in(&["DbBackend", "DatabaseBackend"], allowed, "SQL that differs is for db/ and points/store.rs");
}

#[test]
fn a_slice_does_not_use_the_api_of_another() {
    let slices: Vec<String> = files("src")
        .iter()
        .filter(|(path, _)| is_api(path) && !path.starts_with("src/graphql/"))
        .map(|(path, _)| slice(path).to_owned())
        .collect();
    let broken: Vec<String> = lines("src")
        .iter()
        .filter(|line| !is_api(&line.path) && !line.path.starts_with("src/http/"))
        .filter(|line| {
            let own = slice(&line.path);
            slices.iter().any(|other| other != own && names(&line.code, &format!("{other}::api")))
        })
        .map(|line| format!("{}:{}: {}", line.path, line.number, line.code.trim()))
        .collect();
    assert!(broken.is_empty(), "a slice calls operations of another, never its api:\n{}", broken.join("\n"));
}

#[test]
fn slices_do_not_know_the_edge() {
    let allowed = |path: &str| {
        is_api(path) || path.starts_with("src/http/") || path.starts_with("src/cli/") || path == "src/main.rs"
    };
    only_in(
        &["crate::graphql", "crate::http"],
        allowed,
        "graphql/ and http/ know the slices, not the other way round",
    );
}

#[test]
fn nothing_is_allowed_that_could_be_expected() {
    let attribute = ["#[", "allow("].concat();
    let inner = ["#![", "allow("].concat();
    let broken: Vec<String> = ["src", "entity", "migration", "tests"]
        .iter()
        .flat_map(|directory| lines(directory))
        .filter(|line| line.code.contains(&attribute) || line.code.contains(&inner))
        .map(|line| format!("{}:{}", line.path, line.number))
        .collect();
    assert!(broken.is_empty(), "expect a lint with a reason instead of allowing it:\n{}", broken.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["todo!", "unimplemented!", "dbg!"];
    only_in(&words, |_| false, "finish it, or leave it out");
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    let broken: Vec<String> = ["src", "entity", "migration", "tests"]
        .iter()
        .flat_map(|directory| files(directory))
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(path, _)| path)
        .collect();
    assert!(broken.is_empty(), "finish it, or open an issue:\n{}", broken.join("\n"));
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    let long: Vec<String> = ["src", "entity", "migration", "tests"]
        .iter()
        .flat_map(|directory| files(directory))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, count)| *count > 500)
        .map(|(path, count)| format!("{path}: {count} lines"))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn a_module_is_named_after_the_thing_it_is() {
    let vague = ["utils", "util", "helpers", "common", "manager", "service", "misc"];
    let found: Vec<String> = files("src")
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.split(['/', '.']).any(|part| vague.contains(&part)))
        .collect();
    assert!(found.is_empty(), "name the thing: {found:?}");
}
