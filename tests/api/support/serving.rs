//! The server of a test: the real one, on a free port of this machine.

use std::net::SocketAddr;
use std::time::Duration;

use regulars::app::App;
use regulars::http::Server;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Answer, Caller};

/// A server that runs until the test ends.
#[derive(Debug)]
pub(crate) struct Serving {
    address: SocketAddr,
    client: reqwest::Client,
    stop: watch::Sender<bool>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    pub(crate) fn begin(app: App) -> Self {
        let server = Server::bind(app, "127.0.0.1:0").unwrap();
        let address = server.address();
        let (stop, stopped) = watch::channel(false);
        // The server closes a connection that is idle for five seconds: none is used again that it may be closing.
        let client = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(1)).build().unwrap();
        Self { address, client, stop, running: tokio::spawn(server.run(stopped)) }
    }

    /// Sends an operation as `caller` and reads its answer, whatever the status.
    pub(crate) async fn post(&self, caller: &Caller, query: &str, variables: Json) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let request = caller.sign(self.request(Method::POST, "/graphql")).json(&body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// A request of any kind.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn end(self) {
        // Its idle connections would make the server wait for them.
        drop(self.client);
        self.stop.send(true).unwrap();
        self.running.await.unwrap().unwrap();
    }
}
