//! The journeys that take people in, and what versions say.

use std::collections::HashMap;

use entity::id::JourneyId;
use entity::journey::{self, JourneyState};
use entity::{Instant, journey_version};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Deserialize;

use super::definition::{Definition, Trigger};
use super::unreadable;
use crate::db::dialect::is_among;
use crate::error::Fault;

/// A journey that takes people in, in the version in force.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) id: JourneyId,
    pub(super) version: i32,
    /// From then on it takes people in.
    pub(super) published_at: Instant,
    pub(super) definition: Definition,
}

/// Every journey that takes people in, by what begins it.
#[derive(Clone, Debug, Default)]
pub(super) struct Journeys(Vec<Live>);

impl Journeys {
    /// One statement. One that cannot be read takes nobody in.
    pub(super) async fn load(db: &impl ConnectionTrait) -> Result<Self, Fault> {
        use journey::Column as Journey;
        use journey_version::Column as Version;

        // A handful: a shop has as many journeys as somebody keeps in mind.
        let current = Query::select()
            .expr(Expr::val(1))
            .from(journey::Entity)
            .and_where(
                Expr::col((journey::Entity, Journey::Id))
                    .equals((journey_version::Entity, Version::JourneyId)),
            )
            .and_where(
                Expr::col((journey::Entity, Journey::Version))
                    .equals((journey_version::Entity, Version::Version)),
            )
            .and_where(
                Expr::col((journey::Entity, Journey::State))
                    .is_in([JourneyState::Active, JourneyState::Paused]),
            )
            .take();
        let rows = journey_version::Entity::find().filter(Expr::exists(current)).all(db).await?;
        let live = |row: journey_version::Model| {
            let definition = definition_of(&row)?;
            let journey_version::Model { journey_id: id, version, published_at, .. } = row;
            Some(Live { id, version, published_at, definition })
        };
        Ok(Self(rows.into_iter().filter_map(live).collect()))
    }

    /// Those that `trigger` begins.
    pub(super) fn begun_by(&self, trigger: Trigger) -> impl Iterator<Item = &Live> {
        self.0.iter().filter(move |live| live.definition.trigger == trigger)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Live> {
        self.0.iter()
    }
}

/// What a version says; none if it cannot be read.
fn definition_of(row: &journey_version::Model) -> Option<Definition> {
    let Ok(definition) = Definition::deserialize(&row.definition) else {
        unreadable("definition", row.id.0);
        return None;
    };
    Some(definition)
}

/// A version of a journey that somebody is on the way through, and where the journey is.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) state: JourneyState,
    pub(super) definition: Definition,
}

/// The versions of these journeys that can be read; two statements.
pub(super) async fn versions(
    db: &impl ConnectionTrait,
    of: impl IntoIterator<Item = JourneyId>,
) -> Result<HashMap<(JourneyId, i32), Version>, Fault> {
    let ids: Vec<_> = of.into_iter().map(|id| id.0).collect();
    let backend = db.get_database_backend();
    let journeys =
        journey::Entity::find().filter(is_among(backend, "id", ids.iter().copied())).all(db).await?;
    let states: HashMap<JourneyId, JourneyState> =
        journeys.into_iter().map(|journey| (journey.id, journey.state)).collect();
    let among = is_among(backend, "journey_id", ids);
    let rows = journey_version::Entity::find().filter(among).all(db).await?;
    let mut versions = HashMap::new();
    for row in rows {
        let Some(state) = states.get(&row.journey_id).copied() else { continue };
        let Some(definition) = definition_of(&row) else { continue };
        versions.insert((row.journey_id, row.version), Version { state, definition });
    }
    Ok(versions)
}

/// The journey with this code.
pub(super) async fn by_code(db: &impl ConnectionTrait, code: &str) -> Result<Option<journey::Model>, Fault> {
    Ok(journey::Entity::find().filter(journey::Column::Code.eq(code)).one(db).await?)
}
