//! Passwords: which are taken, and how they are hashed without exhausting memory or threads.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::error::{Fault, FaultKind};

/// Who may wait for each hash that is computed at once; the next is told to come again. One who waits takes a few
/// kilobytes; a longer line would not be answered within the time limit of an operation.
const WAITING: usize = 256;
/// Characters of a password, not bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;
/// KiB, passes and lanes of argon2id.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Found by hashing: nobody's request walks the list.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| COMMON_LINES.lines().collect());
/// In lower case, one a line.
const COMMON_LINES: &str = include_str!("common_passwords.txt");
/// A hash of nothing anybody knows: verifying against it costs what verifying costs.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$N0E3R8yCqXh5cZ1kTnVd2w$\
                     Yb0w2mQf7n1Gk5Jt8rUzL3xPq9sVhE4aCdNoB6iKuXo";

/// A password that may be set: 8 to 128 characters, and not one of the common ones.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

/// Why a password cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// Fewer than 8 characters.
    TooShort,
    /// More than 128 characters.
    TooLong,
    /// Among the first that anybody would try.
    Common,
}

impl Password {
    /// Takes `text` if it keeps the rules.
    pub fn parse(text: SecretString) -> Result<Self, PasswordProblem> {
        let characters = text.expose_secret().chars().count();
        if characters < *LENGTH.start() {
            return Err(PasswordProblem::TooShort);
        }
        if characters > *LENGTH.end() {
            return Err(PasswordProblem::TooLong);
        }
        let lower = text.expose_secret().to_lowercase();
        if COMMON.contains(lower.as_str()) {
            return Err(PasswordProblem::Common);
        }
        Ok(Self(text))
    }
}

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

/// Hashes passwords, a few at once: each takes 19 MiB for its time.
pub struct Passwords {
    admitted: Semaphore,
    running: Arc<Semaphore>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("free", &self.running.available_permits()).finish_non_exhaustive()
    }
}

impl Passwords {
    /// Computes `at_once` hashes at once.
    pub fn new(at_once: usize) -> Self {
        Self { admitted: Semaphore::new(at_once * (1 + WAITING)), running: Arc::new(Semaphore::new(at_once)) }
    }

    /// Hashes for storing, as a PHC string with a salt of its own.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Fault> {
        self.run(move || hashed(&password.0)).await
    }

    /// Whether `password` is the one that was hashed. Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<Verified, Fault> {
        self.run(move || {
            let (known, stored) = (hash.is_some(), hash.unwrap_or_else(|| DUMMY.to_owned()));
            let stored = PasswordHash::new(&stored)?;
            let params = Params::try_from(&stored)?;
            let same = argon2id()?.verify_password(password.expose_secret().as_bytes(), &stored).is_ok();
            if !(same && known) {
                spend(missing_work(&params))?;
                return Ok(Verified::Wrong);
            }
            let stronger = is_weaker(&params).then(|| hashed(&password)).transpose()?;
            Ok(Verified::Right { stronger })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let Ok(_admitted) = self.admitted.try_acquire() else {
            return Err(Fault::of(FaultKind::Unavailable));
        };
        let permit = Arc::clone(&self.running).acquire_owned().await?;
        let hashing = tokio::task::spawn_blocking(move || {
            let done = work();
            // Only now: a caller that went away does not stop the hashing.
            drop(permit);
            done
        });
        hashing.await?
    }
}

fn hashed(password: &SecretString) -> Result<String, Fault> {
    Ok(argon2id()?.hash_password(password.expose_secret().as_bytes())?.to_string())
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

fn spend(memory: u32) -> Result<(), Fault> {
    if memory < Params::MIN_M_COST {
        return Ok(());
    }
    let (_, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, Some(32))?;
    let mut nothing = [0; 32];
    let work = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(work.hash_password_into(b"nothing", b"that is kept", &mut nothing)?)
}

fn argon2id() -> Result<Argon2<'static>, Fault> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, Some(32))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<PasswordProblem> {
        Password::parse(text.into()).err()
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(problem("kort-pw"), Some(PasswordProblem::TooShort));
        assert_eq!(problem("ééééééé"), Some(PasswordProblem::TooShort));
        assert_eq!(problem("éééééééé"), None);
        assert_eq!(problem(&"é".repeat(128)), None);
        assert_eq!(problem(&"é".repeat(129)), Some(PasswordProblem::TooLong));
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for common in
            ["password1", "Password1", "QWERTYUIOP", "welkom01", "12345678", "Trustno1", "liverpool1"]
        {
            assert_eq!(problem(common), Some(PasswordProblem::Common), "{common}");
        }
        assert_eq!(problem("correct horse battery"), None);
    }

    #[test]
    fn the_list_has_lower_case_lines_of_a_length_that_would_pass() {
        assert_eq!((COMMON_LINES.lines().count(), COMMON.len()), (11_723, 11_723));
        assert!(COMMON_LINES.lines().all(|line| LENGTH.contains(&line.len()) && line == line.to_lowercase()));
    }

    #[tokio::test]
    async fn a_hash_has_the_agreed_cost_and_verifies_its_password_only() {
        let passwords = Passwords::new(2);
        let hash = passwords.hash(Password::parse("correct horse".into()).unwrap()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let right = passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap();
        assert_eq!(right, Verified::Right { stronger: None });
        assert_eq!(passwords.verify("correct horsf".into(), Some(hash)).await.unwrap(), Verified::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_less_cost_is_made_anew_for_the_right_password_only() {
        let params = Params::new(1_024, 1, 1, Some(32)).unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let old = cheap.hash_password(b"correct horse").unwrap().to_string();
        let passwords = Passwords::new(1);
        assert_eq!(passwords.verify("wrong horse".into(), Some(old.clone())).await.unwrap(), Verified::Wrong);
        let right = passwords.verify("correct horse".into(), Some(old)).await.unwrap();
        let Verified::Right { stronger: Some(new) } = right else { panic!("{right:?}") };
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
        let again = passwords.verify("correct horse".into(), Some(new)).await.unwrap();
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

    #[tokio::test]
    async fn without_a_hash_the_same_work_answers_no() {
        let stored = PasswordHash::new(DUMMY).unwrap();
        assert_eq!(Params::try_from(&stored).unwrap(), *argon2id().unwrap().params());
        assert_eq!(Passwords::new(1).verify("anything at all".into(), None).await.unwrap(), Verified::Wrong);
    }

    #[tokio::test]
    async fn a_flood_is_told_to_come_again() {
        let passwords = Passwords::new(1);
        let _all = passwords.admitted.acquire_many(257).await.unwrap();
        let refused = passwords.verify("anything at all".into(), None).await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Unavailable);
    }
}
