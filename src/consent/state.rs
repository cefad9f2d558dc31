//! What stands, of all that was said about one purpose and channel. The latest word wins, in whatever order the words were
//! told; of a yes and a no at one instant, the no. A request to be confirmed stands only where nothing else was ever said: it
//! is no right to send, and takes none away. The surest yes since the last no says how sure it is.

use entity::Instant;
use entity::consent::{ConsentState, OptIn};
use entity::id::ConsentId;

/// Something that was said, or what stands of all that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What was said.
    pub(super) state: ConsentState,
    /// Of a yes.
    pub(super) opt_in: Option<OptIn>,
    /// When; of what stands, the latest word that counts.
    pub(super) at: Instant,
    /// Which evidence; of what stands, that of the surest yes.
    pub(super) id: ConsentId,
}

/// What stands of all `words`; none if there are none.
pub(super) fn of(words: &[Word]) -> Option<Word> {
    let latest = |state: ConsentState| {
        words.iter().filter(move |word| word.state == state).max_by_key(|word| (word.at, word.id)).copied()
    };
    let no = latest(ConsentState::Withdrawn);
    let counts = |word: &&Word| word.state == ConsentState::Granted && no.is_none_or(|no| no.at < word.at);
    let surest = words.iter().filter(counts).max_by_key(|word| (word.opt_in, word.at, word.id)).copied();
    let last = words.iter().filter(counts).map(|word| word.at).max();
    match (surest, last) {
        (Some(surest), Some(at)) => Some(Word { at, ..surest }),
        _ => no.or_else(|| latest(ConsentState::Requested)),
    }
}

/// What stands after one more word, if that can be told without looking at all the words before it.
pub(super) fn after(standing: Option<Word>, word: Word) -> Option<Word> {
    use ConsentState::{Granted, Requested, Withdrawn};

    let Some(standing) = standing else { return Some(word) };
    match (standing.state, word.state) {
        (Requested, Granted | Withdrawn) => Some(word),
        (Requested, Requested) | (Withdrawn, Withdrawn) => {
            Some(std::cmp::max_by_key(standing, word, |word| (word.at, word.id)))
        }
        (Withdrawn, Granted) if standing.at < word.at => Some(word),
        (Withdrawn, Granted) | (Granted | Withdrawn, Requested) => Some(standing),
        (Granted, Withdrawn) if standing.at <= word.at => Some(word),
        (Granted, Granted) if standing.at < word.at => {
            let surest = if standing.opt_in > word.opt_in { standing } else { word };
            Some(Word { at: word.at, ..surest })
        }
        // It was said before what stands: whether it changes that depends on what was said in between.
        (Granted, Granted | Withdrawn) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn word(state: ConsentState, opt_in: Option<OptIn>, seconds: i64, id: u128) -> Word {
        let at = Instant::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        Word { state, opt_in, at, id: ConsentId(Uuid::from_u128(id)) }
    }

    fn yes(opt_in: OptIn, seconds: i64, id: u128) -> Word {
        word(ConsentState::Granted, Some(opt_in), seconds, id)
    }

    fn no(seconds: i64, id: u128) -> Word {
        word(ConsentState::Withdrawn, None, seconds, id)
    }

    fn asked(seconds: i64, id: u128) -> Word {
        word(ConsentState::Requested, None, seconds, id)
    }

    /// As rows are written: one word after the other, looking back only where that is needed.
    fn told(words: &[Word]) -> Option<Word> {
        (0..words.len())
            .fold(None, |standing, index| after(standing, words[index]).or_else(|| of(&words[..=index])))
    }

    #[test]
    fn a_yes_over_a_confirmed_yes_leaves_it_confirmed() {
        let confirmed = yes(OptIn::Double, 1, 1);
        let stands = told(&[confirmed, yes(OptIn::Single, 5, 2)]).unwrap();
        assert_eq!((stands.opt_in, stands.id), (Some(OptIn::Double), confirmed.id));
        // A no from in between, told late, ends the confirmed one and not the later one.
        let later = yes(OptIn::Single, 5, 2);
        assert_eq!(told(&[confirmed, later, no(3, 3)]), Some(later));
    }

    #[test]
    fn a_no_ends_a_confirmed_yes_and_the_next_yes_begins_anew() {
        let words = [yes(OptIn::Double, 1, 1), no(2, 2), yes(OptIn::Single, 3, 3)];
        assert_eq!(told(&words[..2]), Some(words[1]));
        assert_eq!(told(&words), Some(words[2]));
    }

    #[test]
    fn of_a_yes_and_a_no_at_one_instant_the_no_stands() {
        let (yes, no) = (yes(OptIn::Double, 1, 9), no(1, 1));
        assert_eq!((told(&[yes, no]), told(&[no, yes])), (Some(no), Some(no)));
    }

    #[test]
    fn a_request_takes_nothing_away_and_lifts_no_no() {
        let (yes, no) = (yes(OptIn::Single, 1, 1), no(1, 1));
        assert_eq!(told(&[yes, asked(5, 2)]), Some(yes));
        assert_eq!(told(&[asked(5, 2), yes]), Some(yes));
        assert_eq!(told(&[no, asked(5, 2)]), Some(no));
        assert_eq!(told(&[asked(5, 2), asked(3, 3)]), Some(asked(5, 2)));
    }

    fn words() -> impl Strategy<Value = Vec<Word>> {
        let one = (0_u8..4, 0_i64..6);
        let many = prop::collection::vec(one, 0..9).prop_map(|drawn| {
            let made = drawn.into_iter().enumerate().map(|(index, (kind, seconds))| {
                let id = u128::try_from(index).unwrap();
                match kind {
                    0 => no(seconds, id),
                    1 => asked(seconds, id),
                    2 => yes(OptIn::Single, seconds, id),
                    _double => yes(OptIn::Double, seconds, id),
                }
            });
            made.collect::<Vec<_>>()
        });
        many.prop_shuffle()
    }

    proptest! {
        #[test]
        fn what_stands_does_not_depend_on_the_order_in_which_it_was_told(words in words(), turn in 0_usize..9) {
            let stands = told(&words);
            prop_assert_eq!(stands, of(&words));
            let mut other = words.clone();
            other.reverse();
            if !other.is_empty() {
                let turn = turn % other.len();
                other.rotate_left(turn);
            }
            prop_assert_eq!(told(&other), stands);
        }

        #[test]
        fn nobody_stands_as_willing_whose_last_word_was_no(words in words()) {
            let said = words.iter().filter(|word| word.state != ConsentState::Requested);
            let last = said.max_by_key(|word| (word.at, word.state == ConsentState::Withdrawn));
            let stands = told(&words).map(|word| word.state);
            match last.map(|word| word.state) {
                Some(state) => prop_assert_eq!(stands, Some(state)),
                None => prop_assert!(stands.is_none_or(|state| state == ConsentState::Requested)),
            }
        }
    }
}
