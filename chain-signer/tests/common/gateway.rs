//! A gateway in this process, in front of a real signer; it has no tables and no records.

use super::House;
use super::Signer;
use base64::{Engine, engine::general_purpose::STANDARD};
use purr_gateway::{
    Config, Gateway, Listeners, front::Front, limits::Rate, metrics::Metrics, relay::Pace,
    sessions::MemorySessions,
};
use purr_runtime::{CancellationToken, Readiness, Role};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::net::TcpListener;

pub struct Door {
    /// The URL that players use.
    pub url: String,
    pub ca: PathBuf,
    stop: CancellationToken,
}

impl Door {
    pub fn close(&self) {
        self.stop.cancel();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

impl House {
    pub async fn start_gateway(&self, signer: &Signer) -> Door {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let keys = self.path("jwt");
        std::fs::create_dir_all(&keys).unwrap();
        // An Ed25519 key in PKCS #8 (RFC 8410).
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend([42; 32]);
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        std::fs::write(keys.join("k1.pem"), pem).unwrap();
        std::fs::write(keys.join("current"), "k1").unwrap();
        let rate = Rate { per_s: 1_000, burst: 1_000 };
        let config = Config {
            domain: "localhost".into(),
            public_url: "https://localhost".into(),
            chain_id: super::CHAIN_ID,
            jwt_key_dir: keys,
            jwt_issuer: "https://localhost".into(),
            jwt_audience: "purr".into(),
            assertion_key_dir: None,
            access_tokens_at_tables: true,
            roles_file: None,
            allowed_origins: Vec::new(),
            rates: [rate; 4],
            sockets_max: 64,
            player_sockets_max: 4,
            stop_delay: Duration::ZERO,
            pace: Pace::default(),
            front: Front { money_rate: rate, ..Front::default() },
            page: purr_gateway::page::PageConfig::default(),
        };
        let registry = prometheus::Registry::new();
        let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listeners = Listeners { public: bind().await, internal: bind().await };
        let url = format!("https://localhost:{}", listeners.public.local_addr().unwrap().port());
        let gateway = Gateway {
            config,
            public: self.identity_of("localhost"),
            identity: self.identity(&Role::Gateway),
            routes: Arc::default(),
            fleets: Arc::default(),
            sessions: Arc::<MemorySessions>::default(),
            signer_addr: format!("127.0.0.1:{}", signer.https),
            records_addr: "127.0.0.1:1".into(),
            apart: Arc::default(),
            keep_apart_addr: None,
            fairplay_addr: None,
            metrics: Metrics::new(&registry).unwrap(),
            readiness: Readiness::default(),
        };
        let stop = CancellationToken::new();
        tokio::spawn(gateway.serve(listeners, stop.clone()));
        Door { url, ca: self.path("localhost").join("ca.crt"), stop }
    }
}
