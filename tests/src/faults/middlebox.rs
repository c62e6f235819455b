//! A proxy that opens TLS, as companies have them, and lets no WebSocket through.

use crate::solo::secrets::Secrets;
use purr_runtime::{Callers, tls::public_client_config};
use rustls_pki_types::ServerName;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Time limit and size limit of a request's head.
const HEAD: Duration = Duration::from_secs(10);
const HEAD_MAX: usize = 16 * 1024;

/// The fate of a request for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrades {
    /// Upgrades are answered with status 400 and an HTML page.
    Refused,
    /// The connection is closed.
    Dropped,
    Pass,
}

/// A running proxy; dropping it ends it.
pub struct Middlebox {
    pub address: SocketAddr,
    upgrades: watch::Sender<Upgrades>,
    cut: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Middlebox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    accept: TlsAcceptor,
    connect: TlsConnector,
    to: SocketAddr,
    upgrades: watch::Receiver<Upgrades>,
    cut: Arc<Notify>,
}

impl Middlebox {
    /// # Errors
    /// Where there is no port, or no certificate.
    pub async fn start(to: SocketAddr, upgrades: Upgrades, secrets: &Secrets) -> anyhow::Result<Self> {
        let identity = secrets.identity("middlebox", &["localhost"])?;
        let (upgrades, watched) = watch::channel(upgrades);
        let cut = Arc::new(Notify::new());
        let shared = Shared {
            accept: TlsAcceptor::from(identity.server_config(&Callers::Public)?),
            connect: TlsConnector::from(public_client_config(&secrets.ca_file("public"))?),
            to,
            upgrades: watched,
            cut: cut.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = shared.cut.notified() => {}
                        carried = shared.carry(stream) => {
                            if let Err(error) = carried {
                                tracing::debug!(%error, "middlebox");
                            }
                        }
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, upgrades, cut, task })
    }

    pub fn set(&self, upgrades: Upgrades) {
        self.upgrades.send_replace(upgrades);
    }

    /// Every connection breaks off.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }
}

impl Shared {
    async fn carry(&self, near: TcpStream) -> io::Result<()> {
        near.set_nodelay(true)?;
        let mut near = self.accept.accept(near).await?;
        let mut head = Vec::new();
        let reading = async {
            while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_MAX {
                if near.read_buf(&mut head).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
            }
            Ok(())
        };
        timeout(HEAD, reading).await??;
        // Clients open a connection of its own for a WebSocket, so its first request shows it.
        let asks = String::from_utf8_lossy(&head).to_ascii_lowercase().contains("\r\nupgrade: websocket");
        let upgrades = *self.upgrades.borrow();
        match upgrades {
            Upgrades::Refused if asks => {
                let page = "<html>Not here</html>";
                let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/html\r\nconnection: close";
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len());
                near.write_all(answer.as_bytes()).await?;
                return near.shutdown().await;
            }
            Upgrades::Dropped if asks => return Ok(()),
            _ => {}
        }
        let far = TcpStream::connect(self.to).await?;
        far.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut far = self.connect.connect(name, far).await?;
        far.write_all(&head).await?;
        copy_bidirectional(&mut near, &mut far).await?;
        Ok(())
    }
}
