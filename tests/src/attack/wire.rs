//! Connections from an address of the attacker's choosing.

use anyhow::{Context, bail};
use purr_protocol::{Codec, pb, pb::client_message::Body as Ask};
use purr_runtime::ws::{self, Message};
use rustls::ClientConfig;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{ClientRequestBuilder, client::IntoClientRequest},
};

const CONNECT: Duration = Duration::from_secs(10);

pub(super) type Tls = TlsStream<TcpStream>;
pub(super) type Socket = WebSocketStream<Tls>;

/// Loopback addresses of attackers; those of players are others.
pub(super) fn attacker(number: usize, addresses: usize) -> Ipv4Addr {
    let low = u8::try_from(1 + number % addresses.clamp(1, 250)).unwrap_or(1);
    Ipv4Addr::new(127, 0, 3, low)
}

pub(super) const BYSTANDER: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);

pub(super) async fn dial(tls: &Arc<ClientConfig>, from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<Tls> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let connecting = async {
        let stream = socket.connect(to).await.context("connect")?;
        stream.set_nodelay(true)?;
        TlsConnector::from(tls.clone()).connect("localhost".try_into()?, stream).await.context("TLS")
    };
    timeout(CONNECT, connecting).await.context("no connection in time")?
}

/// Sends a raw request; returns the status of the answer, and the connection.
pub(super) async fn ask(mut stream: Tls, request: &str) -> anyhow::Result<(u16, Tls)> {
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; 12];
    timeout(CONNECT, stream.read_exact(&mut line)).await.context("no answer in time")??;
    let status = std::str::from_utf8(&line)?.strip_prefix("HTTP/1.1 ").context("no answer of HTTP")?;
    Ok((status.parse()?, stream))
}

/// A player's socket, opened and attached.
pub(super) async fn attach(stream: Tls, uid: &str, token: &str) -> anyhow::Result<Socket> {
    use futures::SinkExt;
    let uri = format!("wss://localhost/v1/tables/{uid}/socket").parse()?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(Codec::Proto.subprotocol());
    let opening = ws::connect(stream, request.into_client_request()?);
    let mut socket = match timeout(CONNECT, opening).await.context("no answer in time")? {
        Ok(socket) => socket,
        Err(error) => bail!("{error}"),
    };
    let attach = Ask::Attach(pb::Attach { token: token.to_owned(), resume: None });
    socket.send(message(1, attach)?).await?;
    Ok(socket)
}

pub(super) fn message(id: u64, body: Ask) -> anyhow::Result<Message> {
    Ok(Message::Binary(Codec::Proto.encode_client(&pb::ClientMessage { id, body: Some(body) })?))
}
