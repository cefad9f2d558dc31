//! The six digits that prove a mailbox. They are derived from the challenge with a key of the server, so that neither a
//! row nor a queued mail holds them.

use aws_lc_rs::hmac;
use entity::id::ChallengeId;

use super::secret;

/// The code of a challenge: each from 000000 to 999999 is as likely.
pub(crate) fn of(key: &hmac::Key, challenge: ChallengeId) -> String {
    let tag = hmac::sign(key, challenge.0.as_bytes());
    // 128 bits: what the remainder favours is far below anything that could be measured.
    let number = tag.as_ref().iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{:06}", number % 1_000_000)
}

/// Whether `given`, as a person may type it, is the code.
pub(crate) fn matches(key: &hmac::Key, challenge: ChallengeId, given: &str) -> bool {
    let digits: String = given.chars().filter(|c| !c.is_whitespace()).take(7).collect();
    secret::same(digits.as_bytes(), of(key, challenge).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn challenge(number: u128) -> ChallengeId {
        ChallengeId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn the_same_challenge_has_the_same_six_digits_and_another_key_other_ones() {
        let code = of(&key(1), challenge(7));
        assert_eq!(code.len(), 6);
        assert!(code.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(code, of(&key(1), challenge(7)));
        assert_ne!(code, of(&key(2), challenge(7)));
        assert_ne!(code, of(&key(1), challenge(8)));
    }

    #[test]
    fn codes_spread_evenly_over_their_first_digit() {
        let mut counts = [0_u32; 10];
        for number in 0..10_000 {
            let first = of(&key(3), challenge(number)).as_bytes()[0] - b'0';
            counts[usize::from(first)] += 1;
        }
        // Nine standard deviations are 270.
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 270), "{counts:?}");
    }

    #[test]
    fn a_typed_code_may_have_spaces_but_no_other_digits() {
        let code = of(&key(1), challenge(7));
        assert!(matches(&key(1), challenge(7), &format!(" {} {} ", &code[..3], &code[3..])));
        for wrong in ["", "000", &format!("{code}0"), &format!("0{code}"), &code[..5]] {
            assert!(!matches(&key(1), challenge(7), wrong), "{wrong}");
        }
    }
}
