//! A mail server for one test: takes every mail and keeps it, so that a test reads codes as the owner of a mailbox does.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// To which mailbox.
    pub(crate) to: String,
    /// Headers, an empty line and the text.
    pub(crate) text: String,
}

impl Mail {
    /// The code in it, if it has one: six digits on a line of their own.
    pub(crate) fn code(&self) -> Option<String> {
        let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        self.text.lines().map(str::trim).find(is_code).map(str::to_owned)
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

/// SMTP, as far as it takes mail: RFC 5321 without extensions.
async fn converse(stream: TcpStream, taken: Arc<Mutex<Vec<Mail>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut to, mut text, mut in_data) = (String::new(), String::new(), false);
    if write.write_all(b"220 test\r\n").await.is_err() {
        return;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match line.as_str() {
            "." if in_data => {
                in_data = false;
                let mail = Mail { to: std::mem::take(&mut to), text: std::mem::take(&mut text) };
                taken.lock().unwrap().push(mail);
                "250 taken"
            }
            _ if in_data => {
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
                text.push('\n');
                continue;
            }
            "DATA" => {
                in_data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
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
