//! `regulars demo`: a shop to try, on a fresh file, served at once.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::serve;
use crate::app::App;
use crate::config::ConfigArgs;
use crate::demo::{self, Doors};

/// The file of the demo; made anew every time.
const FILE: &str = "regulars-demo.db";

/// Where the demo listens.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address and port
    #[arg(long, env = "REGULARS_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
}

pub(super) async fn run(mut args: DemoArgs) -> anyhow::Result<ExitCode> {
    // Before a shop that is being served is replaced: whoever has the address may be that shop.
    let listener = std::net::TcpListener::bind(&args.listen)
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    // A port that is free is chosen here: tokens name the address before it is listened on.
    let address = listener.local_addr()?;
    drop(listener);
    args.config.public_url.get_or_insert_with(|| format!("http://{address}"));
    for file in [FILE.to_owned(), format!("{FILE}-wal"), format!("{FILE}-shm")] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                bail!("cannot replace {file}: {error}")
            }
            _ => {}
        }
    }
    args.config.database_url = SecretString::from(format!("sqlite://{FILE}?mode=rwc"));
    let app = App::build(super::config(args.config)?).await?;
    let doors = demo::fill(&app).await.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    serve::serve(app, &address.to_string(), true, |address| welcome(&format!("http://{address}"), &doors))
        .await
        .context("serving the demo")
}

fn welcome(url: &str, doors: &Doors) {
    let api_key = doors.api_key.expose_secret();
    let (owner, owner_password) = (doors.owner.0, doors.owner.1.expose_secret());
    let (member, member_password) = (doors.member.0, doors.member.1.expose_secret());
    println!(
        r#"
Koffiebranderij De Zwaluw is open: {orders} orders of 18 months, in {FILE}.

  GraphiQL        {url}
  API key         {api_key}
  staff           {owner}   {owner_password}
  customer        {member}   {member_password}

Paste into GraphiQL, with this in its "Headers" pane for the first three:

  {{ "Authorization": "Bearer {api_key}" }}

1. A member and why she has her points:

  {{ customer(email: "{member}") {{ name points {{ available pending nextExpiries {{ at points }}
      entries(first: 5) {{ nodes {{ kind points rule recordedAt }} }} }} }} }}

2. A new order for her; the same again changes nothing:

  mutation {{ orderRecord(input: {{ externalId: "DEMO-1", email: "{member}", currency: "EUR", idempotencyKey: "demo-1",
      lines: [{{ sku: "KOF-ESP-1000", name: "Espresso Domtoren, 1 kg", quantity: 2, lineTotal: "53.90", taxRate: "0.09" }}] }})
    {{ order {{ id state total {{ amount currency }} }} replayed userErrors {{ code message }} }} }}

3. A member of the paid plan, and what it would have saved somebody without it:

  {{ member: customer(email: "bram.jansen@example.nl") {{ membership {{ state savings {{ saved {{ amount }} net {{ amount }} }} }} }}
    other: customer(email: "carla.bakker@example.nl") {{ wouldHaveSaved(plan: "plus") {{ saved {{ amount }} net {{ amount }} }} }} }}

4. Sign in as Anna, without the header:

  mutation {{ signInWithPassword(input: {{ email: "{member}", password: "{member_password}" }})
    {{ tokens {{ accessToken }} userErrors {{ code message }} }} }}

Ctrl-C stops it.
"#,
        orders = doors.orders,
    );
}
