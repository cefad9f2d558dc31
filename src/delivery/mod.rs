//! Delivery: by what an order is delivered and for how much, and the spans of time in which it can be.
//!
//! Invariant: `taken` of a slot is how many of its holds are held or confirmed; it rises only while it is below the
//! capacity, by a guarded update, and each hold is given back once. What shipping cost for an order, and what each plan
//! would have charged, is frozen when the order is recorded. Locks: the order, the hold, then the slot.

pub mod api;
pub(crate) mod freeze;
mod holds;
mod lapse;
pub(crate) mod methods;
pub(crate) mod orders;
mod quote;
pub(crate) mod rules;
mod slots;
pub(crate) mod terms;
pub(crate) mod weights;

pub(crate) use holds::move_holds;
pub(crate) use lapse::{LAPSE, lapse};

/// A value out of its bounds, or values that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// Its path in the input.
    pub(crate) path: Vec<String>,
    /// What is wrong with it.
    pub(crate) problem: &'static str,
}

impl Invalid {
    /// Of a field of the input itself.
    pub(crate) fn of(field: &str, problem: &'static str) -> Self {
        Self { path: vec![field.to_owned()], problem }
    }

    /// Of a field of one thing in a list, which is counted from 0.
    pub(crate) fn in_list(list: &str, index: usize, field: &str, problem: &'static str) -> Self {
        Self { path: vec![list.to_owned(), index.to_string(), field.to_owned()], problem }
    }
}
