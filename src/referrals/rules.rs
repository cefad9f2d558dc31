//! By what two people are found to be one, or of one household. Pure.

use std::collections::BTreeSet;

use entity::referral::ReferralReason;
use unicode_normalization::UnicodeNormalization;

use crate::customers::address::Address;

/// What is known of a person that another should not share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) mailboxes: BTreeSet<String>,
    pub(super) cards: BTreeSet<Vec<u8>>,
    pub(super) places: BTreeSet<String>,
}

impl Traits {
    /// Takes an e-mail address in.
    pub(super) fn add_email(&mut self, email: &str) {
        self.mailboxes.extend(mailbox(email));
    }

    /// What both have, the surest first.
    pub(super) fn shared(&self, other: &Self) -> Option<ReferralReason> {
        if !self.mailboxes.is_disjoint(&other.mailboxes) {
            Some(ReferralReason::SameEmail)
        } else if !self.cards.is_disjoint(&other.cards) {
            Some(ReferralReason::SameCard)
        } else if !self.places.is_disjoint(&other.places) {
            Some(ReferralReason::SameAddress)
        } else {
            None
        }
    }
}

/// The mailbox that most providers deliver an address to: in lower case, without what is behind a plus and without dots
/// before the at sign. For this comparison only: elsewhere these are mailboxes of their own.
pub(super) fn mailbox(email: &str) -> Option<String> {
    let email = email.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@')?;
    let (name, _tag) = local.split_once('+').unwrap_or((local, ""));
    let domain = if domain == "googlemail.com" { "gmail.com" } else { domain };
    Some(format!("{}@{domain}", name.replace('.', "")))
}

/// One spelling of where an address is: country, postal code or else town, street and number, and the number of the unit.
/// Who lives there, and words that anybody can add, are no part of it.
pub(super) fn place(address: &Address) -> String {
    let town = address.postal_code.as_deref().unwrap_or(&address.city);
    let unit: String =
        squeezed(address.line2.as_deref().unwrap_or_default()).filter(char::is_ascii_digit).collect();
    let (town, street): (String, String) = (squeezed(town).collect(), squeezed(&address.line1).collect());
    format!("{}|{town}|{street}|{unit}", address.country.as_str())
}

/// Letters and digits, without case and accents.
fn squeezed(text: &str) -> impl Iterator<Item = char> {
    let plain: Vec<char> = text.nfkd().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    plain.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customers::address::Stated;

    fn of(line1: &str, line2: &str, postal_code: &str) -> String {
        let address = Stated {
            line1: line1.to_owned(),
            line2: Some(line2.to_owned()),
            postal_code: Some(postal_code.to_owned()),
            city: "Amsterdam".to_owned(),
            country: "NL".to_owned(),
            ..Stated::default()
        };
        place(&address.try_into().unwrap())
    }

    #[test]
    fn plus_and_dots_and_case_make_no_other_mailbox_here() {
        let joan = mailbox("joan.dark@example.org").unwrap();
        for twin in ["Joan.Dark@Example.ORG", "joandark@example.org", "j.o.a.n.dark+friend+2@example.org"] {
            assert_eq!(mailbox(twin).unwrap(), joan, "{twin}");
        }
        for other in ["joan.dark@mail.example.org", "joan.darker@example.org"] {
            assert_ne!(mailbox(other).unwrap(), joan, "{other}");
        }
        assert_eq!(mailbox("a.b@googlemail.com"), mailbox("ab+x@gmail.com"));
    }

    #[test]
    fn an_address_is_one_however_it_is_written_and_a_neighbours_is_another() {
        let home = of("Prinsengracht 263-A", "", "1016 GV");
        for twin in
            [of("PRINSENGRACHT 263 A", "c/o Joan", "1016gv"), of("Prinsengracht 263a.", " ", "1016-GV")]
        {
            assert_eq!(twin, home);
        }
        assert_eq!(of("Allée 1", "Apt. 4", "75001"), of("allee 1", "apartment 4", "75001"));
        for other in [
            of("Prinsengracht 265-A", "", "1016 GV"),
            of("Prinsengracht 263-A", "Apt. 4", "1016 GV"),
            of("Prinsengracht 263-A", "", "1017 GV"),
        ] {
            assert_ne!(other, home);
        }
    }

    #[test]
    fn what_is_shared_is_told_by_the_surest() {
        let traits = |email: &str, card: u8, place: &str| Traits {
            mailboxes: BTreeSet::from([email.to_owned()]),
            cards: BTreeSet::from([vec![card]]),
            places: BTreeSet::from([place.to_owned()]),
        };
        let joan = traits("joan@example.org", 1, "home");
        assert_eq!(joan.shared(&traits("eve@example.org", 2, "away")), None);
        assert_eq!(joan.shared(&traits("eve@example.org", 2, "home")), Some(ReferralReason::SameAddress));
        assert_eq!(joan.shared(&traits("eve@example.org", 1, "home")), Some(ReferralReason::SameCard));
        assert_eq!(joan.shared(&joan), Some(ReferralReason::SameEmail));
    }
}
