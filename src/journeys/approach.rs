//! By which way somebody may be reached, and can be.

use std::collections::HashMap;

use entity::Instant;
use entity::consent::Purpose;
use entity::message::{Channel, Reason};
use entity::suppression::SuppressionReason;

use super::people::Person;
use crate::consent::Permissions;
use crate::messages::terms::MessageTerms;

/// Addresses that nothing, or little, is sent to, and why.
pub(super) type Suppressed = HashMap<(Channel, String), SuppressionReason>;

/// Somebody who is to be sent something.
pub(super) struct Approach<'a> {
    pub(super) person: &'a Person,
    /// The ways that there are, the best first.
    pub(super) channels: &'a [Channel],
    /// Whether there is somebody who takes messages to phones and devices.
    pub(super) has_hook: bool,
    /// What right it needs; transactional, if none.
    pub(super) purpose: Option<Purpose>,
    /// When the person asked for it.
    pub(super) asked_at: Option<Instant>,
    /// The mailbox that is written on the order that it is about.
    pub(super) on_order: Option<String>,
}

impl Approach<'_> {
    /// The first of its channels by which the person may be and can be reached; else why not, of the first one that there is
    /// an address for.
    pub(super) fn channel(
        &self,
        terms: &MessageTerms,
        permissions: &Permissions,
        suppressed: &Suppressed,
    ) -> Result<Channel, Reason> {
        let mut why = Reason::NoAddress;
        for channel in self.channels {
            let Some(address) = self.address(*channel) else { continue };
            let suppressed = suppressed.get(&(*channel, address));
            let allowed = match self.purpose {
                // What is always sent is not sent to a mailbox that there is not.
                None if suppressed == Some(&SuppressionReason::Bounced) => Err(Reason::Suppressed),
                None => Ok(()),
                Some(_) if suppressed.is_some() => Err(Reason::Suppressed),
                Some(purpose) => permissions.allow(terms, self.person.id, purpose, *channel, self.asked_at),
            };
            match allowed {
                Ok(()) => return Ok(*channel),
                Err(reason) if why == Reason::NoAddress => why = reason,
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// Where it would go; none if nowhere. What is always sent reaches somebody of whom no address is known by the one on the
    /// order.
    fn address(&self, channel: Channel) -> Option<String> {
        match channel {
            Channel::Email => {
                let on_order = self.on_order.clone().filter(|_| self.purpose.is_none());
                self.person.address(channel).or(on_order)
            }
            Channel::Inbox => self.person.address(channel),
            Channel::Sms | Channel::Push => self.person.address(channel).filter(|_| self.has_hook),
        }
    }
}
