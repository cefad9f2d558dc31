//! Whether somebody may be sent something: read once when it is queued, and again when it is sent.

use std::collections::HashMap;

use entity::Instant;
use entity::consent::{ConsentState, OptIn, Purpose};
use entity::id::PersonId;
use entity::message::{Channel, Reason};
use sea_orm::ConnectionTrait;

use super::record::{Subject, standing};
use super::state::Word;
use crate::error::Fault;
use crate::messages::class::Class;
use crate::messages::terms::MessageTerms;

/// What stands for some people.
#[derive(Debug)]
pub(crate) struct Permissions(HashMap<Subject, Word>);

/// What stands for these people, in one statement for any number of them. They are to be whom they turned out to be (see
/// [`super::record::who`]): what a merged customer or a joined guest said is kept for the one who stays.
pub(crate) async fn permissions(
    db: &impl ConnectionTrait,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<Permissions, Fault> {
    Ok(Permissions(standing(db, people).await?))
}

impl Permissions {
    /// Whether `person` may be sent what is for `purpose` by `channel`; if not, why. `asked_at` is for what somebody waited
    /// for: when they asked for it, which is the consent unless they said no since.
    pub(crate) fn allow(
        &self,
        terms: &MessageTerms,
        person: PersonId,
        purpose: Purpose,
        channel: Channel,
        asked_at: Option<Instant>,
    ) -> Result<(), Reason> {
        let said = self.0.get(&(person, purpose, channel));
        if said.is_some_and(|said| said.state == ConsentState::Withdrawn) {
            let since = said.map(|said| said.at);
            let asked_anew = purpose == Purpose::BackInStock && asked_at > since;
            return if asked_anew { Ok(()) } else { Err(Reason::Withdrawn) };
        }
        match Class::of(Some(purpose)) {
            Class::Transactional | Class::Service(_) => Ok(()),
            Class::Promotional if purpose == Purpose::BackInStock => {
                if asked_at.is_some() {
                    Ok(())
                } else {
                    Err(Reason::NoConsent)
                }
            }
            Class::Promotional => match said.map(|said| (said.state, said.opt_in)) {
                Some((ConsentState::Granted, opt_in)) => {
                    let is_sure =
                        opt_in == Some(OptIn::Double) || !needs_confirmation(terms, purpose, channel);
                    if is_sure { Ok(()) } else { Err(Reason::NotConfirmed) }
                }
                Some((ConsentState::Requested, _)) => Err(Reason::NotConfirmed),
                Some((ConsentState::Withdrawn, _)) => Err(Reason::Withdrawn),
                None => Err(Reason::NoConsent),
            },
        }
    }
}

/// Whether a yes counts only once whoever reads the mailbox has confirmed it.
pub(super) fn needs_confirmation(terms: &MessageTerms, purpose: Purpose, channel: Channel) -> bool {
    terms.double_opt_in && channel == Channel::Email && needs_consent(purpose)
}

/// Whether nothing is sent for `purpose` without a yes; asking for a product is the yes of what waits for it.
pub(super) fn needs_consent(purpose: Purpose) -> bool {
    Class::of(Some(purpose)) == Class::Promotional && purpose != Purpose::BackInStock
}

#[cfg(test)]
mod tests {
    use entity::id::ConsentId;
    use uuid::Uuid;

    use super::*;

    const PERSON: PersonId = PersonId(Uuid::from_u128(1));

    fn at(seconds: i64) -> Instant {
        Instant::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn after(purpose: Purpose, channel: Channel, said: Option<(ConsentState, Option<OptIn>)>) -> Permissions {
        let word = |(state, opt_in)| Word { state, opt_in, at: at(10), id: ConsentId(Uuid::from_u128(2)) };
        Permissions(said.map(|said| ((PERSON, purpose, channel), word(said))).into_iter().collect())
    }

    fn allowed(
        double_opt_in: bool,
        purpose: Purpose,
        channel: Channel,
        said: Option<(ConsentState, Option<OptIn>)>,
    ) -> Result<(), Reason> {
        let terms = MessageTerms { double_opt_in, ..MessageTerms::default() };
        after(purpose, channel, said).allow(&terms, PERSON, purpose, channel, None)
    }

    const SINGLE: Option<(ConsentState, Option<OptIn>)> = Some((ConsentState::Granted, Some(OptIn::Single)));
    const DOUBLE: Option<(ConsentState, Option<OptIn>)> = Some((ConsentState::Granted, Some(OptIn::Double)));
    const ASKED: Option<(ConsentState, Option<OptIn>)> = Some((ConsentState::Requested, None));
    const NO: Option<(ConsentState, Option<OptIn>)> = Some((ConsentState::Withdrawn, None));

    #[test]
    fn a_promotion_needs_a_yes_and_by_mail_a_confirmed_one() {
        let by_mail = |said| allowed(true, Purpose::Newsletter, Channel::Email, said);
        assert_eq!(by_mail(None), Err(Reason::NoConsent));
        assert_eq!(by_mail(ASKED), Err(Reason::NotConfirmed));
        assert_eq!(by_mail(SINGLE), Err(Reason::NotConfirmed));
        assert_eq!(by_mail(DOUBLE), Ok(()));
        assert_eq!(by_mail(NO), Err(Reason::Withdrawn));
        assert_eq!(allowed(false, Purpose::Newsletter, Channel::Email, SINGLE), Ok(()));
        assert_eq!(allowed(true, Purpose::Offers, Channel::Sms, SINGLE), Ok(()));
        assert_eq!(allowed(true, Purpose::Reminders, Channel::Push, None), Err(Reason::NoConsent));
    }

    #[test]
    fn service_goes_unless_somebody_said_no() {
        for purpose in [Purpose::Care, Purpose::ProductUpdates, Purpose::Programme] {
            for said in [None, ASKED, SINGLE, DOUBLE] {
                assert_eq!(allowed(true, purpose, Channel::Email, said), Ok(()));
            }
            assert_eq!(allowed(true, purpose, Channel::Email, NO), Err(Reason::Withdrawn));
        }
    }

    #[test]
    fn asking_for_a_product_is_the_consent_unless_withdrawn_since() {
        let terms = MessageTerms::default();
        let asked = |said, asked_at| {
            let (purpose, channel) = (Purpose::BackInStock, Channel::Email);
            after(purpose, channel, said).allow(&terms, PERSON, purpose, channel, asked_at)
        };
        assert_eq!(asked(None, None), Err(Reason::NoConsent));
        assert_eq!(asked(None, Some(at(0))), Ok(()));
        assert_eq!(asked(NO, None), Err(Reason::Withdrawn));
        assert_eq!(asked(NO, Some(at(10))), Err(Reason::Withdrawn));
        assert_eq!(asked(NO, Some(at(11))), Ok(()));
    }
}
