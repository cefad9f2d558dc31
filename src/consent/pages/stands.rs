//! What still stands of what a link confirmed: it may have been taken back since.

use std::collections::BTreeSet;

use entity::consent::{ConsentState, Purpose};
use entity::consent_request::Entity;
use entity::id::{ConsentRequestId, PersonId};
use entity::message::Channel;
use sea_orm::EntityTrait;

use super::Page;
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::consent::person;
use crate::consent::record::{standing, who};
use crate::consent::request::Request;
use crate::customers::email::EmailAddress;
use crate::error::Fault;

impl Page<'_> {
    /// Those of what `request`, which `token` leads to, asked for that its reader says yes to now.
    pub(crate) async fn stands(
        app: &App,
        token: &str,
        request: &Request,
    ) -> Result<BTreeSet<Purpose>, Fault> {
        let db = &app.db.read;
        let nothing = Ok(BTreeSet::new());
        let id = link::read(&app.keys.link()?, Link::ConsentConfirm, token).map(ConsentRequestId);
        let Some(id) = id else { return nothing };
        let Some(row) = Entity::find_by_id(id).one(db).await? else { return nothing };
        let named = match row.person_id {
            Some(named) => BTreeSet::from([named]),
            None => person::all_of_mailbox(db, &EmailAddress::try_from(row.email)?).await?,
        };
        let readers: BTreeSet<PersonId> = who(db, named).await?.into_values().collect();
        let words = standing(db, readers.iter().copied()).await?;
        let is_yes = |purpose: &Purpose| {
            let mut said =
                readers.iter().filter_map(|reader| words.get(&(*reader, *purpose, Channel::Email)));
            said.any(|word| word.state == ConsentState::Granted)
        };
        Ok(request.purposes.iter().copied().filter(is_yes).collect())
    }
}
