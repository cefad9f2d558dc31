//! Why nothing was changed about consent.

/// Why nothing was changed about consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentError {
    /// No such customer, or not the caller's.
    CustomerNotFound,
    /// A confirmed consent was stated, and nothing that shows it.
    ProofMissing,
    /// The link is none of ours, or is not good any more.
    LinkInvalid,
    /// No such entry of the suppression list.
    SuppressionNotFound,
}
