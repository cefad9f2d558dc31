//! What a survey asks, and what is an answer to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use entity::survey::SurveyKind;
use serde::{Deserialize, Serialize};

use crate::feedback::reviews::{line, lines};
use crate::localized::{Texts, check_tags};

/// Questions of a survey.
const MOST_QUESTIONS: usize = 20;
/// Choices of a question.
const CHOICES: RangeInclusive<usize> = 2..=20;
/// Characters of a title, a question or a choice.
const LONGEST_TEXT: usize = 300;
/// Characters of what is written freely.
const LONGEST_ANSWER: usize = 2_000;
/// What a question of the kind `SCALE` takes.
pub(crate) const SCALE: RangeInclusive<i32> = 1..=5;

/// What a survey asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) kind: SurveyKind,
    pub(crate) title: Texts,
    /// In the order in which they are asked.
    pub(crate) questions: Vec<Question>,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum QuestionKind {
    /// 1 to 5.
    Scale,
    /// One of its choices.
    Choice,
    /// Freely.
    Text,
}

/// A question of a survey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) code: String,
    pub(crate) text: Texts,
    pub(crate) kind: QuestionKind,
    #[serde(default)]
    pub(crate) choices: Vec<Choice>,
    pub(crate) required: bool,
}

/// A choice of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) code: String,
    pub(crate) text: Texts,
}

/// What is wrong: with which value, by the names of the API, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) path: Vec<String>,
    pub(crate) problem: &'static str,
}

impl Invalid {
    fn at(path: &[&str], problem: &'static str) -> Self {
        Self { path: path.iter().map(|part| (*part).to_owned()).collect(), problem }
    }
}

/// What somebody answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) score: Option<i32>,
    /// Pairs of question and value.
    pub(crate) answers: Vec<(String, String)>,
    pub(crate) comment: Option<String>,
}

/// A value that was given to a question, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) question: String,
    pub(crate) value: String,
}

/// An answer that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fitting {
    pub(super) score: Option<i32>,
    /// In the order of the questions.
    pub(super) values: Vec<Value>,
    /// Those of them that are counted.
    pub(super) counted: Vec<Value>,
    pub(super) comment: Option<String>,
}

/// Checks a code of a survey, question or choice.
pub(super) fn check_code(code: &str) -> Result<(), &'static str> {
    let in_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = (1..=64).contains(&code.len()) && code.bytes().all(in_code);
    if fits { Ok(()) } else { Err("must be 1 to 64 of a-z, 0-9 and underscore") }
}

impl Definition {
    /// What its score may be; none if it has none.
    pub(crate) fn scores(&self) -> Option<RangeInclusive<i32>> {
        match self.kind {
            SurveyKind::Nps => Some(0..=10),
            SurveyKind::Rating => Some(1..=5),
            SurveyKind::Questions => None,
        }
    }

    /// Checks all that a shop may write.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_texts(&["title"], &self.title)?;
        if self.questions.len() > MOST_QUESTIONS {
            return Err(Invalid::at(&["questions"], "must be 20 at most"));
        }
        if self.kind == SurveyKind::Questions && self.questions.is_empty() {
            return Err(Invalid::at(&["questions"], "must be 1 at least"));
        }
        let mut codes = BTreeSet::new();
        for (place, question) in self.questions.iter().enumerate() {
            let place = place.to_string();
            let at = ["questions", &place];
            if !codes.insert(question.code.as_str()) {
                return Err(Invalid::at(&[&at[..], &["code"]].concat(), "must be another for each question"));
            }
            self.check_question(&at, question)?;
        }
        Ok(())
    }

    fn check_question(&self, at: &[&str], question: &Question) -> Result<(), Invalid> {
        check_code(&question.code).map_err(|problem| Invalid::at(&[at, &["code"]].concat(), problem))?;
        self.check_like_title(&[at, &["text"]].concat(), &question.text)?;
        let choices = [at, &["choices"]].concat();
        if question.kind != QuestionKind::Choice {
            return if question.choices.is_empty() {
                Ok(())
            } else {
                Err(Invalid::at(&choices, "are for questions of the kind CHOICE only"))
            };
        }
        if !CHOICES.contains(&question.choices.len()) {
            return Err(Invalid::at(&choices, "must be 2 to 20"));
        }
        let mut codes = BTreeSet::new();
        for (place, choice) in question.choices.iter().enumerate() {
            let place = place.to_string();
            let at = [&choices[..], &[place.as_str()]].concat();
            let code = [&at[..], &["code"]].concat();
            check_code(&choice.code).map_err(|problem| Invalid::at(&code, problem))?;
            if !codes.insert(choice.code.as_str()) {
                return Err(Invalid::at(&code, "must be another for each choice"));
            }
            self.check_like_title(&[&at[..], &["text"]].concat(), &choice.text)?;
        }
        Ok(())
    }

    /// Nobody is asked in two languages.
    fn check_like_title(&self, at: &[&str], texts: &Texts) -> Result<(), Invalid> {
        check_texts(at, texts)?;
        if texts.keys().eq(self.title.keys()) {
            Ok(())
        } else {
            Err(Invalid::at(at, "must be in the languages of the title"))
        }
    }

    /// What is kept of an answer, if it is one to this survey.
    pub(super) fn fit(&self, given: &Given) -> Result<Fitting, Invalid> {
        let score = self.fit_score(given.score)?;
        let comment = given.comment.as_deref().map(|text| lines(text, LONGEST_ANSWER)).transpose();
        let comment = comment.map_err(|()| Invalid::at(&["comment"], "must be 1 to 2,000 characters"))?;
        let mut by_code: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for (place, (code, value)) in given.answers.iter().enumerate() {
            let at = ["answers", &place.to_string(), "code"];
            if !self.questions.iter().any(|question| question.code == *code) {
                return Err(Invalid::at(&at, "is none of its questions"));
            }
            if by_code.insert(code, (place, value)).is_some() {
                return Err(Invalid::at(&at, "is answered twice"));
            }
        }
        let (mut values, mut counted) = (Vec::new(), Vec::new());
        for question in &self.questions {
            let Some((place, value)) = by_code.get(question.code.as_str()) else {
                if question.required {
                    return Err(Invalid::at(&["answers"], "must answer every question that is required"));
                }
                continue;
            };
            let value = question
                .fit(value)
                .map_err(|problem| Invalid::at(&["answers", &place.to_string(), "value"], problem))?;
            let value = Value { question: question.code.clone(), value };
            if question.kind != QuestionKind::Text {
                counted.push(value.clone());
            }
            values.push(value);
        }
        if score.is_none() && values.is_empty() && comment.is_none() {
            return Err(Invalid::at(&["answers"], "must say something"));
        }
        Ok(Fitting { score, values, counted, comment })
    }

    fn fit_score(&self, given: Option<i32>) -> Result<Option<i32>, Invalid> {
        let problem = match self.kind {
            SurveyKind::Nps => "must be 0 to 10",
            SurveyKind::Rating => "must be 1 to 5",
            SurveyKind::Questions => "is not asked for",
        };
        let fits = match (self.scores(), given) {
            (Some(scores), Some(given)) => scores.contains(&given),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if fits { Ok(given) } else { Err(Invalid::at(&["score"], problem)) }
    }
}

impl Question {
    fn fit(&self, value: &str) -> Result<String, &'static str> {
        match self.kind {
            QuestionKind::Scale => match value.parse::<i32>() {
                Ok(number) if SCALE.contains(&number) => Ok(number.to_string()),
                Ok(_) | Err(_) => Err("must be 1 to 5"),
            },
            QuestionKind::Choice if self.choices.iter().any(|choice| choice.code == value) => {
                Ok(value.to_owned())
            }
            QuestionKind::Choice => Err("must be the code of a choice"),
            QuestionKind::Text => lines(value, LONGEST_ANSWER).map_err(|()| "must be 1 to 2,000 characters"),
        }
    }
}

fn check_texts(at: &[&str], texts: &Texts) -> Result<(), Invalid> {
    check_tags(texts).map_err(|problem| Invalid::at(at, problem))?;
    // Kept as they are written: they must be trimmed already.
    let fits = |text: &String| line(text, LONGEST_TEXT).is_ok_and(|kept| kept == *text);
    if texts.values().all(fits) {
        Ok(())
    } else {
        Err(Invalid::at(at, "must be 1 to 300 characters on one line, with no spaces around them"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Texts {
        Texts::from([("en".to_owned(), text.to_owned())])
    }

    fn question(code: &str, kind: QuestionKind, choices: &[&str], required: bool) -> Question {
        let choice = |code: &&str| Choice { code: (*code).to_owned(), text: texts(code) };
        let choices = choices.iter().map(choice).collect();
        Question { code: code.to_owned(), text: texts(code), kind, choices, required }
    }

    fn definition(kind: SurveyKind) -> Definition {
        let questions = vec![
            question("taste", QuestionKind::Scale, &[], false),
            question("size", QuestionKind::Choice, &["small", "large"], true),
            question("more", QuestionKind::Text, &[], false),
        ];
        Definition { kind, title: texts("How was it?"), questions }
    }

    fn given(score: Option<i32>, answers: &[(&str, &str)], comment: Option<&str>) -> Given {
        let pair = |(code, value): &(&str, &str)| ((*code).to_owned(), (*value).to_owned());
        Given { score, answers: answers.iter().map(pair).collect(), comment: comment.map(str::to_owned) }
    }

    #[test]
    fn an_answer_fits_its_questions_and_its_kind() {
        let rating = definition(SurveyKind::Rating);
        let all = [("more", " Nice\r\ncup "), ("size", "small"), ("taste", "05")];
        let fitting = rating.fit(&given(Some(5), &all, Some(" ok "))).unwrap();
        let value =
            |question: &str, value: &str| Value { question: question.to_owned(), value: value.to_owned() };
        assert_eq!(fitting.values, [value("taste", "5"), value("size", "small"), value("more", "Nice\ncup")]);
        assert_eq!(fitting.counted, [value("taste", "5"), value("size", "small")]);
        assert_eq!((fitting.score, fitting.comment.as_deref()), (Some(5), Some("ok")));

        let small = [("size", "small")];
        for (given, path) in [
            (given(None, &small, None), "score"),
            (given(Some(0), &small, None), "score"),
            (given(Some(6), &small, None), "score"),
            (given(Some(1), &[], None), "answers"),
            (given(Some(1), &[("size", "medium")], None), "answers.0.value"),
            (given(Some(1), &[("size", "small"), ("taste", "6")], None), "answers.1.value"),
            (given(Some(1), &[("size", "small"), ("more", " ")], None), "answers.1.value"),
            (given(Some(1), &[("size", "small"), ("size", "large")], None), "answers.1.code"),
            (given(Some(1), &[("colour", "red")], None), "answers.0.code"),
            (given(Some(1), &small, Some("\u{0}")), "comment"),
        ] {
            assert_eq!(rating.fit(&given).unwrap_err().path.join("."), path, "{given:?}");
        }
        let nps = definition(SurveyKind::Nps);
        assert!(
            nps.fit(&given(Some(0), &small, None)).is_ok() && nps.fit(&given(Some(10), &small, None)).is_ok()
        );
        assert!(nps.fit(&given(Some(11), &small, None)).is_err());
        let questions = definition(SurveyKind::Questions);
        assert!(questions.fit(&given(None, &small, None)).is_ok());
        assert_eq!(questions.fit(&given(Some(1), &small, None)).unwrap_err().path, ["score"]);
    }

    #[test]
    fn a_survey_is_whole_in_each_of_its_languages() {
        assert_eq!(definition(SurveyKind::Nps).check(), Ok(()));
        let broken = |change: fn(&mut Definition)| {
            let mut definition = definition(SurveyKind::Questions);
            change(&mut definition);
            definition.check().unwrap_err().path.join(".")
        };
        assert_eq!(broken(|it| it.title.clear()), "title");
        assert_eq!(broken(|it| it.title = texts(" padded")), "title");
        assert_eq!(broken(|it| it.questions.clear()), "questions");
        assert_eq!(broken(|it| it.questions[1].code = "taste".to_owned()), "questions.1.code");
        assert_eq!(broken(|it| it.questions[0].code = "Taste".to_owned()), "questions.0.code");
        assert_eq!(broken(|it| it.questions[1].choices.truncate(1)), "questions.1.choices");
        assert_eq!(
            broken(|it| it.questions[1].choices[1].code = "small".to_owned()),
            "questions.1.choices.1.code"
        );
        assert_eq!(
            broken(|it| it.questions[0].choices = it.questions[1].choices.clone()),
            "questions.0.choices"
        );
        let dutch = |it: &mut Definition| {
            it.questions[2].text.insert("nl".to_owned(), "Meer".to_owned());
        };
        assert_eq!(broken(dutch), "questions.2.text");
    }
}
