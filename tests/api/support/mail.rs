//! A mail server for one test: takes every mail and keeps it, so that a test reads codes as the owner of a mailbox does.

use std::sync::{Arc, Mutex};

use mail_parser::{Message, MessageParser, MimeHeaders};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// To which mailbox.
    pub(crate) to: String,
    /// Headers, an empty line and the parts.
    raw: String,
}

impl Mail {
    fn message(&self) -> Message<'_> {
        MessageParser::default().parse(self.raw.as_bytes()).expect("no mail")
    }

    /// The value of a header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.message().header_raw(name).map(|value| value.trim().to_owned())
    }

    /// The `Message-ID`, without its brackets.
    pub(crate) fn id(&self) -> String {
        self.message().message_id().expect("no Message-ID").to_owned()
    }

    pub(crate) fn subject(&self) -> String {
        self.message().subject().expect("no subject").to_owned()
    }

    /// What a reader of plain text sees.
    pub(crate) fn text(&self) -> String {
        self.part(0, "text/plain")
    }

    /// What everybody else sees, as a document.
    pub(crate) fn html(&self) -> String {
        self.part(1, "text/html")
    }

    /// One of the two parts that say the same.
    fn part(&self, number: usize, kind: &str) -> String {
        let message = self.message();
        let parts: Vec<u32> = message.root_part().sub_parts().expect("one part").to_vec();
        assert_eq!(parts.len(), 2, "{}", self.raw);
        let part = message.part(parts[number]).unwrap();
        let found = part.content_type().unwrap();
        assert_eq!(format!("{}/{}", found.ctype(), found.subtype().unwrap()), kind);
        part.text_contents().unwrap().replace("\r\n", "\n")
    }

    /// The code in it, if it has one: six digits on a line of their own, and the same in its HTML.
    pub(crate) fn code(&self) -> Option<String> {
        self.line(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// The link in it, if it has one.
    pub(crate) fn link(&self) -> Option<String> {
        self.line(|line| line.starts_with("https://") || line.starts_with("http://"))
    }

    /// The token in it, if it has one: in its link, or on a line of its own.
    pub(crate) fn token(&self) -> Option<String> {
        let is_token = |text: &str| {
            text.len() >= 43
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match self.link() {
            Some(link) => {
                link.split(['=', '/', '#', '?', '&']).find(|part| is_token(part)).map(str::to_owned)
            }
            None => self.line(is_token),
        }
    }

    fn line(&self, is: impl Fn(&str) -> bool) -> Option<String> {
        let found = self.text().lines().map(str::trim).find(|line| is(line)).map(str::to_owned);
        if let Some(found) = &found {
            let html = self.html();
            let options =
                roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
            let document = roxmltree::Document::parse_with_options(&html, options).unwrap();
            let mut texts = document.descendants().filter_map(|node| node.text());
            assert!(texts.any(|text| text.trim() == found), "{found} is in one part only");
        }
        found
    }
}

/// The server; ends with the test.
#[derive(Debug)]
pub(crate) struct MailServer {
    url: String,
    taken: Arc<Mutex<Vec<Mail>>>,
    running: JoinHandle<()>,
}

impl MailServer {
    pub(crate) async fn begin() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = taken.clone();
        let running = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, kept.clone()));
            }
        });
        Self { url, taken, running }
    }

    /// For `REGULARS_SMTP_URL`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Every mail to `address` so far, the first first.
    pub(crate) fn to(&self, address: &str) -> Vec<Mail> {
        self.taken.lock().unwrap().iter().filter(|mail| mail.to == address).cloned().collect()
    }

    /// How many mails there are to anybody.
    pub(crate) fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    pub(crate) fn end(&self) {
        self.running.abort();
    }
}

/// SMTP, as far as it takes mail: RFC 5321 without extensions. Of addresses that begin with `no-such-mailbox` there are none.
async fn converse(stream: TcpStream, taken: Arc<Mutex<Vec<Mail>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut to, mut raw, mut in_data) = (String::new(), String::new(), false);
    if write.write_all(b"220 test\r\n").await.is_err() {
        return;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match line.as_str() {
            "." if in_data => {
                in_data = false;
                let mail = Mail { to: std::mem::take(&mut to), raw: std::mem::take(&mut raw) };
                taken.lock().unwrap().push(mail);
                "250 taken"
            }
            _ if in_data => {
                raw.push_str(line.strip_prefix('.').unwrap_or(&line));
                raw.push_str("\r\n");
                continue;
            }
            "DATA" => {
                in_data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            gone if gone.starts_with("RCPT TO:<no-such-mailbox") => "550 5.1.1 no such mailbox",
            rcpt if rcpt.starts_with("RCPT TO:<") => {
                to = rcpt["RCPT TO:<".len()..].split('>').next().unwrap_or_default().to_owned();
                "250 fine"
            }
            _ => "250 fine",
        };
        if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || answer.starts_with("221") {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mail;

    const TOKEN: &str = "-abcdefghijklmnopqrstuvwxyz0123456789_ABCDEF";

    fn mail(shown: &str) -> Mail {
        let head = "Message-ID: <7@shop.example>\r\nContent-Type: multipart/alternative; boundary=b\r\n";
        let text = format!("--b\r\nContent-Type: text/plain\r\n\r\nHello,\r\n\r\n{shown}\r\n");
        let html = format!("--b\r\nContent-Type: text/html\r\n\r\n<p>{shown}</p>\r\n--b--\r\n");
        Mail { to: "anna@example.org".to_owned(), raw: format!("{head}\r\n{text}{html}") }
    }

    #[test]
    fn a_token_is_found_in_its_link_and_on_its_own() {
        let link = format!("https://shop.example/sign-in?lang=nl#token={TOKEN}");
        let found = mail(&link);
        assert_eq!((found.link(), found.token()), (Some(link.clone()), Some(TOKEN.to_owned())));
        let found = mail(TOKEN);
        assert_eq!((found.link(), found.token(), found.code()), (None, Some(TOKEN.to_owned()), None));
    }
}
