//! The mail that invites somebody to the shop's staff. Its token is derived only now: no row and no queue holds it.

use entity::id::StaffInvitationId;
use entity::staff_invitation::Entity;
use sea_orm::EntityTrait;
use serde_json::{Value as Json, json};

use super::mailer::{Mail, Sent};
use crate::app::App;
use crate::auth::link::{self, Link};
use crate::auth::staff::invitations;
use crate::customers::email::EmailAddress;
use crate::error::Fault;
use crate::jobs::{self, Job};
use crate::tx::Tx;

/// The kind of the job.
pub(crate) const KIND: &str = "mail.staff_invitation";
/// With the back-off of jobs that is some hours.
const ATTEMPTS: i64 = 12;

/// Queues the mail with the change of this transaction.
pub(crate) async fn enqueue(tx: &Tx, invitation: StaffInvitationId) -> Result<(), Fault> {
    let payload = json!({ "invitation_id": invitation });
    jobs::enqueue(tx, Job { kind: KIND, payload, due: None, dedup_key: None, max_attempts: ATTEMPTS }).await
}

/// Sends the mail, unless the invitation has ended meanwhile.
pub(crate) async fn send(app: &App, payload: &Json) -> Result<(), Fault> {
    let id: StaffInvitationId = serde_json::from_value(payload["invitation_id"].clone())?;
    let found = Entity::find_by_id(id).one(&app.db.read).await?;
    let Some(row) = found.filter(|row| invitations::is_open(row, app.clock.now())) else { return Ok(()) };
    let token = link::token(&app.keys.link()?, Link::StaffInvitation, id.0);
    let shop = app.settings().name.clone();
    let subject = format!("You are invited to the staff of {shop}");
    let text = format!(
        "Hello,\n\nYou are invited to the staff of {shop}. With this token you set your password:\n\n    {token}\n\nIt is \
         good for 7 days, once. Never give it to anybody else.\n\n{shop}\n"
    );
    let to = EmailAddress::try_from(row.email)?;
    match app.mailer.send(Mail { cause: id.0, at: row.created_at, to, subject, text }).await? {
        Sent::Yes | Sent::Refused => Ok(()),
    }
}
