//! What reaches a mail server, a directory, and nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use clap::Parser;
use mail_parser::MessageParser;

use super::*;
use crate::config::ConfigArgs;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArgs,
}

fn config(flags: &[&str]) -> anyhow::Result<Config> {
    Arguments::try_parse_from([&["test"], flags].concat()).unwrap().config.try_into()
}

fn over(url: &str) -> Mailer {
    Mailer::new(&config(&["--smtp-url", url, "--mail-from", "Shop <shop@example.com>"]).unwrap()).unwrap()
}

fn mail(subject: &str) -> Mail {
    let words = Rendered {
        subject: subject.to_owned(),
        text: "Hello\nAnna, שלום\n.\n..".to_owned(),
        html: "<p>Hello Anna, שלום</p>".to_owned(),
    };
    Mail {
        id: "00000000-0000-0000-0000-000000000007".to_owned(),
        at: Instant::from_timestamp(1_800_000_000, 0).unwrap(),
        to: EmailAddress::try_from("anna@example.com".to_owned()).unwrap(),
        language: Language::Hebrew,
        words,
    }
}

fn formatted(subject: &str) -> String {
    let flags = ["--mail-from", "Shop <shop@example.com>"];
    let mailer = Mailer::new(&config(&flags).unwrap()).unwrap();
    String::from_utf8(mailer.message(&mail(subject), None).unwrap().formatted()).unwrap()
}

#[test]
fn a_mail_sent_again_is_the_same_to_the_byte() {
    let first = formatted("Your code");
    assert!(first.contains("Message-ID: <00000000-0000-0000-0000-000000000007@example.com>\r\n"), "{first}");
    assert_eq!(first, formatted("Your code"));
}

#[test]
fn a_subject_cannot_begin_another_header() {
    let text = formatted("Shop\r\nBcc: eve@example.com");
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc:")), "{head}");
}

#[test]
fn a_mail_has_text_first_and_html_second_and_says_what_it_is() {
    let raw = formatted("הקוד שלך: 012345 – één");
    assert!(raw.is_ascii() && raw.contains("Subject: =?utf-8?b?"), "{raw}");
    let message = MessageParser::default().parse(raw.as_bytes()).unwrap();
    assert_eq!(message.subject(), Some("הקוד שלך: 012345 – één"));
    assert_eq!(message.message_id(), Some("00000000-0000-0000-0000-000000000007@example.com"));
    assert_eq!(message.date().unwrap().to_timestamp(), 1_800_000_000);
    for (name, value) in [("Content-Language", "he"), ("Auto-Submitted", "auto-generated")] {
        assert_eq!(message.header(name).and_then(|header| header.as_text()), Some(value), "{name}");
    }
    assert!(raw.contains("Content-Type: multipart/alternative;"), "{raw}");
    let kinds: Vec<&str> = raw.lines().filter(|line| line.starts_with("Content-Type: text/")).collect();
    assert_eq!(kinds, ["Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8"]);
    assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), "Hello\nAnna, שלום\n.\n..");
    assert_eq!(message.body_html(0).unwrap().trim_end(), "<p>Hello Anna, שלום</p>");
}

/// Listens for one connection, and tells what was heard on it.
fn server(talk: impl FnOnce(TcpStream) -> String + Send + 'static) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, std::thread::spawn(move || talk(listener.accept().unwrap().0)))
}

/// Takes one mail like a server does and tells what it was given.
fn taking(to_recipient: &'static str, offers: &'static str) -> impl FnOnce(TcpStream) -> String {
    move |mut stream| {
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        stream.write_all(b"220 test\r\n").unwrap();
        let (mut heard, mut in_data) = (String::new(), false);
        for line in lines.map_while(Result::ok) {
            heard.push_str(&line);
            heard.push('\n');
            let answer = match line.as_str() {
                "." => "250 taken",
                _ if in_data => continue,
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                "STARTTLS" => "220 begin",
                hello if hello.starts_with("EHLO") => offers,
                rcpt if rcpt.starts_with("RCPT") => to_recipient,
                _ => "250 fine",
            };
            in_data = answer.starts_with("354");
            stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
            if line == "STARTTLS" {
                heard.push_str(&hello_of_tls(&stream));
                break;
            }
            if line == "." || line == "QUIT" || answer.starts_with('5') {
                break;
            }
        }
        heard
    }
}

/// Says "TLS" if what comes next begins a handshake.
fn hello_of_tls(mut stream: &TcpStream) -> String {
    let mut record = [0; 3];
    stream.read_exact(&mut record).unwrap();
    if record[..2] == [0x16, 0x03] { "TLS".to_owned() } else { format!("{record:?}") }
}

#[tokio::test]
async fn a_mail_reaches_the_server_with_its_recipient() {
    let (address, server) = server(taking("250 fine", "250 test"));
    assert_eq!(over(&format!("smtp://{address}")).send(mail("Your code")).await.unwrap(), Sent::Yes);
    let heard = server.join().unwrap();
    assert!(heard.contains("RCPT TO:<anna@example.com>\n"), "{heard}");
    assert!(heard.contains("Subject: Your code\n"), "{heard}");
}

#[tokio::test]
async fn an_address_that_is_refused_for_good_is_not_tried_again() {
    let (address, server) = server(taking("550 no such user", "250 test"));
    assert_eq!(over(&format!("smtp://{address}")).send(mail("Your code")).await.unwrap(), Sent::Refused);
    server.join().unwrap();
    over("smtp://127.0.0.1:1").send(mail("Your code")).await.unwrap_err();
}

#[tokio::test]
async fn a_refusal_is_taken_for_what_its_status_says() {
    for (answer, expected) in [
        ("550 5.1.1 <anna@example.com> unknown", Some(Sent::NoMailbox("5.1.1".to_owned()))),
        ("554 5.2.1 disabled", Some(Sent::NoMailbox("5.2.1".to_owned()))),
        ("553 no such mailbox", Some(Sent::Refused)),
        // About us, or about today: another time it may arrive.
        ("550 5.4.5 daily limit", None),
        ("550 5.7.1 relaying denied", None),
        ("552 5.2.2 mailbox full", None),
        ("554 no", None),
        ("451 later", None),
    ] {
        let (address, server) = server(taking(answer, "250 test"));
        let sent = over(&format!("smtp://{address}")).send(mail("Your code")).await;
        assert_eq!(sent.ok(), expected, "{answer}");
        server.join().unwrap();
    }
}

#[tokio::test]
async fn after_a_mail_broke_off_none_is_begun_until_the_server_is_there_again() {
    let (address, server) = server(|mut stream| {
        stream.write_all(b"220 test\r\n").unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        for answer in ["250 test", "250 fine", "250 fine", "354 go on"] {
            lines.next().unwrap().unwrap();
            stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        }
        String::new()
    });
    let mailer = over(&format!("smtp://{address}"));
    assert_eq!(mailer.send(mail("One")).await.unwrap(), Sent::Unknown);
    server.join().unwrap();
    // Nobody listens: it is known that nothing was begun.
    mailer.send(mail("Two")).await.unwrap_err();
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_where_tls_is_required() {
    let (address, server) = server(taking("250 fine", "250 test"));
    over(&format!("smtp://{address}?tls=required")).send(mail("Your code")).await.unwrap_err();
    let heard = server.join().unwrap();
    assert!(heard.starts_with("EHLO ") && !heard.contains("MAIL"), "{heard}");
}

#[tokio::test]
async fn tls_begins_before_anything_is_told() {
    let (address, starting) = server(taking("250 fine", "250-test\r\n250 STARTTLS"));
    over(&format!("smtp://{address}?tls=required")).send(mail("Your code")).await.unwrap_err();
    let heard = starting.join().unwrap();
    assert!(heard.ends_with("STARTTLS\nTLS") && !heard.contains("MAIL"), "{heard}");
    let (address, wrapped) = server(|stream| hello_of_tls(&stream));
    over(&format!("smtps://{address}")).send(mail("Your code")).await.unwrap_err();
    assert_eq!(wrapped.join().unwrap(), "TLS");
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_mail() {
    let (address, server) = server(|mut stream| {
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        stream.write_all(b"220 test\r\n").unwrap();
        let mut taken = 0;
        for line in lines.map_while(Result::ok) {
            let answer = match line.as_str() {
                "DATA" => "354 go on",
                "." => "250 taken",
                command if ["EHLO", "MAIL", "RCPT", "NOOP"].iter().any(|name| command.starts_with(name)) => {
                    "250 fine"
                }
                _ => continue,
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
            taken += usize::from(line == ".");
            if taken == 2 {
                break;
            }
        }
        taken.to_string()
    });
    let mailer = over(&format!("smtp://{address}"));
    for _ in 0..2 {
        assert_eq!(mailer.send(mail("Your code")).await.unwrap(), Sent::Yes);
        // A connection goes back in a task of its own.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.join().unwrap(), "2");
}

/// Takes one mail, and is slow to say that it did.
fn slow(mut stream: TcpStream, pause: Duration) -> String {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    stream.write_all(b"220 test\r\n").unwrap();
    let (mut heard, mut in_data) = (String::new(), false);
    for line in lines.map_while(Result::ok) {
        if in_data && line != "." {
            heard.push_str(&line);
            heard.push('\n');
            continue;
        }
        if in_data {
            std::thread::sleep(pause);
            stream.write_all(b"250 taken\r\n").unwrap();
            break;
        }
        in_data = line == "DATA";
        stream.write_all(if in_data { b"354 go on\r\n" } else { b"250 fine\r\n" }).unwrap();
    }
    heard
}

#[tokio::test]
async fn a_mail_never_follows_one_that_was_given_up_on_the_same_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let first = listener.accept().unwrap().0;
        let first = std::thread::spawn(move || slow(first, Duration::from_secs(1)));
        let second = slow(listener.accept().unwrap().0, Duration::ZERO);
        [first.join().unwrap(), second]
    });
    let mut mailer = over(&format!("smtp://{address}"));
    mailer.limit = Duration::from_millis(300);
    assert_eq!(mailer.send(mail("Given up")).await.unwrap(), Sent::Unknown);
    // A connection goes back in a task of its own: were it the first one, the next mail would find it.
    tokio::time::sleep(Duration::from_millis(50)).await;
    mailer.limit = Duration::from_secs(20);
    assert_eq!(mailer.send(mail("Another")).await.unwrap(), Sent::Yes);
    let heard = tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap();
    for (heard, subject) in heard.iter().zip(["Given up", "Another"]) {
        let subjects: Vec<&str> = heard.lines().filter_map(|line| line.strip_prefix("Subject: ")).collect();
        assert_eq!(subjects, [subject]);
    }
}

#[tokio::test]
async fn a_directory_takes_one_file_a_mail() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("new mails");
    let mailer = over(url::Url::from_file_path(&inner).unwrap().as_str());
    for _ in 0..2 {
        assert_eq!(mailer.send(mail("Your code")).await.unwrap(), Sent::Yes);
    }
    let files: Vec<_> = std::fs::read_dir(&inner).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, [inner.join("00000000-0000-0000-0000-000000000007.eml")]);
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), formatted("Your code"));
}

#[tokio::test]
async fn production_sends_mail_to_a_server_only() {
    for url in [&[][..], &["--smtp-url", "file:///tmp/mails"]] {
        config(&[&["--mode", "production"], url].concat()).unwrap_err();
        let settings = Config { mode: Mode::Production, ..config(url).unwrap() };
        Mailer::new(&settings).unwrap_err();
    }
    config(&["--mode", "production", "--smtp-url", "smtps://shop.example"]).unwrap();
}

#[tokio::test]
async fn what_is_no_way_to_send_mail_is_said_without_its_password() {
    for url in [
        "file://mails",
        "http://shop.example",
        "smtp://",
        "shop:secret@mail.example",
        "smtp://u:secret@h?tls=no",
    ] {
        let error = Mailer::new(&config(&["--smtp-url", url]).unwrap()).unwrap_err();
        let said = format!("{error:#} {error:?}");
        assert!(said.contains("REGULARS_SMTP_URL") && !said.contains("secret"), "{said}");
    }
}
