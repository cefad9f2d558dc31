//! Long tokens for links: of claims, first sign-ins, invitations and what messages ask for. A token is the id of what it is for and an HMAC of
//! that, so that neither a row nor a queued mail holds it, and asking twice gives the same one.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Bytes of an id.
const ID: usize = 16;

/// What a token is good for; one of another kind is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// To see one order and claim it.
    Claim,
    /// To sign in for the first time.
    SignIn,
    /// To join the shop's staff.
    StaffInvitation,
    /// To confirm a double opt-in.
    ConsentConfirm,
    /// To say no to what a message is for.
    Unsubscribe,
    /// To review what the order of a message brought.
    Review,
    /// To answer the survey that a message asked for.
    Survey,
}

impl Link {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Claim => b"claim\x1f",
            Self::SignIn => b"sign-in\x1f",
            Self::StaffInvitation => b"staff-invitation\x1f",
            Self::ConsentConfirm => b"consent-confirm\x1f",
            Self::Unsubscribe => b"unsubscribe\x1f",
            Self::Review => b"review\x1f",
            Self::Survey => b"survey\x1f",
        }
    }
}

fn tagged(link: Link, id: &[u8]) -> Vec<u8> {
    [link.name(), id].concat()
}

/// The token of `id`: 64 characters, 256 bits of which nobody can guess.
pub(crate) fn token(key: &hmac::Key, link: Link, id: Uuid) -> String {
    let tag = hmac::sign(key, &tagged(link, id.as_bytes()));
    URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), tag.as_ref()].concat())
}

/// What a token is of, if it is one of ours for `link`.
pub(crate) fn read(key: &hmac::Key, link: Link, token: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(token.trim()).ok()?;
    let (id, tag) = bytes.split_at_checked(ID)?;
    hmac::verify(key, &tagged(link, id), tag).ok()?;
    Uuid::from_slice(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_by_its_key_for_its_purpose_only() {
        let (key, other) =
            (hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]), hmac::Key::new(hmac::HMAC_SHA256, &[2; 32]));
        let id = Uuid::from_u128(7);
        let written = token(&key, Link::Claim, id);
        assert_eq!(written.len(), 64);
        assert_eq!(read(&key, Link::Claim, &format!(" {written}\n")), Some(id));
        assert_eq!(read(&key, Link::SignIn, &written), None);
        assert_eq!(read(&other, Link::Claim, &written), None);
        let another = token(&key, Link::Claim, Uuid::from_u128(8));
        let mixed = format!("{}{}", &another[..22], &written[22..]);
        for wrong in ["", "x", &written[..63], &mixed, &format!("{written}A")] {
            assert_eq!(read(&key, Link::Claim, wrong), None, "{wrong}");
        }
    }
}
