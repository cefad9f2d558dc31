//! `regulars mail bounces`: takes reports of bounces and complaints out of a mailbox.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write, stderr, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use mail_parser::mailbox::mbox::MessageIterator;

use super::config;
use crate::app::App;
use crate::config::ConfigArgs;
use crate::consent::bounces::read::report;
use crate::consent::bounces::{self, Taken};

/// A report that is longer is none.
const LONGEST: usize = 1 << 20;

/// What to do about the shop's mail.
#[derive(Debug, Args)]
pub(super) struct MailArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Takes reports of bounces and complaints: one mail, or a mailbox (mbox) of them; taking them again changes nothing
    Bounces(BouncesArgs),
}

/// Where the reports are.
#[derive(Clone, Debug, Args)]
struct BouncesArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file, or - for standard input
    file: PathBuf,
}

/// Takes them; answers 1 if any mail was no report, else 0.
pub(super) async fn run(args: MailArgs) -> anyhow::Result<ExitCode> {
    let What::Bounces(args) = args.what;
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(stdin())
    } else {
        Box::new(File::open(&args.file).with_context(|| format!("reading {}", args.file.display()))?)
    };
    let app = App::build(config(args.config)?).await?;
    let (mut taken, mut unreadable) = (Taken::default(), 0_u32);
    let mut number = 0_u32;
    for mail in mails(BufReader::new(input))? {
        let mail = mail.context("reading the mails")?;
        number += 1;
        let told = if mail.len() <= LONGEST { report(&mail).ok() } else { None };
        if let Some(told) = told {
            let more = bounces::take(&app, &told).await;
            taken.add(more.map_err(|fault| anyhow::anyhow!("{}", fault.for_operator()))?);
        } else {
            unreadable += 1;
            // Nobody reads on when standard error is closed; the totals still count the mail.
            let _ = writeln!(stderr(), "mail {number} is no report");
        }
    }
    writeln!(stdout(), "{taken}{:<12} {unreadable:>8}", "no report").context("writing the totals")?;
    Ok(if unreadable > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

type Mails = Box<dyn Iterator<Item = std::io::Result<Vec<u8>>>>;

/// The mails of a mailbox; a file that is none is one mail.
fn mails(mut input: BufReader<Box<dyn Read>>) -> anyhow::Result<Mails> {
    if input.fill_buf().context("reading the mails")?.starts_with(b"From ") {
        let mails = MessageIterator::new(input);
        return Ok(Box::new(
            mails.map(|mail| mail.map(mail_parser::mailbox::mbox::Message::unwrap_contents)),
        ));
    }
    let most = u64::try_from(LONGEST)?.saturating_add(1);
    let mut mail = Vec::new();
    input.take(most).read_to_end(&mut mail).context("reading the mail")?;
    Ok(Box::new(std::iter::once(Ok(mail))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl Into<Vec<u8>>) -> Vec<Vec<u8>> {
        let input: Box<dyn Read> = Box::new(std::io::Cursor::new(text.into()));
        mails(BufReader::new(input)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_mailbox_is_read_mail_by_mail_and_a_mail_as_one() {
        let two = "From mx@example.org Thu Jan 15 12:00:00 2026\nSubject: One\n\nText\n>From here\n\n\
                   From mx@example.org Thu Jan 15 12:00:01 2026\nSubject: Two\n\nText\n";
        let subjects: Vec<String> = read(two)
            .iter()
            .map(|mail| String::from_utf8_lossy(mail).lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(subjects, ["Subject: One", "Subject: Two"]);
        assert_eq!(read("Subject: One\n\nFrom here on\n"), [b"Subject: One\n\nFrom here on\n"]);
        assert_eq!(read(""), [b""]);
    }

    #[test]
    fn of_a_mail_without_end_no_more_is_read_than_tells_that_it_is_too_long() {
        assert_eq!(read(vec![b'x'; 3 * LONGEST])[0].len(), LONGEST + 1);
    }
}
