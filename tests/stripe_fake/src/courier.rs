//! Posts events to where they shall be told.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::{spawn, time};

use crate::events::{Event, signature};
use crate::shared::Shared;

/// The longest wait between two attempts.
const PATIENCE: Duration = Duration::from_secs(1);

/// Posts an event to every endpoint; the worst status of their answers, 0 if one did not answer.
pub(crate) async fn post(shared: &Shared, event: &Event) -> u16 {
    let (endpoints, now) = {
        let inner = shared.lock();
        (inner.endpoints.clone(), inner.state.now)
    };
    let mut worst = None;
    for (url, secrets) in endpoints {
        let sent = reqwest::Client::new()
            .post(url)
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Stripe-Signature", signature(&event.body, &secrets, now))
            .body(event.body.clone())
            .timeout(Duration::from_secs(20))
            .send()
            .await;
        let status = sent.map_or(0, |answer| answer.status().as_u16());
        let rank = |status: u16| if status == 0 { u16::MAX } else { status };
        worst = Some(worst.map_or(status, |other| if rank(other) > rank(status) { other } else { status }));
    }
    worst.unwrap_or_default()
}

/// While delivery is live: posts every event at once, and again until it is accepted.
pub(crate) async fn carry(shared: Arc<Shared>) {
    loop {
        let events = {
            let mut inner = shared.lock();
            if inner.live { inner.take_events() } else { Vec::new() }
        };
        for event in events {
            spawn(insist(Arc::clone(&shared), event));
        }
        shared.news.notified().await;
    }
}

async fn insist(shared: Arc<Shared>, event: Event) {
    let mut wait = Duration::from_millis(20);
    while !(200..300).contains(&post(&shared, &event).await) {
        time::sleep(wait).await;
        wait = (wait * 2).min(PATIENCE);
    }
}
