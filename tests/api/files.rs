//! What must hold of a SQLite file when its disk does not, or the server is killed or another one.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::SecretString;

use regulars::db::{Db, DbOptions, migrate, pending_migrations};

/// A file of its own, for as long as the directory is kept.
async fn opened() -> (Db, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = SecretString::from(format!("sqlite://{}/shop.db?mode=rwc", directory.path().display()));
    let options = DbOptions { url, max_connections: 2, allow_asynchronous_commit: false };
    (Db::connect(&options).await.unwrap(), directory)
}

async fn rows(db: &Db) -> i64 {
    let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM kept");
    db.read.query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn what_is_committed_after_the_disk_was_full_is_there() {
    let (db, _directory) = opened().await;
    db.write.execute_unprepared("CREATE TABLE kept (what BLOB)").await.unwrap();
    db.write.execute_unprepared("PRAGMA max_page_count = 3").await.unwrap();
    // SQLite ends this transaction by itself.
    let full = db.begin_writing().await.unwrap();
    full.execute_unprepared("INSERT INTO kept VALUES (zeroblob(1000000))").await.unwrap_err();
    // What followed would be kept at once.
    full.execute_unprepared("INSERT INTO kept VALUES ('late')").await.unwrap_err();
    full.rollback().await;
    db.begin_writing().await.unwrap().rollback().await;
    for expected in 1..=2 {
        let kept = db.begin_writing().await.unwrap();
        kept.execute_unprepared("INSERT INTO kept VALUES ('small')").await.unwrap();
        kept.commit().await.unwrap();
        assert_eq!(rows(&db).await, expected);
    }
}

#[tokio::test]
async fn a_migration_that_is_broken_off_leaves_nothing_behind() {
    let (db, _directory) = opened().await;
    // One that is in the way of what a migration makes after other things.
    db.write.execute_unprepared("CREATE TABLE points_entries (id BLOB)").await.unwrap();
    migrate(&db).await.unwrap_err();
    let pending = pending_migrations(&db).await.unwrap();
    assert!(!pending.is_empty());
    db.write.execute_unprepared("DROP TABLE points_entries").await.unwrap();
    migrate(&db).await.unwrap();
    assert_eq!(pending_migrations(&db).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn migrations_of_a_newer_program_are_none_that_wait() {
    let (db, _directory) = opened().await;
    migrate(&db).await.unwrap();
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99991231_newer', 0)";
    db.write.execute_unprepared(newer).await.unwrap();
    assert_eq!(pending_migrations(&db).await.unwrap(), Vec::<String>::new());
    assert!(migrate(&db).await.is_err());
}
