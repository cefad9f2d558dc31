//! Whether this instance can serve: its database answers with the schema that it knows, jobs get done, clocks agree.

use std::time::Duration;

use crate::app::App;
use crate::db::pending_migrations;
use crate::error::Fault;
use crate::jobs;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a due job may wait before no worker seems to run.
const LONGEST_LAG: i64 = 300_000;

/// What keeps this instance from serving, in words that name nothing inside it; empty when it is ready.
pub async fn problems(app: &App) -> Vec<&'static str> {
    match tokio::time::timeout(PATIENCE, look(app)).await {
        Ok(Ok(found)) => found,
        Ok(Err(fault)) => {
            tracing::warn!(?fault, "the readiness check failed");
            vec!["the database does not answer"]
        }
        Err(_elapsed) => vec!["the database does not answer in time"],
    }
}

async fn look(app: &App) -> Result<Vec<&'static str>, Fault> {
    let mut found = Vec::new();
    match pending_migrations(&app.db).await {
        Ok(pending) if pending.is_empty() => {}
        Ok(_) => found.push("migrations are pending"),
        Err(error) => {
            tracing::warn!(%error, "could not look for pending migrations");
            return Ok(vec!["the database does not answer"]);
        }
    }
    if jobs::lag_millis(app).await? > LONGEST_LAG {
        found.push("the worker lags");
    }
    if !app.clock.is_right(&app.db).await? {
        found.push("the clocks of this machine and of the database differ");
    }
    Ok(found)
}
