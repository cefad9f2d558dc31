//! Relay pages: `first`/`after` and `last`/`before`, 20 if neither says, 100 at most.

use async_graphql::connection::{Connection, CursorType, EmptyFields, OpaqueCursor};
use async_graphql::{OutputType, SimpleObject};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::ApiError;

/// Rows of a page that does not say.
const DEFAULT: u64 = 20;
/// Rows a page may have; more is an error, not a shorter page.
const MOST: i32 = 100;

/// Which rows are asked for; `K` is what they are ordered by.
#[derive(Debug)]
pub struct Page<K> {
    /// How many.
    pub limit: u64,
    /// From the end backwards.
    pub backwards: bool,
    /// Only behind this.
    pub after: Option<K>,
    /// Only before this.
    pub before: Option<K>,
}

/// The arguments as the caller gave them.
#[derive(Debug, Default)]
pub struct PageArguments {
    /// This many from the start.
    pub first: Option<i32>,
    /// Behind this cursor.
    pub after: Option<String>,
    /// This many from the end.
    pub last: Option<i32>,
    /// Before this cursor.
    pub before: Option<String>,
}

/// What a connection has besides its edges.
#[derive(Debug, SimpleObject)]
pub struct Total {
    /// How many there are on all pages.
    total_count: i32,
}

/// A connection with its total.
pub type Pages<K, T> = Connection<OpaqueCursor<K>, T, Total, EmptyFields>;

impl<K: Serialize + DeserializeOwned + Send + Sync> Page<K> {
    /// Reads the arguments.
    pub fn of(arguments: PageArguments) -> Result<Self, ApiError> {
        let PageArguments { first, after, last, before } = arguments;
        let (wanted, backwards) = match (first, last) {
            (Some(_), Some(_)) => return Err(ApiError::bad_input("give first or last, not both")),
            (None, Some(last)) => (Some(last), true),
            (first, None) => (first, false),
        };
        let limit = match wanted {
            None => DEFAULT,
            Some(wanted) if (1..=MOST).contains(&wanted) => u64::try_from(wanted).unwrap_or(DEFAULT),
            Some(_) => return Err(ApiError::bad_input("a page has 1 to 100 rows")),
        };
        let cursor = |text: Option<String>| match text.map(|text| OpaqueCursor::<K>::decode_cursor(&text)) {
            None => Ok(None),
            Some(Ok(cursor)) => Ok(Some(cursor.0)),
            Some(Err(_)) => Err(ApiError::bad_input("that is not a cursor of ours")),
        };
        Ok(Self { limit, backwards, after: cursor(after)?, before: cursor(before)? })
    }

    /// One row more than the page has: tells whether there is another page.
    pub fn fetch(&self) -> u64 {
        self.limit + 1
    }

    /// Makes a connection of up to [`Self::fetch`] rows, in the order they were fetched.
    pub fn connect<R, T: OutputType>(
        &self,
        mut rows: Vec<R>,
        total: i64,
        edge: impl Fn(R) -> (K, T),
    ) -> Pages<K, T> {
        use async_graphql::connection::Edge;

        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        if self.backwards {
            rows.reverse();
        }
        let (previous, next) =
            if self.backwards { (more, self.before.is_some()) } else { (self.after.is_some(), more) };
        let total_count = i32::try_from(total).unwrap_or(i32::MAX);
        let mut connection = Connection::with_additional_fields(previous, next, Total { total_count });
        connection
            .edges
            .extend(rows.into_iter().map(edge).map(|(key, node)| Edge::new(OpaqueCursor(key), node)));
        connection
    }
}
