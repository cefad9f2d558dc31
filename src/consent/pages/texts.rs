//! The words of the pages, in every language that mails are written in. `{shop}`, `{what}` and `{way}` stand for the shop's
//! name, a purpose and a channel.

use entity::consent::Purpose;
use entity::message::Channel;

use crate::messages::template::Language;

/// The words of one language.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) stop_title: &'static str,
    pub(super) stop: &'static str,
    pub(super) stop_this: &'static str,
    pub(super) stop_all: &'static str,
    pub(super) stopped_title: &'static str,
    pub(super) stopped: &'static str,
    pub(super) stopped_all: &'static str,
    pub(super) confirm_title: &'static str,
    pub(super) confirm: &'static str,
    pub(super) confirm_button: &'static str,
    pub(super) confirm_nothing: &'static str,
    pub(super) confirmed_title: &'static str,
    pub(super) confirmed: &'static str,
    pub(super) ended_title: &'static str,
    pub(super) ended: &'static str,
    pub(super) gone_title: &'static str,
    pub(super) gone: &'static str,
    newsletter: &'static str,
    offers: &'static str,
    reminders: &'static str,
    back_in_stock: &'static str,
    care: &'static str,
    product_updates: &'static str,
    programme: &'static str,
    email: &'static str,
    inbox: &'static str,
    sms: &'static str,
    push: &'static str,
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

    /// A purpose, as the middle of a sentence.
    pub(super) fn purpose(&self, purpose: Purpose) -> &'static str {
        match purpose {
            Purpose::Newsletter => self.newsletter,
            Purpose::Offers => self.offers,
            Purpose::Reminders => self.reminders,
            Purpose::BackInStock => self.back_in_stock,
            Purpose::Care => self.care,
            Purpose::ProductUpdates => self.product_updates,
            Purpose::Programme => self.programme,
        }
    }

    /// A channel, with the word that means "by".
    pub(super) fn channel(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Email => self.email,
            Channel::Inbox => self.inbox,
            Channel::Sms => self.sms,
            Channel::Push => self.push,
        }
    }
}

const ENGLISH: Texts = Texts {
    stop_title: "Do you want no more of this?",
    stop: "{shop} sends you {what} {way}.",
    stop_this: "Stop {what} {way}",
    stop_all: "Stop all marketing {way}",
    stopped_title: "Done",
    stopped: "{shop} no longer sends you {what} {way}.",
    stopped_all: "{shop} no longer sends you {what} {way}, nor any other marketing.",
    confirm_title: "May {shop} send you this?",
    confirm: "You will get by e-mail:",
    confirm_button: "Yes, send it to me",
    confirm_nothing: "Did you not ask for it? Then just close this page: nothing is sent. You can stop it at any time.",
    confirmed_title: "Thank you, it is confirmed",
    confirmed: "{shop} sends you by e-mail, until you stop it:",
    ended_title: "You have stopped this",
    ended: "{shop} no longer sends you by e-mail:",
    gone_title: "This link is no longer good",
    gone: "It has ended, or a part of it is missing.",
    newsletter: "the newsletter",
    offers: "offers",
    reminders: "reminders",
    back_in_stock: "messages about products that are back",
    care: "messages about what you bought",
    product_updates: "updates of products that you own",
    programme: "messages about your points and your account",
    email: "by e-mail",
    inbox: "in the app's inbox",
    sms: "by text message",
    push: "as notifications",
};

const DUTCH: Texts = Texts {
    stop_title: "Wil je dit niet meer krijgen?",
    stop: "{shop} stuurt je {what} {way}.",
    stop_this: "Stop met {what} {way}",
    stop_all: "Stop met alle marketing {way}",
    stopped_title: "Klaar",
    stopped: "{shop} stuurt je {way} niet langer {what}.",
    stopped_all: "{shop} stuurt je {way} niet langer {what}, en ook geen andere marketing.",
    confirm_title: "Mag {shop} je dit sturen?",
    confirm: "Je krijgt per e-mail:",
    confirm_button: "Ja, stuur het mij",
    confirm_nothing: "Heb jij hier niet om gevraagd? Sluit dan deze pagina: er wordt niets gestuurd. Je kunt er altijd mee stoppen.",
    confirmed_title: "Bedankt, het is bevestigd",
    confirmed: "{shop} stuurt je per e-mail, tot je ermee stopt:",
    ended_title: "Je bent hiermee gestopt",
    ended: "{shop} stuurt je per e-mail niet langer:",
    gone_title: "Deze link werkt niet meer",
    gone: "Hij is verlopen, of er ontbreekt een stuk van.",
    newsletter: "de nieuwsbrief",
    offers: "aanbiedingen",
    reminders: "herinneringen",
    back_in_stock: "berichten over producten die er weer zijn",
    care: "berichten over wat je hebt gekocht",
    product_updates: "updates van producten die je hebt",
    programme: "berichten over je punten en je account",
    email: "per e-mail",
    inbox: "in de inbox van de app",
    sms: "per sms",
    push: "als melding",
};

/// In forms that address nobody as a man or a woman.
const HEBREW: Texts = Texts {
    stop_title: "להפסיק את המשלוח?",
    // Some of these words are masculine and others feminine: no verb agrees with all of them in the present.
    stop: "המשלוח אליך מאת {shop} {way}: {what}.",
    stop_this: "להפסיק {what} {way}",
    stop_all: "להפסיק כל דיוור שיווקי {way}",
    stopped_title: "בוצע",
    stopped: "{shop}: לא יישלחו אליך עוד {what} {way}.",
    stopped_all: "{shop}: לא יישלחו אליך עוד {what} {way}, וגם לא דיוור שיווקי אחר.",
    confirm_title: "האם מותר ל־{shop} לשלוח אליך את זה?",
    confirm: "בדואר אלקטרוני יישלחו אליך:",
    confirm_button: "כן, אפשר לשלוח",
    confirm_nothing: "לא ביקשת זאת? אפשר פשוט לסגור את הדף: דבר לא יישלח. אפשר להפסיק בכל עת.",
    confirmed_title: "תודה, האישור התקבל",
    confirmed: "{shop}: בדואר אלקטרוני יישלחו אליך, עד להפסקה:",
    ended_title: "המשלוח הופסק",
    ended: "{shop}: בדואר אלקטרוני לא יישלחו אליך עוד:",
    gone_title: "הקישור אינו תקף עוד",
    gone: "תוקפו פג, או שחסר בו חלק.",
    newsletter: "עדכוני חדשות",
    offers: "מבצעים",
    reminders: "תזכורות",
    back_in_stock: "הודעות על מוצרים שחזרו למלאי",
    care: "הודעות על מה שנקנה",
    product_updates: "עדכונים על מוצרים שברשותך",
    programme: "הודעות על הנקודות ועל החשבון",
    email: "בדואר אלקטרוני",
    inbox: "בתיבת ההודעות באפליקציה",
    sms: "במסרון",
    push: "בהתראות",
};
