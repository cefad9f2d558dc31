//! Codes of a second factor: RFC 6238 with SHA-1, six digits and steps of thirty seconds, as every authenticator app has
//! them; a clock may be one step off.

use entity::Instant;
use totp_rs::{Algorithm, Builder, Totp};

use crate::error::Fault;

/// Bytes of a secret: as long as the hash (RFC 4226, section 4).
pub(crate) const SECRET: usize = 20;
/// Seconds of a step.
const STEP: u64 = 30;

fn builder(secret: &[u8]) -> Builder {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(STEP)
        .with_secret(secret)
}

/// The time step whose code this is, of those that are good at `now`.
pub(crate) fn step_of(secret: &[u8], code: &str, now: Instant) -> Result<Option<i64>, Fault> {
    let seconds = u64::try_from(now.timestamp())?;
    let step = builder(secret).build()?.check(code, seconds);
    Ok(step.map(i64::try_from).transpose()?)
}

/// A secret as a person types it into an app, and as an app reads it from a picture.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Base32 without padding.
    pub(crate) secret: String,
    /// `otpauth://totp/…`
    pub(crate) uri: String,
}

/// Shows a secret under the names of the shop and the member.
pub(crate) fn shown(secret: &[u8], shop: &str, member: &str) -> Result<Shown, Fault> {
    // A colon is what parts the two.
    let (shop, member) = (shop.replace(':', " "), member.replace(':', " "));
    let totp: Totp = builder(secret).with_issuer(Some(shop)).with_account_name(member).build()?;
    Ok(Shown { secret: totp.secret().to_base32(), uri: totp.to_url()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RFC 6238, appendix B.
    const KEY: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Instant {
        Instant::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_codes_of_the_standard_are_taken_at_their_times() {
        // The last six of the eight digits that the appendix gives for SHA-1.
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, code) in vectors {
            assert_eq!(step_of(KEY, code, at(seconds)).unwrap(), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_and_late_and_no_longer() {
        // Step 1 lasts from second 30 to 59.
        let good = |seconds| step_of(KEY, "287082", at(seconds)).unwrap();
        assert_eq!([good(0), good(29), good(30), good(89)], [Some(1); 4]);
        assert_eq!(good(90), None);
    }

    #[test]
    fn nothing_but_six_digits_is_a_code() {
        for other in ["", "28708", "2870822", "28708x", " 287082", "２８７０８２"] {
            assert_eq!(step_of(KEY, other, at(59)).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn an_app_reads_the_secret_with_its_names() {
        let shown = shown(KEY, "Tea: & Co", "sam@example.org").unwrap();
        assert_eq!(shown.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let expected = "otpauth://totp/Tea%20%20%26%20Co:sam%40example.org?\
                        secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Tea%20%20%26%20Co";
        assert_eq!(shown.uri, expected);
    }
}
