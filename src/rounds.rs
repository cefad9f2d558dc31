//! What many ask for at the same time, done in rounds: a round takes all that wait when it begins and does it together, in
//! as many statements as one of them would need.
//!
//! Nobody waits for others to come: who comes alone is a round at once. Nothing is kept between rounds, and a round begins
//! after its questions were asked, so it sees all that was committed before them. Who may see what is judged above.
//!
//! What a round logs bears the id of no request, for it is done for many.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{Fault, FaultKind};

/// Questions of one round.
const MOST: usize = 64;
/// Questions that are worth a round at once, for it costs about as much as so many of them; fewer let others come first.
const ENOUGH: usize = 8;
/// Rounds of one kind at once. One is not slow, so that it is large; the others are.
const AT_ONCE: usize = 8;
/// What is slow, as when what a round writes is locked elsewhere: others no longer wait for it.
const SLOW: Duration = Duration::from_millis(50);
/// What is given up, long after all who asked have: the database is gone without a word.
const LONGEST: Duration = Duration::from_secs(30);

/// Answers all questions of a round, each in its place.
type Work<C, Q, A> = dyn Fn(C, Vec<Q>) -> BoxFuture<'static, Vec<A>> + Send + Sync;

/// Rounds of one kind, in which questions `Q` are answered with the help of `C`.
pub struct Rounds<C, Q, A> {
    state: Arc<Mutex<State<Q, A>>>,
    work: Arc<Work<C, Q, A>>,
}

struct State<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    /// Whether a turn takes them up that is not slow.
    is_served: bool,
    /// Turns that are slow.
    slow: usize,
}

struct Waiting<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
}

impl<C, Q, A> fmt::Debug for Rounds<C, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rounds").field("slow", &locked(&self.state).slow).finish_non_exhaustive()
    }
}

impl<C, Q, A> Rounds<C, Q, A>
where
    C: Clone + Send + 'static,
    Q: Send + 'static,
    A: Send + 'static,
{
    /// None yet; `work` will do them.
    pub fn of(work: impl Fn(C, Vec<Q>) -> BoxFuture<'static, Vec<A>> + Send + Sync + 'static) -> Self {
        let state = State { waiting: VecDeque::new(), is_served: false, slow: 0 };
        Self { state: Arc::new(Mutex::new(state)), work: Arc::new(work) }
    }

    /// Asks in the next round. A round goes on when somebody who asked has gone, but nothing begins for whoever went before
    /// it.
    pub fn ask(&self, with: &C, question: Q) -> Asked<A> {
        let (answer, answered) = oneshot::channel();
        if let Some(turn) = self.enter(Waiting { question, answer }) {
            tokio::spawn(turn.serve(with.clone(), self.work.clone()));
        }
        Asked(answered)
    }

    /// One more that waits; a turn to serve, if nobody does.
    fn enter(&self, one: Waiting<Q, A>) -> Option<Turn<Q, A>> {
        locked(&self.state).waiting.push_back(one);
        Turn::begin(&self.state)
    }
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A question that waits for its round, or is being answered; who drops it has gone.
#[derive(Debug)]
pub struct Asked<A>(oneshot::Receiver<A>);

impl<A> Asked<A> {
    /// The answer.
    pub async fn answer(self) -> Result<A, Fault> {
        self.0.await.map_err(|_broken| Fault::internal("a round broke"))
    }
}

/// Somebody who serves those who wait, until nobody does or another one has taken over.
struct Turn<Q, A> {
    state: Arc<Mutex<State<Q, A>>>,
    is_slow: bool,
    has_ended: bool,
}

impl<Q: Send + 'static, A: Send + 'static> Turn<Q, A> {
    /// A turn, if somebody waits whom nobody serves.
    fn begin(shared: &Arc<Mutex<State<Q, A>>>) -> Option<Self> {
        let mut state = locked(shared);
        if state.is_served || state.slow == AT_ONCE || state.waiting.is_empty() {
            return None;
        }
        state.is_served = true;
        Some(Self { state: shared.clone(), is_slow: false, has_ended: false })
    }

    fn serve<C>(mut self, with: C, work: Arc<Work<C, Q, A>>) -> BoxFuture<'static, ()>
    where
        C: Clone + Send + 'static,
    {
        Box::pin(async move {
            loop {
                if !self.has_enough() {
                    // Whoever is about to ask, asks first: that costs who is alone nothing, and many share a round.
                    tokio::task::yield_now().await;
                }
                let Some(round) = self.next() else { return };
                let (questions, asked): (Vec<Q>, Vec<_>) =
                    round.into_iter().map(|one| (one.question, one.answer)).unzip();
                let mut doing = AssertUnwindSafe(work(with.clone(), questions)).catch_unwind();
                let done = match timeout(SLOW, &mut doing).await {
                    Ok(done) => Ok(done),
                    Err(_slow) => {
                        if let Some(other) = self.slow_down() {
                            tokio::spawn(other.serve(with.clone(), work.clone()));
                        }
                        timeout(LONGEST, &mut doing).await
                    }
                };
                match done {
                    // Who has gone needs no answer.
                    Ok(Ok(answers)) => {
                        for (answer, asked) in answers.into_iter().zip(asked) {
                            drop(asked.send(answer));
                        }
                    }
                    Ok(Err(_panic)) => tracing::error!("a round panicked"),
                    Err(_elapsed) => tracing::error!("a round was given up"),
                }
                if !self.goes_on() {
                    return;
                }
            }
        })
    }

    fn has_enough(&self) -> bool {
        locked(&self.state).waiting.len() >= ENOUGH
    }

    /// Those of the next round; none if nobody waits, which ends this turn.
    fn next(&mut self) -> Option<Vec<Waiting<Q, A>>> {
        let mut state = locked(&self.state);
        let mut round = Vec::new();
        while round.len() < MOST
            && let Some(one) = state.waiting.pop_front()
        {
            if !one.answer.is_closed() {
                round.push(one);
            }
        }
        if round.is_empty() {
            state.is_served = false;
            self.has_ended = true;
            return None;
        }
        Some(round)
    }

    /// Another turn takes up those who wait, now or when somebody comes.
    fn slow_down(&mut self) -> Option<Self> {
        let mut state = locked(&self.state);
        state.is_served = false;
        state.slow += 1;
        self.is_slow = true;
        drop(state);
        Self::begin(&self.state)
    }

    /// After a round: a turn that was slow goes on only if no other one has taken over.
    fn goes_on(&mut self) -> bool {
        if !self.is_slow {
            return true;
        }
        let mut state = locked(&self.state);
        state.slow -= 1;
        self.is_slow = false;
        self.has_ended = std::mem::replace(&mut state.is_served, true);
        !self.has_ended
    }
}

/// A turn whose runtime ends leaves nobody waiting for it.
impl<Q, A> Drop for Turn<Q, A> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let mut state = locked(&self.state);
        if self.is_slow {
            state.slow -= 1;
        } else {
            state.is_served = false;
        }
        if !state.is_served {
            state.waiting.clear();
        }
    }
}

/// Rows by their keys, looked up in rounds.
#[derive(Debug)]
pub(crate) struct Lookup<C, K, V>(Rounds<C, K, Found<K, V>>);

/// What was found, shared by all whom it answers.
type Found<K, V> = Result<Arc<HashMap<K, V>>, FaultKind>;

/// One fault may fail many requests: it is logged here, and each of them tells its kind.
fn shared<K, V>(found: Result<HashMap<K, V>, Fault>) -> Found<K, V> {
    found.map(Arc::new).map_err(|fault| {
        tracing::error!(?fault, "a round could not be read");
        fault.kind()
    })
}

impl<C, K, V> Lookup<C, K, V>
where
    C: Clone + Send + 'static,
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// `read` will be asked once for the keys of everybody in a round, each of them once. If that fails it is asked for each
    /// by itself, so that what cannot be read fails only whoever asked for it.
    pub(crate) fn of<F>(read: impl Fn(C, Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<HashMap<K, V>, Fault>> + Send + 'static,
    {
        let read = Arc::new(read);
        Self(Rounds::of(move |with: C, asked: Vec<K>| {
            let read = read.clone();
            Box::pin(async move {
                let keys: HashSet<K> = asked.iter().cloned().collect();
                match read(with.clone(), keys.iter().cloned().collect()).await {
                    Err(fault) if fault.kind() != FaultKind::Unavailable && keys.len() > 1 => {
                        tracing::warn!(?fault, "a round is read one by one");
                        let mut alone = HashMap::with_capacity(keys.len());
                        for key in keys {
                            let found = shared(read(with.clone(), vec![key.clone()]).await);
                            alone.insert(key, found);
                        }
                        asked.iter().map(|key| alone[key].clone()).collect()
                    }
                    found => vec![shared(found); asked.len()],
                }
            })
        }))
    }

    /// What there is under this key.
    pub(crate) async fn one(&self, with: &C, key: K) -> Result<Option<V>, Fault> {
        self.ask(with, key).answer().await
    }

    /// Asks what there is under this key.
    pub(crate) fn ask(&self, with: &C, key: K) -> AskedFor<K, V> {
        AskedFor { asked: self.0.ask(with, key.clone()), key }
    }
}

/// What is being looked up.
#[derive(Debug)]
pub(crate) struct AskedFor<K, V> {
    key: K,
    asked: Asked<Found<K, V>>,
}

impl<K: Eq + Hash, V: Clone> AskedFor<K, V> {
    /// What there is.
    pub(crate) async fn answer(self) -> Result<Option<V>, Fault> {
        let found = self.asked.answer().await?.map_err(Fault::of)?;
        Ok(found.get(&self.key).cloned())
    }
}

/// What one request looks up before its fields ask for it, each key of it once: asked for together with what leads there.
#[derive(Debug)]
pub(crate) struct Ahead<K, V>(Mutex<HashMap<K, AskedFor<K, V>>>);

impl<K, V> Default for Ahead<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V> Ahead<K, V> {
    /// Keeps what is being looked up for whoever takes it; what nobody took before is out of date.
    pub(crate) fn keep(&self, asked: AskedFor<K, V>) {
        locked(&self.0).insert(asked.key.clone(), asked);
    }

    /// What was asked for under this key.
    pub(crate) fn take(&self, key: &K) -> Option<AskedFor<K, V>> {
        locked(&self.0).remove(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn whoever_comes_while_rounds_are_under_way_shares_the_next_one() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let rounds = Rounds::of(|sizes: Arc<Mutex<Vec<usize>>>, questions: Vec<usize>| {
            sizes.lock().unwrap().push(questions.len());
            Box::pin(async { questions.into_iter().map(|question| question * 2).collect() })
        });
        let asks = (0..100).map(|question| rounds.ask(&sizes, question).answer());
        let answers: Vec<usize> = join_all(asks).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..100).map(|question| question * 2).collect::<Vec<_>>());
        assert_eq!(*sizes.lock().unwrap(), [64, 36]);
    }

    /// Lets everybody else do what can be done now.
    async fn others_go_on() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn nothing_begins_for_who_has_gone_and_what_began_goes_on() {
        let shared = Arc::new((Notify::new(), Mutex::new(Vec::new())));
        let rounds = Rounds::of(|shared: Arc<(Notify, Mutex<Vec<&str>>)>, questions: Vec<&'static str>| {
            Box::pin(async move {
                shared.0.notified().await;
                shared.1.lock().unwrap().extend(questions.iter().copied());
                vec![(); questions.len()]
            })
        });
        let mut begun = Vec::new();
        for question in ["first", "late"] {
            begun.push(rounds.ask(&shared, question));
            others_go_on().await;
        }
        drop(begun.pop());
        shared.0.notify_one();
        others_go_on().await;
        assert!(begun.remove(0).answer().await.is_ok());
        assert_eq!(*shared.1.lock().unwrap(), ["first"]);
    }

    #[tokio::test]
    async fn others_do_not_wait_for_a_round_that_is_slow() {
        let rounds = Rounds::of(|(), questions: Vec<&'static str>| {
            Box::pin(async move {
                if questions.contains(&"locked") {
                    std::future::pending::<()>().await;
                }
                questions
            })
        });
        let _locked = rounds.ask(&(), "locked");
        others_go_on().await;
        // Asked while nobody knows yet that it is slow, and after another one was answered meanwhile.
        for _ in 0..2 {
            assert_eq!(rounds.ask(&(), "free").answer().await.unwrap(), "free");
        }
        for _ in 0..AT_ONCE - 2 {
            let _locked = rounds.ask(&(), "locked");
            tokio::time::sleep(SLOW * 2).await;
        }
        assert_eq!(rounds.ask(&(), "free").answer().await.unwrap(), "free");
    }

    #[tokio::test]
    async fn a_round_that_breaks_fails_those_in_it_and_the_next_one_goes_on() {
        let rounds = Rounds::of(|(), questions: Vec<bool>| {
            Box::pin(async move {
                assert!(!questions.contains(&false), "as it is meant to");
                questions
            })
        });
        let (broken, behind) = (rounds.ask(&(), false), async {
            others_go_on().await;
            rounds.ask(&(), true).answer().await
        });
        let (broken, behind) = tokio::join!(broken.answer(), behind);
        assert!(broken.is_err());
        assert!(behind.unwrap());
    }

    #[tokio::test]
    async fn a_key_is_looked_up_once_for_all_who_ask_for_it() {
        let looked_up = Arc::new(AtomicUsize::new(0));
        let lookup = Lookup::of(|looked_up: Arc<AtomicUsize>, keys: Vec<u8>| async move {
            looked_up.fetch_add(keys.len(), Ordering::Relaxed);
            Ok(keys.into_iter().filter(|key| *key != 3).map(|key| (key, key + 100)).collect())
        });
        let found = join_all((0..40_u8).map(|asker| lookup.one(&looked_up, asker % 4))).await;
        for (asker, found) in (0..40_u8).zip(found) {
            let key = asker % 4;
            assert_eq!(found.unwrap(), (key != 3).then_some(key + 100));
        }
        assert_eq!(looked_up.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn what_cannot_be_read_fails_only_whoever_asked_for_it() {
        let lookup = Lookup::of(|(): (), keys: Vec<u8>| async move {
            if keys.contains(&3) {
                return Err(Fault::internal("a row that cannot be read"));
            }
            Ok(keys.into_iter().map(|key| (key, key + 100)).collect())
        });
        let found = join_all((0..5_u8).map(|key| lookup.one(&(), key))).await;
        let found: Vec<_> = found.into_iter().map(Result::ok).collect();
        assert_eq!(found, [Some(Some(100)), Some(Some(101)), Some(Some(102)), None, Some(Some(104))]);
    }

    #[tokio::test]
    async fn what_was_asked_ahead_is_taken_once_and_is_what_was_asked_last() {
        let counter = Arc::new(AtomicUsize::new(0));
        let lookup = Lookup::of(|counter: Arc<AtomicUsize>, keys: Vec<&'static str>| async move {
            let count = counter.fetch_add(1, Ordering::Relaxed);
            Ok(keys.into_iter().map(|key| (key, count)).collect())
        });
        let ahead = Ahead::default();
        for _ in 0..2 {
            ahead.keep(lookup.ask(&counter, "Joan"));
            others_go_on().await;
        }
        assert!(ahead.take(&"Ada").is_none());
        assert_eq!(ahead.take(&"Joan").unwrap().answer().await.unwrap(), Some(1));
        assert!(ahead.take(&"Joan").is_none());
    }
}
