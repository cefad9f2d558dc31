//! What a process is started with: command line over environment over `regulars.toml` over defaults, validated once.

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use crate::billing::setup::{PaymentArgs, PaymentConfig};
use crate::consent::bounces::signed::WebhookSecret;
use crate::db::DbOptions;
use crate::messages::hook::HookConfig;
use crate::messages::mailer;

/// Where a server is reached that was not told.
const PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// Settings of a process. Each is a flag, an environment variable and a line in `regulars.toml`.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// `sqlite://FILE?mode=rwc` or `postgres://USER:PASSWORD@HOST/DATABASE`
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite://regulars.db?mode=rwc",
        hide_env_values = true
    )]
    pub database_url: SecretString,
    /// Database connections of this process; on `PostgreSQL` it takes two at least
    #[arg(long, env = "REGULARS_DATABASE_CONNECTIONS", default_value_t = 16)]
    pub database_connections: u32,
    /// Start although `PostgreSQL` runs with `synchronous_commit=off` and may forget acknowledged points
    #[arg(long, env = "REGULARS_ALLOW_ASYNCHRONOUS_COMMIT", default_value_t = false)]
    pub allow_asynchronous_commit: bool,
    /// `development` shows GraphiQL and writes mail to the log; `production` does neither
    #[arg(long, env = "REGULARS_MODE", value_enum, default_value_t = Mode::Development)]
    pub mode: Mode,
    /// Where storefronts and apps reach this server; the `iss` of its tokens. `http://127.0.0.1:8080` if not given; the demo
    /// takes the address it listens on
    #[arg(long, env = "REGULARS_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Outgoing mail: `smtps://USER:PASSWORD@HOST`, `smtp://HOST:PORT?tls=required`, `smtp://HOST:PORT` without TLS;
    /// required in production. `file:///DIRECTORY` writes each mail to a file, in development only
    #[arg(long, env = "REGULARS_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<SecretString>,
    /// From whom mails come
    #[arg(long, env = "REGULARS_MAIL_FROM", default_value = "Regulars <no-reply@localhost>")]
    pub mail_from: String,
    /// What signs reports of bounces and complaints, as Standard Webhooks has it: `whsec_` and base64. Without it
    /// `/webhooks/mail` is not there
    #[arg(long, env = "REGULARS_MAIL_WEBHOOK_SECRET", hide_env_values = true)]
    pub mail_webhook_secret: Option<SecretString>,
    /// Where messages to phones and devices are told: `https://…`, signed as Standard Webhooks has it
    #[arg(long, env = "REGULARS_MESSAGE_HOOK_URL", hide_env_values = true)]
    pub message_hook_url: Option<String>,
    /// What signs them: `whsec_` and 24 to 64 bytes in base64
    #[arg(long, env = "REGULARS_MESSAGE_HOOK_SECRET", hide_env_values = true)]
    pub message_hook_secret: Option<SecretString>,
    /// Seconds after which work that a worker never ended is taken up again, 5 to 3,600; work stops itself before
    #[arg(long, env = "REGULARS_JOB_LEASE_SECONDS", default_value_t = 60)]
    pub job_lease_seconds: u32,
    /// Web origins that may call the API from a browser, such as `https://shop.example`
    #[arg(long, env = "REGULARS_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// Proxies whose `Forwarded` and `X-Forwarded-For` are believed: addresses and networks, such as `10.0.0.0/8`
    #[arg(long, env = "REGULARS_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Password hashes computed at once, by default on half the cores, at most 4; each takes 19 MiB for its time
    #[arg(long, env = "REGULARS_PASSWORD_HASHES", default_value_t = hashes_at_once())]
    pub password_hashes: usize,
    /// Who takes payments.
    #[command(flatten)]
    pub payments: PaymentArgs,
    /// What one request may ask for.
    #[command(flatten)]
    pub limits: Limits,
    /// How much somebody may ask for.
    #[command(flatten)]
    pub rate_limits: RateLimits,
}

/// What one GraphQL request may ask for; more is refused before anything runs.
#[derive(Clone, Copy, Debug, Args)]
pub struct Limits {
    /// Bytes of a request's body
    #[arg(long, env = "REGULARS_MAX_BODY_BYTES", default_value_t = 262_144)]
    pub max_body_bytes: usize,
    /// Tokens of a GraphQL document
    #[arg(long, env = "REGULARS_MAX_TOKENS", default_value_t = 2_000)]
    pub max_tokens: u32,
    /// Fields on the longest path of an operation
    #[arg(long, env = "REGULARS_MAX_DEPTH", default_value_t = 12)]
    pub max_depth: u32,
    /// Aliases of an operation
    #[arg(long, env = "REGULARS_MAX_ALIASES", default_value_t = 30)]
    pub max_aliases: u32,
    /// Fields directly under the root of an operation
    #[arg(long, env = "REGULARS_MAX_ROOT_FIELDS", default_value_t = 10)]
    pub max_root_fields: u32,
    /// Directives of an operation
    #[arg(long, env = "REGULARS_MAX_DIRECTIVES", default_value_t = 50)]
    pub max_directives: u32,
    /// Cost of an operation: objects it may read, by its own page sizes
    #[arg(long, env = "REGULARS_MAX_COST", default_value_t = 5_000)]
    pub max_cost: u32,
    /// Seconds an operation may run before it is stopped
    #[arg(long, env = "REGULARS_MAX_SECONDS", default_value_t = 10)]
    pub max_seconds: u32,
}

/// How often somebody may ask, in any minute unless another time is named; 0 is no limit.
///
/// The defaults are several times what people and shops were seen to do, and far below what hurts:
///
/// - 600 a minute are ten a second for a whole minute: an eager app reads a few a second, and a small office behind one
///   address is many people.
/// - 12,000 for an API key are 200 a second, above the checkout peak of a large shop, and little beside what one instance
///   can serve.
/// - 20 tries of passwords and codes from one address are a classroom signing in, and make guessing pointless; a server of
///   the shop that signs people in sends its API key or is a trusted proxy, and is then not counted as one person.
/// - 120 refreshes from one address are 1,800 signed-in devices behind it, each renewing its quarter of an hour.
/// - 10 tries in ten minutes for one mailbox, from wherever: more than anybody mistypes, and 1,440 guesses a day at most.
///   Somebody who goes on trying can keep the owner of a mailbox from signing in meanwhile; who is signed in stays so.
#[derive(Clone, Copy, Debug, Args)]
pub struct RateLimits {
    /// Anonymous requests from one address (IPv6: one /64) in a minute, and as many with rejected credentials; 0 is no limit
    #[arg(long, env = "REGULARS_MAX_REQUESTS_PER_ADDRESS", default_value_t = 600)]
    pub max_requests_per_address: u32,
    /// Requests of one customer or member of staff in a minute; 0 is no limit
    #[arg(long, env = "REGULARS_MAX_REQUESTS_PER_ACCOUNT", default_value_t = 600)]
    pub max_requests_per_account: u32,
    /// Requests with one API key in a minute; 0 is no limit
    #[arg(long, env = "REGULARS_MAX_REQUESTS_PER_API_KEY", default_value_t = 12_000)]
    pub max_requests_per_api_key: u32,
    /// Tries of passwords and codes, and requests for codes, from one address in a minute; 0 is no limit. As many codes that
    /// are no coupon's, counted apart
    #[arg(long, env = "REGULARS_MAX_CREDENTIALS_PER_ADDRESS", default_value_t = 20)]
    pub max_credentials_per_address: u32,
    /// Exchanges of refresh tokens from one address in a minute; 0 is no limit
    #[arg(long, env = "REGULARS_MAX_REFRESHES_PER_ADDRESS", default_value_t = 120)]
    pub max_refreshes_per_address: u32,
    /// Tries of passwords and requests for codes for one mailbox in ten minutes, known or not; 0 is no limit
    #[arg(long, env = "REGULARS_MAX_CREDENTIALS_PER_MAILBOX", default_value_t = 10)]
    pub max_credentials_per_mailbox: u32,
}

/// Half the cores, so that a flood of sign-ins leaves the other half to everything else.
fn hashes_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 4))
}

/// Where the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// On a developer's machine.
    Development,
    /// For real customers.
    Production,
}

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub database: DbOptions,
    /// Where the server runs.
    pub mode: Mode,
    /// Where it is reached; without a slash at the end.
    pub public_url: String,
    /// Outgoing mail; none writes it to the log.
    pub smtp_url: Option<SecretString>,
    /// From whom mails come.
    pub mail_from: lettre::message::Mailbox,
    /// What reports of bounces and complaints are signed with; none are taken without it.
    pub mail_webhook: Option<WebhookSecret>,
    /// Where messages to phones and devices are told; nowhere, if none.
    pub message_hook: Option<HookConfig>,
    /// How long a worker may keep a job.
    pub job_lease: Duration,
    /// Web origins that may call from a browser.
    pub cors_origins: Vec<String>,
    /// Whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Password hashes computed at once.
    pub password_hashes: usize,
    /// Who takes payments.
    pub payments: PaymentConfig,
    /// What one request may ask for.
    pub limits: Limits,
    /// How much somebody may ask for.
    pub rate_limits: RateLimits,
}

impl TryFrom<ConfigArgs> for Config {
    type Error = anyhow::Error;

    fn try_from(args: ConfigArgs) -> anyhow::Result<Self> {
        use anyhow::{Context, ensure};

        ensure!((1..=1_000).contains(&args.database_connections), "database connections must be 1 to 1,000");
        ensure!((1..=64).contains(&args.password_hashes), "password hashes at once must be 1 to 64");
        ensure!((5..=3_600).contains(&args.job_lease_seconds), "a job's lease must be 5 to 3,600 seconds");
        for origin in &args.cors_origins {
            ensure!(is_origin(origin), "`{origin}` is no web origin; one looks like https://shop.example");
        }
        ensure!(args.limits.max_seconds > 0, "an operation must have a second at least");
        let production = args.mode == Mode::Production;
        ensure!(
            !production || args.smtp_url.is_some(),
            "production needs REGULARS_SMTP_URL: codes are mailed"
        );
        let to_files = args.smtp_url.as_ref().is_some_and(|url| mailer::is_directory(url.expose_secret()));
        ensure!(!production || !to_files, "production sends mail: REGULARS_SMTP_URL cannot name a directory");
        let database = DbOptions {
            url: args.database_url,
            max_connections: args.database_connections,
            allow_asynchronous_commit: args.allow_asynchronous_commit,
        };
        Ok(Self {
            database,
            mode: args.mode,
            public_url: args.public_url.as_deref().unwrap_or(PUBLIC_URL).trim_end_matches('/').to_owned(),
            smtp_url: args.smtp_url,
            mail_webhook: args.mail_webhook_secret.as_ref().map(webhook_secret).transpose()?,
            mail_from: args.mail_from.parse().context("REGULARS_MAIL_FROM is not a mailbox")?,
            message_hook: HookConfig::check(
                args.message_hook_url.as_deref(),
                args.message_hook_secret,
                production,
            )?,
            job_lease: Duration::from_secs(args.job_lease_seconds.into()),
            cors_origins: args.cors_origins,
            trusted_proxies: args.trusted_proxies,
            password_hashes: args.password_hashes,
            payments: args.payments.check(args.mode)?,
            limits: args.limits,
            rate_limits: args.rate_limits,
        })
    }
}

/// Scheme, host and perhaps a port, as browsers write it: no path, no slash at the end, no wildcard.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    })
}

fn webhook_secret(text: &SecretString) -> anyhow::Result<WebhookSecret> {
    let problem = "REGULARS_MAIL_WEBHOOK_SECRET is not whsec_ and 24 to 64 bytes in base64";
    WebhookSecret::parse(text.expose_secret()).ok_or_else(|| anyhow::anyhow!(problem))
}

/// A network in CIDR notation; a single address is a network of one.
fn network(text: &str) -> Result<IpNet, String> {
    let network = text.trim().parse::<IpNet>().ok();
    let network = network.or_else(|| text.trim().parse::<IpAddr>().ok().map(IpNet::from));
    network.ok_or_else(|| format!("`{text}` is no address or network; one looks like 10.0.0.0/8"))
}
