//! Asks the servers and Sentinels of the group.

use crate::{
    decide::{Claim, Node},
    info::Info,
    options::Config,
    settings::{self, SettingsError},
};
use purr_store::{History, Link, LinkConfig, StoreError, history};
use redis::{
    Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError,
    aio::MultiplexedConnection,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// Time limit of one question, connection included. A node that takes longer counts as not answering.
pub const LIMIT: Duration = Duration::from_secs(2);

/// The setting that announces a candidate's epoch: a text that ends with its process, is accessible to administrators
/// alone, and has no effect on Redis. (A replica cannot write a key.)
const TOLD: &str = "proc-title-template";
const TOLD_BEFORE: &str = " epoch:";

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no answer within {LIMIT:?}")]
    Late,
    #[error(transparent)]
    Connection(#[from] StoreError),
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// The destination of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// This node's own server, by its socket.
    Here,
    Server(Node),
    Sentinel(Node),
}

/// The state of the group by one Sentinel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub claim: Option<Claim>,
    /// The master that it names to clients: during a failover the new one, as soon as it is promoted.
    pub names: Option<Node>,
    /// The epoch of its claim.
    pub epoch: u64,
}

/// Connections are kept, because every node asks every other one once a second.
pub struct Nodes {
    config: Config,
    link: Link,
    held: Mutex<HashMap<To, MultiplexedConnection>>,
}

impl Nodes {
    pub fn new(config: Config) -> Self {
        let link = Link::new(LinkConfig {
            sentinels: Vec::new(),
            master: config.master_name.clone(),
            user: "admin".into(),
            password_file: config.password_dir.join("admin"),
            ca_file: config.tls_dir.join("ca.crt"),
        });
        Self { config, link, held: Mutex::default() }
    }

    /// # Errors
    /// Where there is no answer in time, or it is an error.
    pub async fn ask<T: FromRedisValue>(&self, to: To, question: &Pipeline) -> Result<T, AskError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&to);
        let asking = async {
            if let Some(mut connection) = held {
                match question.query_async(&mut connection).await {
                    Ok(answer) => return Ok((answer, connection)),
                    // The server may have restarted since.
                    Err(error) if error.is_io_error() || error.is_connection_dropped() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let mut connection = self.connect(to).await?;
            let answer = question.query_async(&mut connection).await?;
            Ok::<_, AskError>((answer, connection))
        };
        let (answer, connection) = timeout(LIMIT, asking).await.map_err(|_| AskError::Late)??;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(to, connection);
        Ok(answer)
    }

    async fn connect(&self, to: To) -> Result<MultiplexedConnection, AskError> {
        let names = &self.config.names;
        match to {
            To::Server(node) => Ok(self.link.node(names.name(node), names.port).await?),
            To::Sentinel(node) => Ok(self.link.node(names.name(node), self.config.sentinel_port).await?),
            To::Here => {
                let password = settings::password(&self.config, "admin")?;
                let user = RedisConnectionInfo::default().set_username("admin").set_password(password);
                let info = ConnectionAddr::Unix(self.config.socket()).into_connection_info()?;
                Ok(Client::open(info.set_redis_settings(user))?.get_multiplexed_async_connection().await?)
            }
        }
    }

    /// The server's view of its replication; silent where it does not answer.
    pub async fn info(&self, to: To) -> Info {
        let mut question = redis::pipe();
        question.cmd("INFO").arg("replication");
        let answer: Result<(String,), AskError> = self.ask(to, &question).await;
        answer.map(|(text,)| Info::parse(&text, &self.config.names)).unwrap_or_default()
    }

    /// Returns the history of a candidate and the epoch that it announces.
    pub async fn candidate(&self, to: To) -> Option<(History, Option<u64>)> {
        let mut question = redis::pipe();
        question.cmd("EVAL_RO").arg(history::SCRIPT).arg(0);
        question.cmd("CONFIG").arg("GET").arg(TOLD);
        let (text, (_, title)): (String, (String, String)) = self.ask(to, &question).await.ok()?;
        let told = title.rsplit_once(TOLD_BEFORE).and_then(|(_, epoch)| epoch.parse().ok());
        Some((text.parse().ok()?, told))
    }

    /// Lets other candidates read this epoch.
    pub async fn tell_epoch(&self, epoch: u64) -> Result<(), AskError> {
        let title = format!("{{title}} {{listen-addr}} {{server-mode}}{TOLD_BEFORE}{epoch}");
        self.command(&["CONFIG", "SET", TOLD, &title]).await.map(drop)
    }

    pub async fn sentinel(&self, node: Node) -> Said {
        let (mut question, name) = (redis::pipe(), &self.config.master_name);
        question.cmd("SENTINEL").arg("MASTER").arg(name);
        question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        type Answer = (HashMap<String, String>, Option<(String, u16)>);
        let answer: Result<Answer, AskError> = self.ask(To::Sentinel(node), &question).await;
        let Ok((fields, named)) = answer else { return Said::default() };
        let epoch = fields.get("config-epoch").and_then(|text| text.parse().ok()).unwrap_or(0);
        let names = &self.config.names;
        let claim = fields.get("ip").map(|host| Claim { epoch, master: names.node(host) });
        Said { claim, names: named.and_then(|(host, _)| names.node(&host)), epoch }
    }

    /// Sends one command to this node's own server.
    pub async fn command(&self, words: &[&str]) -> Result<redis::Value, AskError> {
        self.command_to(To::Here, words).await
    }

    pub async fn command_to(&self, to: To, words: &[&str]) -> Result<redis::Value, AskError> {
        let mut question = redis::pipe();
        let (command, arguments) = words.split_first().unwrap_or((&"PING", &[]));
        question.cmd(command).arg(arguments);
        let (answer,): (redis::Value,) = self.ask(to, &question).await?;
        Ok(answer)
    }
}
