//! Whom a task works for: kept beside it, as its log span is, so that what it writes down names the caller without every
//! operation passing it on.

use std::future::Future;

use crate::actor::Actor;

/// Whom a task works for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who asked.
    pub actor: Actor,
    /// The id of the request, if it is one.
    pub request: Option<String>,
    /// What the client calls itself; at most 200 characters.
    pub user_agent: Option<String>,
}

impl Caller {
    /// Time, rules and the command line.
    pub const SYSTEM: Self = Self { actor: Actor::SYSTEM, request: None, user_agent: None };
}

tokio::task_local! {
    static CALLER: Caller;
}

/// Runs `work` for `caller`.
pub async fn acting<T>(caller: Caller, work: impl Future<Output = T>) -> T {
    CALLER.scope(caller, work).await
}

/// Whom this task works for; the system, unless [`acting`] says otherwise.
pub fn current() -> Caller {
    CALLER.try_with(Clone::clone).unwrap_or(Caller::SYSTEM)
}

#[cfg(test)]
mod tests {
    use entity::points_entry::ActorKind;

    use super::*;

    #[tokio::test]
    async fn a_task_acts_for_its_caller_and_the_system_otherwise() {
        let actor = Actor { kind: ActorKind::Shop, id: None };
        let seen =
            acting(Caller { actor, request: Some("r-1".to_owned()), ..Caller::SYSTEM }, async { current() })
                .await;
        assert_eq!((seen.actor, seen.request.as_deref()), (actor, Some("r-1")));
        assert_eq!(current().actor, Actor::SYSTEM);
    }
}
