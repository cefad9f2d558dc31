//! Secrets that are shown once and kept as a hash only.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use crate::error::Fault;

/// Unpredictable bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// 256 unpredictable bits as 43 characters.
pub(crate) fn token() -> Result<SecretString, Fault> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?).into())
}

/// What people read off and type: 32 letters and digits of which no two look alike, so that each takes five bits evenly.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Letters that people read off and type, five unpredictable bits each.
pub(crate) fn letters<const N: usize>() -> Result<String, Fault> {
    let letters = random::<N>()?.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    Ok(String::from_iter(letters))
}

/// SHA-256: enough at rest for what has 256 bits of its own.
pub(crate) fn hash(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// Compares in a time that does not depend on where the two differ.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}
