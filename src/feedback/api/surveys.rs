//! Surveys as staff see them: what they ask, and what was answered.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::Instant;
use entity::survey::{Entity, SurveyKind as StoredKind};

use crate::app::App;
use crate::feedback::survey::definition::{self, Choice, Definition, Question};
use crate::feedback::survey::report::{self, Report};
use crate::feedback::survey::upsert::{SurveyError, Upsert, upsert};
use crate::feedback::survey::{self, Survey};
use crate::graphql::access::Allowed;
use crate::graphql::fault::ApiError;
use crate::graphql::once::{once, written};
use crate::graphql::payload::UserError;
use crate::graphql::scalars::IdempotencyKey;
use crate::idempotency::Once;
use crate::localized::{Texts, by_tag};
use crate::orders::rules::comparable;

/// What a survey measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "StoredKind", name = "SurveyKind")]
pub(super) enum KindName {
    /// How likely its reader recommends the shop: a score of 0 to 10.
    Nps,
    /// A score of 1 to 5.
    Rating,
    /// No score: its questions only.
    Questions,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "definition::QuestionKind", name = "SurveyQuestionKind")]
pub(super) enum QuestionKind {
    /// With 1 to 5.
    Scale,
    /// With one of its choices.
    Choice,
    /// Freely, with 1 to 2,000 characters.
    Text,
}

/// A text in one language.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "SurveyTextInput")]
struct SurveyText {
    /// A language tag, such as `nl` or `nl-BE`.
    locale: String,
    /// 1 to 300 characters on one line, with no spaces around them.
    text: String,
}

/// A choice of a question.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "SurveyChoiceInput")]
struct SurveyChoice {
    /// 1 to 64 of a-z, 0-9 and underscore; another for each choice of the question.
    code: String,
    /// What it says, in the languages of the survey's title.
    text: Vec<SurveyText>,
}

/// A question of a survey.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "SurveyQuestionInput")]
struct SurveyQuestion {
    /// 1 to 64 of a-z, 0-9 and underscore; another for each question of the survey.
    code: String,
    /// What it asks, in the languages of the survey's title.
    text: Vec<SurveyText>,
    /// How it is answered.
    kind: QuestionKind,
    /// 2 to 20 of a question of the kind `CHOICE`; none of others.
    choices: Vec<SurveyChoice>,
    /// Whether nobody answers without it.
    required: bool,
}

/// A survey.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Survey")]
struct SurveyShown {
    /// The shop's, or that of one that comes with the program; unique.
    code: String,
    /// What it measures.
    kind: KindName,
    /// What it asks above all, by language.
    title: Vec<SurveyText>,
    /// What it asks besides, in this order.
    questions: Vec<SurveyQuestion>,
    /// Whether it can be answered.
    active: bool,
    /// Whether it is as it came with the program.
    built_in: bool,
}

/// A survey to make or change, by its code.
#[derive(Debug, InputObject)]
struct SurveyUpsertInput {
    /// 1 to 64 of a-z, 0-9 and underscore; that of one that comes with the program changes that one.
    code: String,
    /// What it measures; stays as it is for good.
    kind: KindName,
    /// What it asks above all, in 1 to 20 languages, each once.
    title: Vec<SurveyText>,
    /// What it asks besides, in this order: 20 at most, and 1 at least if it has no score.
    questions: Vec<SurveyQuestion>,
    /// Whether it can be answered.
    #[graphql(default = true)]
    active: bool,
    /// The caller's key.
    idempotency_key: IdempotencyKey,
}

/// Why a survey stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(super) enum SurveyErrorCode {
    /// A value is out of its bounds, or values do not go together.
    Invalid,
    /// A survey measures what it measures for good: make another.
    KindFixed,
    /// There are 200 surveys.
    TooManySurveys,
}

/// A survey after a change, or why there was none.
#[derive(Debug, SimpleObject)]
struct SurveyPayload {
    /// The survey.
    survey: Option<SurveyShown>,
    /// Whether an earlier request with this key did it.
    replayed: bool,
    /// Why nothing was done.
    user_errors: Vec<UserError<SurveyErrorCode>>,
}

/// How many gave a score.
#[derive(Debug, SimpleObject)]
struct SurveyScoreCount {
    /// 0 to 10, or 1 to 5.
    score: i32,
    /// How many.
    count: i64,
}

/// How many gave a value.
#[derive(Debug, SimpleObject)]
struct SurveyChoiceCount {
    /// The code of the choice, or the number on the scale.
    value: String,
    /// How many.
    count: i64,
}

/// How a question was answered.
#[derive(Debug, SimpleObject)]
struct SurveyQuestionReport {
    /// The code of the question, also of one that is not asked any more.
    question: String,
    /// How many gave which value; none of questions that are answered freely.
    choices: Vec<SurveyChoiceCount>,
}

/// What was answered to a survey.
#[derive(Debug, SimpleObject)]
struct SurveyReport {
    /// How many answered.
    responses: i64,
    /// The mean score, rounded to hundredths; null if there is none.
    mean: Option<f64>,
    /// The Net Promoter Score, from -100 to 100 and rounded to tenths: per cent of promoters, who gave 9 or 10, less per cent
    /// of detractors, who gave 0 to 6, of all who answered (F. Reichheld, "The One Number You Need to Grow", Harvard Business
    /// Review, 2003). Null if nobody answered, or the survey is of another kind.
    nps: Option<f64>,
    /// Those who gave 9 or 10; null if the survey is not of the kind `NPS`.
    promoters: Option<i64>,
    /// Those who gave 7 or 8; null if the survey is not of the kind `NPS`.
    passives: Option<i64>,
    /// Those who gave 0 to 6; null if the survey is not of the kind `NPS`.
    detractors: Option<i64>,
    /// How many gave which score, as far as anybody did, from the lowest.
    scores: Vec<SurveyScoreCount>,
    /// How the questions were answered, by code.
    questions: Vec<SurveyQuestionReport>,
}

/// Queries about surveys.
#[derive(Debug, Default)]
pub(super) struct SurveysQuery;

/// Mutations of surveys.
#[derive(Debug, Default)]
pub(super) struct SurveysMutation;

#[Object]
impl SurveysQuery {
    /// All surveys by code: those of the shop, and those that come with the program and were never changed. For staff with `surveys.write`.
    #[graphql(guard = "Allowed")]
    async fn surveys(&self, ctx: &Context<'_>) -> Result<Vec<SurveyShown>, ApiError> {
        let all = survey::all(&ctx.data_unchecked::<App>().db.read).await?;
        Ok(all.into_iter().map(SurveyShown::of).collect())
    }

    /// What was answered to a survey from `from` until just before `until`; null if there is no such survey. For staff with `reports.read`.
    #[graphql(guard = "Allowed")]
    async fn survey_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its code.")] code: String,
        #[graphql(desc = "Answers from then on.")] from: Instant,
        #[graphql(desc = "Answers before that; later than `from`.")] until: Instant,
    ) -> Result<Option<SurveyReport>, ApiError> {
        if until <= from {
            return Err(ApiError::bad_input("until must be later than from"));
        }
        let db = &ctx.data_unchecked::<App>().db.read;
        let Some(survey) = survey::find(db, &code).await? else { return Ok(None) };
        let report = report::report(db, &code, comparable(from), comparable(until)).await?;
        Ok(Some(SurveyReport::of(&report, survey.definition.kind)?))
    }
}

#[Object]
impl SurveysMutation {
    /// Makes a survey, or changes what it asks; the first change of one that comes with the program makes it the shop's. For staff with `surveys.write`.
    #[graphql(guard = "Allowed")]
    async fn survey_upsert(
        &self,
        ctx: &Context<'_>,
        input: SurveyUpsertInput,
    ) -> Result<SurveyPayload, ApiError> {
        let key = input.idempotency_key.clone();
        let command = match input.parse() {
            Ok(command) => command,
            Err(path) => {
                let problem = "must each have a language of their own";
                let invalid = definition::Invalid { path, problem };
                return Ok(SurveyPayload::refused(SurveyError::Invalid(invalid)));
            }
        };
        match once(ctx, "surveyUpsert", key, &command, upsert).await? {
            Ok(Once { value, replayed }) => {
                let row = written::<Entity>(ctx, value).await?;
                let survey = Some(SurveyShown::of(Survey::of(row)?));
                Ok(SurveyPayload { survey, replayed, user_errors: Vec::new() })
            }
            Err(error) => Ok(SurveyPayload::refused(error)),
        }
    }
}

fn shown(texts: Texts) -> Vec<SurveyText> {
    texts.into_iter().map(|(locale, text)| SurveyText { locale, text }).collect()
}

/// By language tag; none if a language is there twice.
fn read(texts: Vec<SurveyText>) -> Option<Texts> {
    by_tag(texts.into_iter().map(|text| (text.locale, text.text)))
}

impl SurveyShown {
    fn of(survey: Survey) -> Self {
        let Definition { kind, title, questions } = survey.definition;
        Self {
            code: survey.code,
            kind: kind.into(),
            title: shown(title),
            questions: questions.into_iter().map(SurveyQuestion::of).collect(),
            active: survey.is_active,
            built_in: survey.is_built_in,
        }
    }
}

impl SurveyQuestion {
    fn of(question: Question) -> Self {
        let Question { code, text, kind, choices, required } = question;
        let choice = |choice: Choice| SurveyChoice { code: choice.code, text: shown(choice.text) };
        let choices = choices.into_iter().map(choice).collect();
        Self { code, text: shown(text), kind: kind.into(), choices, required }
    }

    /// None if a text is in a language twice.
    fn parse(self) -> Option<Question> {
        let choice = |choice: SurveyChoice| Some(Choice { code: choice.code, text: read(choice.text)? });
        Some(Question {
            code: self.code,
            text: read(self.text)?,
            kind: self.kind.into(),
            choices: self.choices.into_iter().map(choice).collect::<Option<_>>()?,
            required: self.required,
        })
    }
}

impl SurveyUpsertInput {
    /// A path of texts of which two are in one language, if there are any.
    fn parse(self) -> Result<Upsert, Vec<String>> {
        let title = read(self.title).ok_or_else(|| vec!["title".to_owned()])?;
        let question = |(place, question): (usize, SurveyQuestion)| {
            question.parse().ok_or_else(|| vec!["questions".to_owned(), place.to_string()])
        };
        let questions = self.questions.into_iter().enumerate().map(question).collect::<Result<_, _>>()?;
        let definition = Definition { kind: self.kind.into(), title, questions };
        Ok(Upsert { code: self.code, definition, active: self.active })
    }
}

impl SurveyPayload {
    fn refused(error: SurveyError) -> Self {
        let (code, path, message) = match error {
            SurveyError::Invalid(definition::Invalid { path, problem }) => {
                let message = format!("{} {problem}.", path.join("."));
                (SurveyErrorCode::Invalid, path, message)
            }
            SurveyError::KindFixed => {
                let message = "The survey measures something else: make another.".to_owned();
                (SurveyErrorCode::KindFixed, vec!["kind".to_owned()], message)
            }
            SurveyError::TooMany => {
                let message = "There are 200 surveys already.".to_owned();
                (SurveyErrorCode::TooManySurveys, vec!["code".to_owned()], message)
            }
        };
        let field = Some(["input".to_owned()].into_iter().chain(path).collect());
        Self { survey: None, replayed: false, user_errors: vec![UserError { code, field, message }] }
    }
}

impl SurveyReport {
    fn of(report: &Report, kind: StoredKind) -> Result<Self, ApiError> {
        let parted = |value: Option<i64>, parts: f64| -> Result<Option<f64>, ApiError> {
            Ok(value.map(i32::try_from).transpose()?.map(|value| f64::from(value) / parts))
        };
        let groups = report.groups(kind);
        let score = |(score, count): (&i32, &i64)| SurveyScoreCount { score: *score, count: *count };
        let choice =
            |(value, count): (&String, &i64)| SurveyChoiceCount { value: value.clone(), count: *count };
        let questions = report.choices.iter().map(|(question, choices)| SurveyQuestionReport {
            question: question.clone(),
            choices: choices.iter().map(choice).collect(),
        });
        Ok(Self {
            responses: report.responses,
            mean: parted(report.mean_in_hundredths(), 100.0)?,
            nps: parted(groups.and_then(report::Groups::nps_in_tenths), 10.0)?,
            promoters: groups.map(|groups| groups.promoters),
            passives: groups.map(|groups| groups.passives),
            detractors: groups.map(|groups| groups.detractors),
            scores: report.scores.iter().map(score).collect(),
            questions: questions.collect(),
        })
    }
}
