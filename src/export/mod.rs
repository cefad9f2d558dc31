//! What the shop holds, as files of comma-separated values (RFC 4180, UTF-8) for spreadsheets and other programmes.
//!
//! A file is written page by page in the order of ids: memory and locks do not grow with the shop. Rows that come while
//! it is written may be in it or not. No text in it can become a formula of a spreadsheet: see [`cells`].

mod cells;
mod entries;
mod members;

use entity::id::{CustomerId, EntryId};
use serde_json::json;
use uuid::Uuid;

use crate::app::App;
use crate::audit::{self, Entry};
use crate::error::Fault;
use crate::tx::Tx;
use cells::Sheet;

/// Rows of one page.
const PAGE: u64 = 1_000;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Every customer with the sums of the points account and the tier
    Members,
    /// Every entry of the points ledger
    Entries,
}

impl What {
    /// As files are named.
    pub fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Entries => "entries",
        }
    }

    fn header(self) -> &'static [&'static str] {
        match self {
            Self::Members => &members::HEADER,
            Self::Entries => &entries::HEADER,
        }
    }
}

/// A file on its way.
#[derive(Debug)]
pub struct Export {
    app: App,
    what: What,
    at: At,
}

/// How far it came.
#[derive(Clone, Copy, Debug)]
enum At {
    Begin,
    After(Uuid),
    End,
}

impl Export {
    /// Begins a file; that somebody took it is written down first.
    pub async fn begin(app: &App, what: What) -> Result<Self, Fault> {
        app.change(&what, async |tx: &Tx, what| {
            let entry = Entry {
                act: "export",
                subject: None,
                customer: None,
                detail: json!({ "what": what.name() }),
            };
            audit::record(tx, [entry]).await
        })
        .await?;
        Ok(Self { app: app.clone(), what, at: At::Begin })
    }

    /// The next part of the file; none at its end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut sheet = Sheet::new();
        let after = match self.at {
            At::End => return Ok(None),
            At::After(id) => id,
            At::Begin => {
                sheet.header(self.what.header())?;
                Uuid::nil()
            }
        };
        let db = &self.app.db.read;
        let last = match self.what {
            What::Members => members::page(db, CustomerId(after), &mut sheet).await?.map(|id| id.0),
            What::Entries => entries::page(db, EntryId(after), &mut sheet).await?.map(|id| id.0),
        };
        self.at = last.map_or(At::End, At::After);
        Ok(Some(sheet.finish()?))
    }
}
