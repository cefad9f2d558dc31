//! The mail that invites somebody to the shop's staff. Its token is derived only now: no row and no queue holds it.

use entity::id::StaffInvitationId;
use entity::staff_invitation::Entity;
use sea_orm::EntityTrait;

use super::mailer::Mail;
use super::template::{Language, Template};
use super::words::Values;
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::auth::staff::invitations;
use crate::customers::email::EmailAddress;
use crate::error::Fault;

/// The mail, unless the invitation has ended meanwhile. The shop's staff read the shop's own language.
pub(crate) async fn mail(app: &App, id: StaffInvitationId) -> Result<Option<Mail>, Fault> {
    let found = Entity::find_by_id(id).one(&app.db.read).await?;
    let Some(row) = found.filter(|row| invitations::is_open(row, app.clock.now())) else {
        return Ok(None);
    };
    let token = link::token(&app.keys.link()?, Link::StaffInvitation, id.0);
    let settings = app.settings();
    let language = Language::of(&settings.locale);
    let values = Values {
        shop: &settings.name,
        zone: settings.time_zone,
        at: row.created_at,
        life: row.expires_at - row.created_at,
        code: None,
        token: Some(&token),
        // The storefront has no place for staff.
        link: None,
    };
    let words = app.words.render(Template::StaffInvitation, language, &values)?;
    let to = EmailAddress::try_from(row.email)?;
    Ok(Some(Mail { id: id.0.to_string(), at: row.created_at, to, language, words }))
}
