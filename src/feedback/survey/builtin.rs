//! The surveys that come with the program, each in every language that mails are written in.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Survey;
use super::definition::Definition;
use crate::error::Fault;

#[derive(Deserialize)]
struct Files(BTreeMap<String, Definition>);

/// All of them.
pub(super) fn all() -> Result<Vec<Survey>, Fault> {
    let Files(all) = serde_json::from_str(include_str!("builtin.json"))?;
    let survey = |(code, definition)| Survey { code, definition, is_active: true, is_built_in: true };
    Ok(all.into_iter().map(survey).collect())
}

/// The one with this code.
pub(super) fn find(code: &str) -> Result<Option<Survey>, Fault> {
    Ok(all()?.into_iter().find(|survey| survey.code == code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::template::Language;

    #[test]
    fn every_survey_is_valid_in_every_language() {
        let all = all().unwrap();
        let codes: Vec<&str> = all.iter().map(|survey| survey.code.as_str()).collect();
        assert_eq!(codes, ["after_sale", "nps", "reactivation"]);
        for survey in &all {
            assert_eq!(survey.definition.check(), Ok(()), "{}", survey.code);
            let languages: Vec<&str> = survey.definition.title.keys().map(String::as_str).collect();
            for language in Language::ALL {
                assert!(languages.contains(&language.tag()), "{} in {language:?}", survey.code);
            }
        }
    }
}
