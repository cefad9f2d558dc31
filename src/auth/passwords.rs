//! Passwords: which are taken, and how they are hashed without exhausting memory or threads.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use super::argon2id::Hasher;
pub(crate) use super::argon2id::Verified;
use crate::error::{Fault, FaultKind};

/// Who may wait for each hash that is computed at once; the next is told to come again. One who waits takes a few
/// kilobytes; a longer line would not be answered within the time limit of an operation.
const WAITING: usize = 256;
/// Characters of a password, not bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;
/// Found by hashing: nobody's request walks the list.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| COMMON_LINES.lines().collect());
/// In lower case, one a line.
const COMMON_LINES: &str = include_str!("common_passwords.txt");

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

/// Hashes passwords, a few at once, in 19 MiB each.
pub struct Passwords {
    admitted: Semaphore,
    running: Arc<Semaphore>,
    /// As many as ever ran at once.
    idle: Arc<Mutex<Vec<Hasher>>>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("free", &self.running.available_permits()).finish_non_exhaustive()
    }
}

impl Passwords {
    /// Computes `at_once` hashes at once.
    pub fn new(at_once: usize) -> Self {
        let (admitted, running) = (Semaphore::new(at_once * (1 + WAITING)), Semaphore::new(at_once));
        Self { admitted, running: Arc::new(running), idle: Arc::default() }
    }

    /// Hashes for storing.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Fault> {
        self.run(move |hasher| hasher.hash(&password.0)).await
    }

    /// Whether `password` is the one that was hashed. Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<Verified, Fault> {
        self.run(move |hasher| hasher.verify(&password, hash.as_deref())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Hasher) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let Ok(_admitted) = self.admitted.try_acquire() else {
            return Err(Fault::of(FaultKind::Unavailable));
        };
        let (permit, idle) = (Arc::clone(&self.running).acquire_owned().await?, Arc::clone(&self.idle));
        let hashing = tokio::task::spawn_blocking(move || {
            let mut hasher = lock(&idle).pop().unwrap_or_default();
            let done = work(&mut hasher);
            lock(&idle).push(hasher);
            // Only now: a caller that went away does not stop the hashing.
            drop(permit);
            done
        });
        hashing.await?
    }
}

fn lock(idle: &Mutex<Vec<Hasher>>) -> MutexGuard<'_, Vec<Hasher>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
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
    async fn a_flood_is_told_to_come_again() {
        let passwords = Passwords::new(1);
        let _all = passwords.admitted.acquire_many(257).await.unwrap();
        let refused = passwords.verify("anything at all".into(), None).await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Unavailable);
    }
}
