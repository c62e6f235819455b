//! Finds the master of a Sentinel group and connects to it.

use crate::types::StoreError;
use clap::Args;
use futures::{StreamExt, future::join_all};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    TlsCertificates,
    aio::{MultiplexedConnection, PubSub},
    io::tcp::TcpSettings,
};
use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    time::Duration,
};
use tokio::time::timeout;

/// The group that tables commit to.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Sentinels of the table store, comma-separated host:port
    #[arg(long, env = "PURR_STORE_SENTINELS", value_delimiter = ',', required = true)]
    pub store_sentinels: Vec<String>,
    /// Name under which the Sentinels know the master
    #[arg(long, env = "PURR_STORE_MASTER", default_value = "purr")]
    pub store_master: String,
    /// ACL user
    #[arg(long, env = "PURR_STORE_USER")]
    pub store_user: String,
    /// File that holds the user's password
    #[arg(long, env = "PURR_STORE_PASSWORD_FILE")]
    pub store_password_file: PathBuf,
}

/// The group for what may be lost: refresh sessions, revocations, summaries.
#[derive(Args, Clone, Debug)]
pub struct SessionsArgs {
    /// Sentinels of the sessions group, comma-separated host:port
    #[arg(long, env = "PURR_SESSIONS_SENTINELS", value_delimiter = ',', required = true)]
    pub sessions_sentinels: Vec<String>,
    /// Name under which the Sentinels know the master
    #[arg(long, env = "PURR_SESSIONS_MASTER", default_value = "sessions")]
    pub sessions_master: String,
    /// ACL user
    #[arg(long, env = "PURR_SESSIONS_USER")]
    pub sessions_user: String,
    /// File that holds the user's password
    #[arg(long, env = "PURR_SESSIONS_PASSWORD_FILE")]
    pub sessions_password_file: PathBuf,
}

/// A client's configuration of a Sentinel group.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    pub sentinels: Vec<(String, u16)>,
    pub master: String,
    pub user: String,
    pub password_file: PathBuf,
    /// PEM file of the CA that signed the servers' certificates.
    pub ca_file: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not host:port")]
pub struct BadAddress(String);

fn addresses(list: &[String]) -> Result<Vec<(String, u16)>, BadAddress> {
    let parse = |text: &String| {
        let (host, port) = text.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
    };
    list.iter().map(|text| parse(text).ok_or_else(|| BadAddress(text.clone()))).collect()
}

impl StoreArgs {
    pub fn link(&self, ca_file: PathBuf) -> Result<LinkConfig, BadAddress> {
        Ok(LinkConfig {
            sentinels: addresses(&self.store_sentinels)?,
            master: self.store_master.clone(),
            user: self.store_user.clone(),
            password_file: self.store_password_file.clone(),
            ca_file,
        })
    }
}

impl SessionsArgs {
    pub fn link(&self, ca_file: PathBuf) -> Result<LinkConfig, BadAddress> {
        Ok(LinkConfig {
            sentinels: addresses(&self.sessions_sentinels)?,
            master: self.sessions_master.clone(),
            user: self.sessions_user.clone(),
            password_file: self.sessions_password_file.clone(),
            ca_file,
        })
    }
}

/// Time to connect and log in to one server.
const CONNECT: Duration = Duration::from_secs(2);
/// Time for one answer. Longer than any WAIT in this crate, or every WAIT would look like a fault.
pub(crate) const RESPONSE: Duration = Duration::from_secs(4);

/// Silence after which a subscription's server is pinged.
const LISTEN_PING: Duration = Duration::from_secs(5);

/// Why a server of the group cannot be used.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("{}: {error}", .path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("{}: not UTF-8", .0.display())]
    Password(PathBuf),
    #[error("time-out")]
    TimeOut,
    #[error("knows no master {0}")]
    NoMaster(String),
    #[error("{0} is not the master any more")]
    Replaced(String),
    #[error("master {host}: {error}")]
    Master { host: String, error: Box<LinkError> },
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
}

/// Finds the master through any Sentinel, anew for each connection, which is how it follows failovers.
#[derive(Clone, Debug)]
pub struct Link {
    config: LinkConfig,
}

impl Link {
    pub fn new(config: LinkConfig) -> Self {
        Self { config }
    }

    /// Opens a new connection to the master. The server itself is asked for its role, because a Sentinel's information
    /// may be old.
    pub async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        self.master().await.map(|(connection, _)| connection)
    }

    /// Subscribes to a channel of the master. Messages from before the subscription or during a broken connection are
    /// lost, so a channel is only a hint beside a record.
    pub async fn subscribe(&self, channel: &str) -> Result<Channel, StoreError> {
        let (_, (host, port)) = self.master().await?;
        let subscribing = async {
            let client = self.client(&host, port)?;
            let mut pubsub = client.get_async_pubsub().await?;
            pubsub.subscribe(channel).await?;
            Ok::<_, LinkError>(Channel { pubsub })
        };
        let subscribed = timeout(CONNECT * 2, subscribing).await.unwrap_or(Err(LinkError::TimeOut));
        subscribed.map_err(|problem| StoreError::Unavailable(format!("{host}: {problem}")))
    }

    async fn master(&self) -> Result<(MultiplexedConnection, (String, u16)), StoreError> {
        let mut problems = Vec::new();
        for (host, port) in &self.config.sentinels {
            match self.try_sentinel(host, *port).await {
                Ok(master) => return Ok(master),
                Err(problem) => problems.push(format!("{host}: {problem}")),
            }
        }
        Err(StoreError::Unavailable(problems.join("; ")))
    }

    async fn try_sentinel(
        &self,
        host: &str,
        port: u16,
    ) -> Result<(MultiplexedConnection, (String, u16)), LinkError> {
        let mut sentinel = self.open(host, port).await?;
        let master: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.config.master)
            .query_async(&mut sentinel)
            .await?;
        let (host, port) = master.ok_or_else(|| LinkError::NoMaster(self.config.master.clone()))?;
        let of_master = |error| LinkError::Master { host: host.clone(), error: Box::new(error) };
        let mut connection = self.open(&host, port).await.map_err(of_master)?;
        if is_master(&mut connection).await? {
            Ok((connection, (host, port)))
        } else {
            Err(LinkError::Replaced(host))
        }
    }

    /// The nodes that say they are the group's master, of all nodes that any Sentinel knows: more than one is a split
    /// brain. Unreachable nodes are left out.
    ///
    /// # Errors
    /// Where no Sentinel answers.
    pub async fn masters(&self) -> Result<Vec<String>, StoreError> {
        let asked = self.config.sentinels.iter().map(|(host, port)| async move {
            self.nodes(host, *port).await.map_err(|error| format!("{host}: {error}"))
        });
        let told = join_all(asked).await;
        if told.iter().all(Result::is_err) {
            let problems = told.into_iter().filter_map(Result::err).collect::<Vec<_>>();
            return Err(StoreError::Unavailable(problems.join("; ")));
        }
        let nodes: BTreeSet<(String, u16)> = told.into_iter().flatten().flatten().collect();
        let asked = nodes.into_iter().map(|(host, port)| async move {
            let mut connection = self.open(&host, port).await?;
            Ok::<_, LinkError>(is_master(&mut connection).await?.then_some(host))
        });
        let answers = join_all(asked).await;
        // A node that is down is no master; neither is one that does not answer.
        Ok(answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect())
    }

    /// Returns the nodes that one Sentinel knows: the master and its replicas.
    async fn nodes(&self, host: &str, port: u16) -> Result<Vec<(String, u16)>, LinkError> {
        let mut sentinel = self.open(host, port).await?;
        let ask = |what: &str| redis::cmd("SENTINEL").arg(what).arg(&self.config.master).to_owned();
        let master: Option<(String, u16)> = ask("GET-MASTER-ADDR-BY-NAME").query_async(&mut sentinel).await?;
        let replicas: Vec<HashMap<String, String>> = ask("REPLICAS").query_async(&mut sentinel).await?;
        let address = |fields: HashMap<String, String>| {
            Some((fields.get("ip")?.clone(), fields.get("port")?.parse().ok()?))
        };
        Ok(master.into_iter().chain(replicas.into_iter().filter_map(address)).collect())
    }

    /// A connection to one server of the group, whatever its role: a data node or a Sentinel.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it does not answer.
    pub async fn node(&self, host: &str, port: u16) -> Result<MultiplexedConnection, StoreError> {
        self.open(host, port).await.map_err(|problem| StoreError::Unavailable(format!("{host}: {problem}")))
    }

    fn client(&self, host: &str, port: u16) -> Result<Client, LinkError> {
        let config = &self.config;
        // Read for each connection, because passwords and certificates are rotated while the program runs.
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| LinkError::File { path: path.clone(), error })
        };
        let password = String::from_utf8(read(&config.password_file)?)
            .map_err(|_| LinkError::Password(config.password_file.clone()))?;
        let settings =
            RedisConnectionInfo::default().set_username(&config.user).set_password(password.trim());
        let address =
            ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None };
        let info: ConnectionInfo = address.into_connection_info()?;
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(read(&config.ca_file)?) };
        // A commit is a few small packets: with Nagle's algorithm each would wait 40 ms for an acknowledgement.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        Ok(Client::build_with_tls(info, certificates)?)
    }

    async fn open(&self, host: &str, port: u16) -> Result<MultiplexedConnection, LinkError> {
        let client = self.client(host, port)?;
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE));
        // The crate's own time-out covers the socket, not the name look-up and the log-in.
        let opened = timeout(CONNECT * 2, client.get_multiplexed_async_connection_with_config(&limits));
        Ok(opened.await.map_err(|_| LinkError::TimeOut)??)
    }
}

/// Asked of the server itself.
async fn is_master(connection: &mut MultiplexedConnection) -> Result<bool, LinkError> {
    let role: redis::Value = redis::cmd("ROLE").query_async(connection).await?;
    Ok(match &role {
        redis::Value::Array(items) => {
            matches!(items.first(), Some(redis::Value::BulkString(name)) if name == b"master")
        }
        _ => false,
    })
}

/// A subscription.
pub struct Channel {
    pubsub: PubSub,
}

impl Channel {
    /// The next message; `None` once the connection has ended, or the server does not answer.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let next = timeout(LISTEN_PING, self.pubsub.on_message().next()).await;
            if let Ok(message) = next {
                return message.map(|message| message.get_payload().unwrap_or_default());
            }
            // A vanished server is silent, and so is a channel without messages: a ping distinguishes them.
            timeout(CONNECT, self.pubsub.ping::<redis::Value>()).await.ok()?.ok()?;
        }
    }
}
