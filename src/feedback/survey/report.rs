//! What was answered to a survey, counted.

use std::collections::BTreeMap;

use entity::survey::SurveyKind;
use entity::{Instant, survey_answer, survey_choice};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};

use crate::error::Fault;

/// What was answered to a survey, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) responses: i64,
    /// How many gave which score.
    pub(crate) scores: BTreeMap<i32, i64>,
    /// How many gave which value, by question.
    pub(crate) choices: BTreeMap<String, BTreeMap<String, i64>>,
}

/// Who recommends, who does not care and who advises against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) promoters: i64,
    pub(crate) passives: i64,
    pub(crate) detractors: i64,
}

impl Report {
    /// The mean of the scores in hundredths, rounded half up; none if there are none.
    pub(crate) fn mean_in_hundredths(&self) -> Option<i64> {
        let count: i64 = self.scores.values().sum();
        let sum: i64 = self.scores.iter().map(|(score, count)| i64::from(*score) * count).sum();
        (count > 0).then(|| (sum * 200 + count) / (count * 2))
    }

    /// Those who gave 9 or 10, 7 or 8, and 0 to 6, of a survey that asks who recommends.
    pub(crate) fn groups(&self, kind: SurveyKind) -> Option<Groups> {
        if kind != SurveyKind::Nps {
            return None;
        }
        let of =
            |scores: std::ops::RangeInclusive<i32>| self.scores.range(scores).map(|(_, count)| count).sum();
        Some(Groups { promoters: of(9..=10), passives: of(7..=8), detractors: of(0..=6) })
    }
}

impl Groups {
    /// Per cent of promoters less per cent of detractors, in tenths, rounded half away from 0; none if nobody answered.
    pub(crate) fn nps_in_tenths(self) -> Option<i64> {
        let count = self.promoters + self.passives + self.detractors;
        let difference = self.promoters - self.detractors;
        let half = if difference < 0 { -count } else { count };
        (count > 0).then(|| (difference * 2_000 + half) / (count * 2))
    }
}

/// Counts what was answered from `from` until just before `until`: two statements, whose answers are as long as there are
/// scores and choices.
pub(crate) async fn report(
    db: &impl ConnectionTrait,
    survey: &str,
    from: Instant,
    until: Instant,
) -> Result<Report, Fault> {
    use survey_answer::Column as Answer;
    use survey_choice::Column as Choice;

    let scores: Vec<(Option<i32>, i64)> = survey_answer::Entity::find()
        .select_only()
        .column(Answer::Score)
        .expr(Answer::MessageId.count())
        .filter(Answer::Survey.eq(survey))
        .filter(Answer::AnsweredAt.gte(from).and(Answer::AnsweredAt.lt(until)))
        .group_by(Answer::Score)
        .into_tuple()
        .all(db)
        .await?;
    let chosen: Vec<(String, String, i64)> = survey_choice::Entity::find()
        .select_only()
        .columns([Choice::Question, Choice::Value])
        .expr(Choice::MessageId.count())
        .filter(Choice::Survey.eq(survey))
        .filter(Choice::AnsweredAt.gte(from).and(Choice::AnsweredAt.lt(until)))
        .group_by(Choice::Question)
        .group_by(Choice::Value)
        .into_tuple()
        .all(db)
        .await?;
    let mut report = Report { responses: scores.iter().map(|(_, count)| count).sum(), ..Report::default() };
    report.scores = scores.into_iter().filter_map(|(score, count)| Some((score?, count))).collect();
    for (question, value, count) in chosen {
        report.choices.entry(question).or_default().insert(value, count);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(scores: &[(i32, i64)]) -> Report {
        Report { scores: scores.iter().copied().collect(), ..Report::default() }
    }

    #[test]
    fn means_and_recommendations_are_as_they_are_defined() {
        let mixed = report(&[(0, 1), (6, 1), (7, 1), (8, 1), (9, 1), (10, 2)]);
        assert_eq!(mixed.mean_in_hundredths(), Some(714));
        let groups = mixed.groups(SurveyKind::Nps).unwrap();
        assert_eq!(groups, Groups { promoters: 3, passives: 2, detractors: 2 });
        assert_eq!(groups.nps_in_tenths(), Some(143));
        assert_eq!(report(&[(6, 2), (9, 1)]).groups(SurveyKind::Nps).unwrap().nps_in_tenths(), Some(-333));
        assert_eq!(report(&[(3, 1), (9, 1)]).groups(SurveyKind::Nps).unwrap().nps_in_tenths(), Some(0));
        assert_eq!(report(&[(0, 9)]).groups(SurveyKind::Nps).unwrap().nps_in_tenths(), Some(-1000));
        assert_eq!(mixed.groups(SurveyKind::Rating), None);
        assert_eq!(report(&[]).mean_in_hundredths(), None);
        assert_eq!(report(&[]).groups(SurveyKind::Nps).unwrap().nps_in_tenths(), None);
    }
}
