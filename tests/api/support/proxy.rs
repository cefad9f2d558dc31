//! A door to `PostgreSQL` that counts the statements that go through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The door.
#[derive(Debug)]
pub(crate) struct CountingProxy {
    executed: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl CountingProxy {
    /// Opens a door to the server of `url`; answers it and the URL that goes through it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let (_, after) = url.split_once('@').expect("a user in the URL");
        let (server, database) = after.split_once('/').expect("a database in the URL");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let executed = Arc::new(AtomicUsize::new(0));
        let (server, counted) = (server.to_owned(), executed.clone());
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_server, to_client));
                tokio::spawn(count(from_client, to_server, counted.clone()));
            }
        });
        let through = format!("postgres://postgres@{address}/{database}?sslmode=disable");
        (Self { executed, running }, through)
    }

    /// Statements so far.
    pub(crate) fn executed(&self) -> usize {
        self.executed.load(Ordering::SeqCst)
    }

    pub(crate) fn end(self) {
        self.running.abort();
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // Either side may be gone at the end of the test.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

/// Messages of a client have a letter and a length, all but the first, which has only a length. `E` executes a prepared
/// statement, `Q` a text.
async fn count(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, executed: Arc<AtomicUsize>) {
    let mut is_first = true;
    loop {
        let mut head = Vec::new();
        if !is_first {
            let Ok(letter) = from.read_u8().await else { return };
            head.push(letter);
            if matches!(letter, b'E' | b'Q') {
                executed.fetch_add(1, Ordering::SeqCst);
            }
        }
        is_first = false;
        let Ok(length) = from.read_u32().await else { return };
        head.extend(length.to_be_bytes());
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        if from.read_exact(&mut body).await.is_err() || to.write_all(&[head, body].concat()).await.is_err() {
            return;
        }
    }
}
