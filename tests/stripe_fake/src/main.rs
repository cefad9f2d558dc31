//! The same Stripe as a process, for tests of processes: it prints its address, then does what each line of its standard
//! input says, and answers each with a line of JSON.
//!
//! `advance SECONDS`, `confirm SUBSCRIPTION`, `webhook URL SECRET` (in place of those before), `deliver`, `fault METHOD PATH KIND`, `mend`, `requests METHOD PATH` (how many),
//! `subscriptions` and `charges`; the kinds are `reset` and `hang`, both after the work was done.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use stripe_fake::{Card, Fake, Fault, FaultKind};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "it begins when the shop that asks it does")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let fake = Fake::start_at(i64::try_from(now.as_secs())?).await;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", fake.url())?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        writeln!(output, "{}", done(&fake, &words).await?)?;
        output.flush()?;
    }
    Ok(())
}

async fn done(fake: &Fake, words: &[&str]) -> Result<Value, Box<dyn Error>> {
    Ok(match words {
        ["advance", seconds] => {
            fake.advance(Duration::from_secs(seconds.parse()?));
            Value::Null
        }
        ["confirm", subscription] => json!(fake.confirm(subscription, Card::Visa).is_ok()),
        ["fault", method, path, kind] => {
            let kind = match *kind {
                "reset" => FaultKind::ResetAfterCommit,
                "hang" => FaultKind::HangAfterCommit,
                other => return Err(format!("no such kind of fault: {other}").into()),
            };
            fake.fault(Fault::once(method, path, kind));
            Value::Null
        }
        ["mend"] => {
            fake.mend();
            Value::Null
        }
        ["requests", method, path] => {
            let fits =
                |request: &&stripe_fake::Request| request.method == *method && request.path.starts_with(path);
            json!(fake.requests().iter().filter(fits).count())
        }
        ["webhook", url, secret] => {
            fake.forget_webhooks();
            fake.webhook(url, secret);
            Value::Null
        }
        ["deliver"] => json!(fake.deliver_all().await),
        ["subscriptions"] => fake.subscriptions().into(),
        ["charges"] => {
            let charge = |charge: stripe_fake::Charge| json!({ "invoice": charge.invoice, "amount": charge.amount, "refunded": charge.refunded });
            fake.charges().into_iter().map(charge).collect()
        }
        _ => return Err(format!("what is {}?", words.join(" ")).into()),
    })
}
