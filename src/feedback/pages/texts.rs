//! The words of the page around a survey, in every language that mails are written in.

use crate::messages::template::Language;

/// The words of one language.
#[derive(Debug)]
pub(super) struct Texts {
    /// What the ends of the scale of 0 to 10 mean.
    pub(super) nps_scale: &'static str,
    /// What the ends of a scale of 1 to 5 mean.
    pub(super) rating_scale: &'static str,
    pub(super) score: &'static str,
    pub(super) comment: &'static str,
    pub(super) optional: &'static str,
    pub(super) send: &'static str,
    pub(super) problem: &'static str,
    pub(super) thanks_title: &'static str,
    pub(super) thanks: &'static str,
    pub(super) already_title: &'static str,
    pub(super) already: &'static str,
    pub(super) gone_title: &'static str,
    pub(super) gone: &'static str,
}

impl Texts {
    /// Those of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Dutch => &DUTCH,
            Language::Hebrew => &HEBREW,
        }
    }
}

const ENGLISH: Texts = Texts {
    nps_scale: "0: not at all likely. 10: very likely.",
    rating_scale: "1: not at all. 5: completely.",
    score: "Your score",
    comment: "Do you want to say more?",
    optional: "not needed",
    send: "Send",
    problem: "Something is missing or does not fit. Please look at your answers.",
    thanks_title: "Thank you",
    thanks: "Your answer has arrived.",
    already_title: "You have answered already",
    already: "Thank you. This link can be used once.",
    gone_title: "This link is no longer good",
    gone: "It has ended, or a part of it is missing.",
};

const DUTCH: Texts = Texts {
    nps_scale: "0: helemaal niet waarschijnlijk. 10: zeer waarschijnlijk.",
    rating_scale: "1: helemaal niet. 5: helemaal wel.",
    score: "Je cijfer",
    comment: "Wil je er iets over kwijt?",
    optional: "hoeft niet",
    send: "Versturen",
    problem: "Er ontbreekt iets of er klopt iets niet. Kijk je antwoorden nog eens na.",
    thanks_title: "Bedankt",
    thanks: "Je antwoord is aangekomen.",
    already_title: "Je hebt al geantwoord",
    already: "Bedankt. Deze link werkt één keer.",
    gone_title: "Deze link werkt niet meer",
    gone: "Hij is verlopen, of er ontbreekt een stuk van.",
};

/// In forms that address nobody as a man or a woman.
const HEBREW: Texts = Texts {
    nps_scale: "0: לא סביר כלל. 10: סביר מאוד.",
    rating_scale: "1: בכלל לא. 5: לגמרי.",
    score: "הציון",
    comment: "רוצים להוסיף משהו?",
    optional: "לא חובה",
    send: "שליחה",
    problem: "משהו חסר או אינו מתאים. נא לעבור שוב על התשובות.",
    thanks_title: "תודה",
    thanks: "התשובה התקבלה.",
    already_title: "התשובה כבר נשלחה",
    already: "תודה. אפשר להשתמש בקישור הזה פעם אחת.",
    gone_title: "הקישור אינו תקף עוד",
    gone: "תוקפו פג, או שחסר בו חלק.",
};
