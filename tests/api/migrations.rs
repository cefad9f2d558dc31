//! The schema goes up and down, and instances that start at once do not trip over each other.

use futures_util::future::join_all;
use regulars::app::App;
use regulars::db::{self, Db};
use sea_orm::ConnectionTrait;

use crate::support::{Engine, Snapshot, TestDatabase, both_engines, config};

both_engines! {
    async fn the_schema_goes_up_and_down_and_up_again(shop: &TestApp) {
        let migrated = Snapshot::of(&shop.app.db.read).await;
        assert!(migrated.tables().contains(&"points_entries"), "{:?}", migrated.tables());
        assert_eq!(db::pending_migrations(&shop.app.db).await.unwrap(), Vec::<String>::new());

        db::migrate_down(&shop.app.db).await.unwrap();
        assert_eq!(Snapshot::of(&shop.app.db.read).await.tables(), ["seaql_migrations"]);
        assert_eq!(db::pending_migrations(&shop.app.db).await.unwrap().len(), migrated.count("seaql_migrations"));

        db::migrate(&shop.app.db).await.unwrap();
        assert_eq!(Snapshot::of(&shop.app.db.read).await.tables(), migrated.tables());
        shop.app.db.write.execute_unprepared("SELECT 1").await.unwrap();
    }

    async fn migrating_again_changes_nothing(shop: &TestApp) {
        shop.unchanged_by(async || db::migrate(&shop.app.db).await.unwrap()).await;
    }

    async fn four_instances_may_start_at_once_on_an_empty_database(shop: &TestApp) {
        let empty = TestDatabase::empty(shop.database.engine()).await;
        // One connection has to be enough: the lock may not starve the migration that it guards.
        let mut config = config(empty.url());
        config.database.max_connections = 1;
        // Only PostgreSQL is shared by several instances.
        let instances = if empty.engine() == Engine::Postgres { 4 } else { 1 };
        let built = join_all((0..instances).map(|_| App::build(config.clone()))).await;
        for app in built {
            let app = app.expect("an instance did not start");
            assert_eq!(db::pending_migrations(&app.db).await.unwrap(), Vec::<String>::new());
            app.db.clone().close().await.unwrap();
        }
        empty.remove().await;
    }
}

#[tokio::test]
async fn an_in_memory_database_is_refused() {
    let refused = Db::connect(&config("sqlite::memory:").database).await.unwrap_err();
    assert!(refused.to_string().contains("use a file"), "{refused}");
}

#[tokio::test]
async fn a_database_of_another_kind_is_refused() {
    let refused = Db::connect(&config("mysql://127.0.0.1/shop").database).await.unwrap_err();
    assert!(refused.to_string().contains("must begin with sqlite:"), "{refused}");
}
