//! Argon2id (RFC 9106) at the agreed cost, in working memory that is kept from one hash to the next: allocated anew each
//! time, it would be spread over the arenas of the allocator, many times what the hashes that run at once need.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};

use super::secret;
use crate::error::Fault;

/// KiB, passes and lanes.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Bytes of a salt, and of what is kept.
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// A hash of nothing anybody knows: verifying against it costs what verifying costs.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$N0E3R8yCqXh5cZ1kTnVd2w$\
                     Yb0w2mQf7n1Gk5Jt8rUzL3xPq9sVhE4aCdNoB6iKuXo";

/// What verifying a password found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// It is another one, or there is none.
    Wrong,
    /// It is the one.
    Right {
        /// Another hash of it, at the cost agreed now, if the stored one costs less.
        stronger: Option<String>,
    },
}

/// Computes one hash at a time, in 19 MiB that it keeps.
#[derive(Debug, Default)]
pub(super) struct Hasher {
    memory: Vec<Block>,
}

impl Hasher {
    /// Hashes for storing, as a PHC string with a salt of its own.
    pub(super) fn hash(&mut self, password: &SecretString) -> Result<String, Fault> {
        let (params, salt) = (agreed(COST.0)?, secret::random::<SALT>()?);
        let made = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            hash: Some(self.compute(&params, password.expose_secret().as_bytes(), &salt)?),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(&salt)?),
        };
        Ok(made.to_string())
    }

    /// Whether `password` is the one that was hashed. Without a hash the answer is no, after the same work.
    pub(super) fn verify(&mut self, password: &SecretString, hash: Option<&str>) -> Result<Verified, Fault> {
        let stored = PasswordHash::new(hash.unwrap_or(DUMMY))?;
        let (PasswordHash { salt: Some(salt), hash: Some(expected), .. }, params) =
            (&stored, Params::try_from(&stored)?)
        else {
            return Err(Fault::internal("a stored password hash has no salt or no output"));
        };
        let found = self.compute(&params, password.expose_secret().as_bytes(), salt)?;
        // Outputs compare in constant time.
        if hash.is_none() || found != *expected {
            self.spend(missing_work(&params))?;
            return Ok(Verified::Wrong);
        }
        let stronger = is_weaker(&params).then(|| self.hash(password)).transpose()?;
        Ok(Verified::Right { stronger })
    }

    /// Does the work of so many KiB for each of the agreed passes.
    fn spend(&mut self, memory: u32) -> Result<(), Fault> {
        if memory >= Params::MIN_M_COST {
            self.compute(&agreed(memory)?, b"nothing", b"that is kept")?;
        }
        Ok(())
    }

    fn compute(&mut self, params: &Params, password: &[u8], salt: &[u8]) -> Result<Output, Fault> {
        self.memory.resize(params.block_count(), Block::new());
        let (mut output, length) = ([0; Output::MAX_LENGTH], params.output_len().unwrap_or(OUTPUT));
        let output = output.get_mut(..length).ok_or(argon2::Error::OutputTooLong)?;
        let argon2id = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        argon2id.hash_password_into_with_memory(password, salt, output, self.memory.as_mut_slice())?;
        Ok(Output::new(output)?)
    }
}

/// The agreed passes and lanes over so many KiB.
fn agreed(memory: u32) -> Result<Params, Fault> {
    let (_, passes, lanes) = COST;
    Ok(Params::new(memory, passes, lanes, Some(OUTPUT))?)
}

/// Whether a hash was made when less was agreed.
fn is_weaker(params: &Params) -> bool {
    let (memory, passes, lanes) = COST;
    params.m_cost() < memory || params.t_cost() < passes || params.p_cost() < lanes
}

/// KiB for each of the agreed passes that verifying against an older, cheaper hash leaves out: a wrong password has to
/// take as long for whoever has such a hash as for an address that nobody has.
fn missing_work(params: &Params) -> u32 {
    let (memory, passes, _) = COST;
    (memory * passes).saturating_sub(params.m_cost().saturating_mul(params.t_cost())) / passes
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    fn theirs(memory: u32, passes: u32) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, passes, 1, Some(32)).unwrap())
    }

    #[test]
    fn a_hash_has_the_agreed_cost_and_verifies_its_password_only() {
        let mut hasher = Hasher::default();
        let hash = hasher.hash(&"correct horse".into()).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let right = hasher.verify(&"correct horse".into(), Some(&hash)).unwrap();
        assert_eq!(right, Verified::Right { stronger: None });
        assert_eq!(hasher.verify(&"correct horsf".into(), Some(&hash)).unwrap(), Verified::Wrong);
    }

    #[test]
    fn hashes_are_those_of_the_library_whatever_the_memory_was_used_for_before() {
        let mut hasher = Hasher::default();
        for (memory, passes) in [(19_456, 2), (1_024, 1), (19_456, 3), (64, 4)] {
            let hash = theirs(memory, passes).hash_password(b"correct horse").unwrap().to_string();
            assert_ne!(hasher.verify(&"correct horse".into(), Some(&hash)).unwrap(), Verified::Wrong);
            assert_eq!(hasher.verify(&"wrong horse".into(), Some(&hash)).unwrap(), Verified::Wrong);
        }
        let hash = hasher.hash(&"correct horse".into()).unwrap();
        theirs(19_456, 2).verify_password(b"correct horse", hash.as_str()).unwrap();
    }

    #[test]
    fn a_hash_of_less_cost_is_made_anew_for_the_right_password_only() {
        let old = theirs(1_024, 1).hash_password(b"correct horse").unwrap().to_string();
        let mut hasher = Hasher::default();
        assert_eq!(hasher.verify(&"wrong horse".into(), Some(&old)).unwrap(), Verified::Wrong);
        let right = hasher.verify(&"correct horse".into(), Some(&old)).unwrap();
        let Verified::Right { stronger: Some(new) } = right else { panic!("{right:?}") };
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
        let again = hasher.verify(&"correct horse".into(), Some(&new)).unwrap();
        assert_eq!(again, Verified::Right { stronger: None });
    }

    #[test]
    fn a_wrong_password_takes_the_agreed_work_whatever_the_stored_hash_costs() {
        let (memory, passes, _) = COST;
        let missing = |m, t| missing_work(&Params::new(m, t, 1, Some(32)).unwrap());
        assert_eq!(missing(memory, passes), 0);
        assert_eq!(missing(memory, passes + 1), 0);
        for (m, t) in [(8_192, 1), (8_192, 2), (memory, 1), (memory / 2, 4)] {
            assert_eq!(missing(m, t) * passes + m * t, memory * passes, "{m} KiB, {t} passes");
        }
    }

    #[test]
    fn without_a_hash_the_same_work_answers_no() {
        let stored = PasswordHash::new(DUMMY).unwrap();
        assert_eq!(Params::try_from(&stored).unwrap(), agreed(COST.0).unwrap());
        assert_eq!(Hasher::default().verify(&"anything at all".into(), None).unwrap(), Verified::Wrong);
    }
}
