//! What came of many journeys at once, within one request.

use std::collections::HashMap;

use async_graphql::dataloader::{DataLoader, Loader};
use entity::id::JourneyId;

use crate::app::App;
use crate::error::FaultKind;
use crate::journeys::statistics::{self, Span, Statistics};

/// Loads what came of journeys.
#[derive(Clone, Debug)]
pub struct JourneyLoader {
    app: App,
}

/// The loader of one request: nothing that it keeps is seen by another viewer.
pub fn loader(app: &App) -> DataLoader<JourneyLoader> {
    DataLoader::new(JourneyLoader { app: app.clone() }, tokio::spawn)
}

/// What came of those who began a journey in a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StatisticsOf(pub(super) JourneyId, pub(super) Span);

impl Loader<StatisticsOf> for JourneyLoader {
    type Value = Statistics;
    type Error = FaultKind;

    async fn load(&self, keys: &[StatisticsOf]) -> Result<HashMap<StatisticsOf, Statistics>, FaultKind> {
        let mut asked: HashMap<Span, Vec<JourneyId>> = HashMap::new();
        for StatisticsOf(journey, span) in keys {
            asked.entry(*span).or_default().push(*journey);
        }
        let mut all = HashMap::new();
        // A request asks for one span, or for a few to compare.
        for (span, journeys) in asked {
            let found = statistics::of(&self.app.db.read, &journeys, span).await.map_err(|fault| {
                // One fault fails many fields: it is logged once here, and each field tells its kind.
                tracing::error!(?fault, "statistics of journeys could not be loaded");
                fault.kind()
            })?;
            all.extend(found.into_iter().map(|(journey, of)| (StatisticsOf(journey, span), of)));
        }
        Ok(all)
    }
}
