//! Consent over GraphQL.

mod doors;
mod report;
mod suppressions;
mod types;
mod update;

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, MergedObject};

use self::types::ConsentProof;
pub(crate) use self::types::{
    Consent, ConsentPurpose, ConsentRecord, MessageChannel, consent_history_of, consents_of,
};
use super::ConsentError;
use crate::auth::viewer::Viewer;
use crate::graphql::fault::ApiError;
use crate::graphql::payload::UserError;

/// Queries about consent.
#[derive(Debug, Default, MergedObject)]
pub(crate) struct ConsentQuery(doors::DoorsQuery, suppressions::SuppressionsQuery, report::ReportQuery);

/// Changes of consent.
#[derive(Debug, Default, MergedObject)]
pub(crate) struct ConsentMutation(
    update::UpdateMutation,
    doors::DoorsMutation,
    suppressions::SuppressionsMutation,
);

fn viewer<'a>(ctx: &Context<'a>) -> &'a Viewer {
    ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous)
}

/// Why nothing was changed about consent, for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum ConsentErrorCode {
    /// No such customer or entry, or not yours.
    NotFound,
    /// Say what shows that the consent was confirmed.
    ProofRequired,
    /// The link is none of ours, or is not good any more.
    LinkInvalid,
}

fn user_error(reason: ConsentError) -> UserError<ConsentErrorCode> {
    use ConsentErrorCode as Code;
    let (code, field, message) = match reason {
        ConsentError::CustomerNotFound => (Code::NotFound, "customerId", "There is no such customer."),
        ConsentError::ProofMissing => {
            (Code::ProofRequired, "proof", "A consent that was confirmed elsewhere needs its proof.")
        }
        ConsentError::LinkInvalid => (Code::LinkInvalid, "token", "This link is not good, or not any more."),
        ConsentError::SuppressionNotFound => (Code::NotFound, "id", "There is no such entry."),
    };
    let field = Some(vec!["input".to_owned(), field.to_owned()]);
    UserError { code, field, message: message.to_owned() }
}

/// Reads what shows a consent.
fn proof(given: Option<Vec<ConsentProof>>) -> Result<BTreeMap<String, String>, ApiError> {
    const MOST: usize = 20;
    let mut proof = BTreeMap::new();
    for ConsentProof { key, value } in given.unwrap_or_default() {
        let is_key = (1..=64).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_key {
            return Err(ApiError::bad_input(
                "a key of proof is 1 to 64 letters, digits, dots, underscores and hyphens",
            ));
        }
        let fits = (1..=2_000).contains(&value.chars().count())
            && !value.chars().any(|c| c.is_control() && c != '\n');
        if !fits {
            return Err(ApiError::bad_input("a value of proof is a text of 1 to 2,000 characters"));
        }
        if proof.insert(key, value).is_some() {
            return Err(ApiError::bad_input("a key of proof is there twice"));
        }
    }
    if proof.len() > MOST {
        return Err(ApiError::bad_input("proof has 20 values at most"));
    }
    Ok(proof)
}
