//! Plain HTTP on loopback, carried to the gateway's TLS listener: browsers take `http://localhost` for secure, and
//! would warn of a certificate that nobody knows.

use anyhow::Context;
use purr_runtime::{CancellationToken, tls::public_client_config};
use rustls_pki_types::ServerName;
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsConnector;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1_024;

/// Carries connections until stopped.
pub async fn run(
    listener: TcpListener,
    gateway: SocketAddr,
    ca: &Path,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let tls = TlsConnector::from(public_client_config(ca).context("the gateway's certificate")?);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = async { (places.clone().acquire_owned().await, listener.accept().await) } => accepted,
        };
        let (Ok(place), Ok((stream, _))) = accepted else {
            // For instance, there are no more file descriptors: this passes when connections end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (tls, stop) = (tls.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = stop.cancelled() => {}
                carried = carry(stream, gateway, tls) => {
                    if let Err(error) = carried {
                        tracing::debug!(%error, "connection");
                    }
                }
            }
        });
    }
}

async fn carry(mut near: TcpStream, gateway: SocketAddr, tls: TlsConnector) -> anyhow::Result<()> {
    let far = TcpStream::connect(gateway).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let mut far = tls.connect(ServerName::try_from("localhost")?, far).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
