//! Settings are versions: the highest is in force, on every instance, within a second.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use regulars::app::App;
use regulars::error::{Outcome, split};
use regulars::settings::{self, SettingsError, ShopSettings};
use regulars::tx::Tx;

use crate::support::{both_engines, refusal};

async fn rename(app: &App, from: &ShopSettings, name: &str) -> Outcome<ShopSettings, SettingsError> {
    let wanted = ShopSettings { name: name.to_owned(), ..from.clone() };
    app.write(&wanted, async |tx: &Tx, wanted| settings::change(tx, wanted, None).await).await
}

both_engines! {
    async fn a_change_is_the_next_version(shop: &TestApp) {
        let first = rename(&shop.app, &shop.app.settings(), "Bakery").await.unwrap();
        assert_eq!((first.version, first.name.as_str()), (1, "Bakery"));
        let second = rename(&shop.app, &first, "Bookshop").await.unwrap();
        assert_eq!((second.version, second.name.as_str()), (2, "Bookshop"));
        assert_eq!(shop.snapshot().await.count("shop_settings"), 2);
        assert_eq!(settings::load(&shop.app.db.read).await.unwrap(), second);
    }

    async fn of_two_changes_at_once_one_wins(shop: &TestApp) {
        let seen = shop.app.settings();
        let names = ["Bakery", "Bookshop"];
        let ended = join_all(names.map(|name| rename(&shop.app, &seen, name))).await;
        let mut won = Vec::new();
        for outcome in ended {
            match split(outcome).unwrap() {
                Ok(settings) => won.push(settings.name),
                Err(reason) => assert_eq!(reason, SettingsError::VersionConflict { current: 1 }),
            }
        }
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(settings::load(&shop.app.db.read).await.unwrap().name, won[0]);
        assert_eq!(shop.snapshot().await.count("shop_settings"), 1);
    }

    async fn a_change_of_an_old_version_is_refused_and_changes_nothing(shop: &TestApp) {
        let old = shop.app.settings();
        rename(&shop.app, &old, "Bakery").await.unwrap();
        let outcome = shop.unchanged_by(async || rename(&shop.app, &old, "Bookshop").await).await;
        assert_eq!(refusal(outcome), SettingsError::VersionConflict { current: 1 });
    }

    async fn another_instance_follows_within_a_second(shop: &TestApp) {
        let other = shop.another_instance().await;
        let following = tokio::spawn(settings::follow(other.clone()));
        rename(&shop.app, &shop.app.settings(), "Bakery").await.unwrap();
        let changed = Instant::now();
        while other.settings().name != "Bakery" {
            assert!(changed.elapsed() < Duration::from_secs(1), "not within a second");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        following.abort();
        other.db.clone().close().await.unwrap();
    }

    async fn refreshing_takes_over_the_newest_version(shop: &TestApp) {
        let first = rename(&shop.app, &shop.app.settings(), "Bakery").await.unwrap();
        rename(&shop.app, &first, "Bookshop").await.unwrap();
        assert_eq!(shop.app.settings().version, 0);
        settings::refresh(&shop.app).await.unwrap();
        assert_eq!((shop.app.settings().version, shop.app.settings().name.as_str()), (2, "Bookshop"));
    }
}
