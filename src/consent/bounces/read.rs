//! Reads reports that mail servers send as mails: RFC 3464, of what was not delivered, and RFC 5965, of what was called spam.
//! Anybody can write such a mail; none of it is taken for more than it says.

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::{Kind, Returned};

/// One mail of ours goes to one address: a report of more is not of one.
const MOST_RECIPIENTS: usize = 20;
/// The longest address, message id or status that is looked at.
const LONGEST: usize = 320;

/// Why a mail tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is no mail.
    NoMail,
    /// It is a mail, and not a report.
    NoReport,
}

/// What a report tells.
pub(crate) fn report(mail: &[u8]) -> Result<Vec<Returned>, Unreadable> {
    let message = MessageParser::default().parse(mail).ok_or(Unreadable::NoMail)?;
    let about = message.parts.iter().find_map(message_id);
    for part in &message.parts {
        match part_type(part).as_deref() {
            Some("message/delivery-status" | "message/global-delivery-status") => {
                return Ok(deliveries(&text(part), about.as_deref()));
            }
            Some("message/feedback-report") => return Ok(feedback(&text(part), about.as_deref())),
            _other => {}
        }
    }
    Err(Unreadable::NoReport)
}

fn part_type(part: &MessagePart<'_>) -> Option<String> {
    let found = part.content_type()?;
    Some(format!("{}/{}", found.ctype(), found.subtype()?).to_ascii_lowercase())
}

fn text(part: &MessagePart<'_>) -> String {
    String::from_utf8_lossy(part.contents()).into_owned()
}

/// Of the mail that came back, whole or its headers only.
fn message_id(part: &MessagePart<'_>) -> Option<String> {
    let of = |message: &Message<'_>| message.message_id().map(str::to_owned);
    if let PartType::Message(returned) = &part.body {
        return of(returned);
    }
    let is_headers = part_type(part)?.ends_with("rfc822-headers");
    is_headers.then(|| MessageParser::default().parse_headers(part.contents()).as_ref().and_then(of))?
}

/// Groups of fields, as they are written in both kinds of report: names in lower case, folded lines in one.
fn groups(text: &str) -> Vec<Vec<(String, String)>> {
    let mut groups = vec![Vec::new()];
    for line in text.lines() {
        let Some(fields) = groups.last_mut() else { break };
        if line.trim().is_empty() {
            if !fields.is_empty() && groups.len() <= MOST_RECIPIENTS {
                groups.push(Vec::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                let value: &mut String = value;
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    groups.retain(|fields: &Vec<(String, String)>| !fields.is_empty());
    groups
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

fn deliveries(text: &str, message: Option<&str>) -> Vec<Returned> {
    // The first group is about the mail, each of the others about one recipient.
    let groups = groups(text);
    let of_recipients = groups.iter().filter(|fields| field(fields, "final-recipient").is_some());
    of_recipients.filter_map(|fields| delivery(fields, message)).collect()
}

fn delivery(fields: &[(String, String)], message: Option<&str>) -> Option<Returned> {
    let action = field(fields, "action")?.to_ascii_lowercase();
    let status = field(fields, "status").and_then(status);
    let kind = match action.as_str() {
        "failed" if status.as_deref().is_some_and(is_of_the_mailbox) => Kind::Bounced,
        "failed" | "delayed" => Kind::Delayed,
        // It arrived, or went on to somebody else.
        _delivered => return None,
    };
    // Where it went first: the address that we wrote to.
    let recipient = field(fields, "original-recipient").or_else(|| field(fields, "final-recipient"));
    Some(Returned {
        kind,
        message: message.and_then(bounded),
        recipient: recipient.and_then(address),
        status,
        is_signed: false,
    })
}

/// Statuses (RFC 3463, 7505) of a mailbox or a domain that takes no mail, now and later. The others of class 5 are about who
/// sends, the mail itself, the way there or a full mailbox: another mail may arrive.
const OF_THE_MAILBOX: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];

/// Whether a status says that the mailbox takes no mail, now and later.
pub(crate) fn is_of_the_mailbox(status: &str) -> bool {
    OF_THE_MAILBOX.contains(&status)
}

/// The three numbers of a status, without the words behind them.
pub(crate) fn status(text: &str) -> Option<String> {
    let first = text.split_whitespace().next()?;
    let parts: Vec<&str> = first.split('.').collect();
    let [class, subject, detail] = parts.as_slice() else { return None };
    let is_number = |text: &&str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let is_status = matches!(*class, "2" | "4" | "5") && is_number(subject) && is_number(detail);
    is_status.then(|| first.to_owned())
}

/// `rfc822; anna@example.org`, or the address alone, perhaps in brackets.
fn address(text: &str) -> Option<String> {
    let address = text.split_once(';').map_or(text, |(_type, address)| address);
    bounded(address.trim().trim_start_matches('<').trim_end_matches('>'))
}

fn bounded(text: &str) -> Option<String> {
    (1..=LONGEST).contains(&text.len()).then(|| text.to_owned())
}

fn feedback(text: &str, message: Option<&str>) -> Vec<Returned> {
    let groups = groups(text);
    let Some(fields) = groups.first() else { return Vec::new() };
    let kind = field(fields, "feedback-type").unwrap_or_default().to_ascii_lowercase();
    // The others say that a mail is no spam, or tell of signatures.
    if !matches!(kind.as_str(), "abuse" | "fraud" | "opt-out" | "other") {
        return Vec::new();
    }
    let recipient = field(fields, "original-rcpt-to").and_then(address);
    let message = message.and_then(bounded);
    vec![Returned { kind: Kind::Complained, message, recipient, status: None, is_signed: false }]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNCE: &str = "From: MAILER-DAEMON@mx.example\r\nTo: no-reply@shop.example\r\n\
        Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; mx.example\r\nArrival-Date: Thu, 15 Jan 2026 12:00:00 +0000\r\n\r\n\
        Final-Recipient: rfc822; anna@example.org\r\nOriginal-Recipient: rfc822;anna@example.org\r\n\
        Action: failed\r\nStatus: 5.1.1 (no such user)\r\n\
        Diagnostic-Code: smtp; 550 5.1.1\r\n  user unknown\r\n\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\n\
        Message-ID: <7@shop.example>\r\nTo: anna@example.org\r\nSubject: News\r\n\r\nNews\r\n--b--\r\n";

    fn bounced() -> Returned {
        Returned {
            kind: Kind::Bounced,
            message: Some("7@shop.example".to_owned()),
            recipient: Some("anna@example.org".to_owned()),
            status: Some("5.1.1".to_owned()),
            is_signed: false,
        }
    }

    #[test]
    fn a_report_tells_which_mail_to_whom_did_not_arrive() {
        assert_eq!(report(BOUNCE.as_bytes()), Ok(vec![bounced()]));
        let headers = BOUNCE.replace("Content-Type: message/rfc822", "Content-Type: text/rfc822-headers");
        assert_eq!(report(headers.as_bytes()), Ok(vec![bounced()]));
        let none = BOUNCE.replace("Message-ID", "X-Other");
        assert_eq!(report(none.as_bytes()), Ok(vec![Returned { message: None, ..bounced() }]));
    }

    #[test]
    fn what_may_arrive_another_time_is_no_bounce() {
        for (action, status) in
            [("failed", "4.2.2"), ("delayed", "4.4.7"), ("failed", "5.7.1"), ("failed", "?")]
        {
            let text = BOUNCE
                .replace("Action: failed", &format!("Action: {action}"))
                .replace("Status: 5.1.1 (no such user)", &format!("Status: {status}"));
            let told = report(text.as_bytes()).unwrap();
            assert_eq!(told.len(), 1);
            assert_eq!(told[0].kind, Kind::Delayed, "{action} {status}");
        }
        let arrived = BOUNCE.replace("Action: failed", "Action: delivered");
        assert_eq!(report(arrived.as_bytes()), Ok(Vec::new()));
    }

    #[test]
    fn a_complaint_tells_which_mail_was_called_spam() {
        let complaint = "From: fbl@mx.example\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\n\r\nAn abuse report.\r\n\
            --b\r\nContent-Type: message/feedback-report\r\n\r\n\
            Feedback-Type: abuse\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\n\
            Original-Rcpt-To: <anna@example.org>\r\n\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <7@shop.example>\r\n\r\nNews\r\n--b--\r\n";
        let expected = Returned { kind: Kind::Complained, status: None, ..bounced() };
        assert_eq!(report(complaint.as_bytes()), Ok(vec![expected]));
        let praise = complaint.replace("Feedback-Type: abuse", "Feedback-Type: not-spam");
        assert_eq!(report(praise.as_bytes()), Ok(Vec::new()));
    }

    #[test]
    fn other_mails_are_no_reports() {
        let mail =
            b"From: anna@example.org\r\nSubject: Hello\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\n";
        assert_eq!(report(mail), Err(Unreadable::NoReport));
        assert_eq!(report(b""), Err(Unreadable::NoMail));
    }

    #[test]
    fn a_report_of_many_recipients_is_read_as_far_as_it_may_be_one() {
        let one = "\r\nFinal-Recipient: rfc822; anna@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n";
        let many =
            BOUNCE.replace("\r\nFinal-Recipient", &format!("{}\r\nFinal-Recipient", one.repeat(5_000)));
        assert!(report(many.as_bytes()).unwrap().len() <= MOST_RECIPIENTS);
    }

    proptest! {
        #[test]
        fn no_mail_makes_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            at in 0_usize..BOUNCE.len(),
        ) {
            let _ = report(&bytes);
            let _ = report(&[&BOUNCE.as_bytes()[..at], bytes.as_slice()].concat());
        }
    }
}
