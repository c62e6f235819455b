//! The peer: a Socket.IO server on Node.js (`tests/bench/socketio`), and its protocol for the generator.

use super::{
    fleet::{BIG_BLIND, BUY_IN, SEATS},
    programs::{Program, free},
    redis::{PEER, Redis},
};
use anyhow::{Context, bail};
use purr_client::{
    Gateway,
    load::{Answer, Choice, Heard, Player, Setup, Shown, Side, Target, Turn},
};
use purr_runtime::ws::Message;
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_tungstenite::tungstenite::{client::IntoClientRequest, handshake::client::Request};

const UP: Duration = Duration::from_secs(20);

pub struct Peer {
    program: Program,
    public: SocketAddr,
    ca: PathBuf,
}

impl Peer {
    /// `folder` holds the server and its packages, `tls` the certificate that the gateway has, too.
    pub async fn start(
        folder: &Path,
        dir: &Path,
        tls: &Path,
        core: usize,
        redis: &Redis,
        run: usize,
    ) -> anyhow::Result<Self> {
        let [public] = free()?;
        let command = ["node".to_owned(), folder.join("server.mjs").display().to_string()];
        let env = [
            ("PORT", public.port().to_string()),
            ("TLS_DIR", tls.display().to_string()),
            ("REDIS_PORT", redis.master.port().to_string()),
            ("REDIS_USER", PEER.to_owned()),
            ("REDIS_PASSWORD_FILE", redis.password_file()?.display().to_string()),
            ("PREFIX", format!("peer-{run}")),
            ("SEATS", SEATS.to_string()),
            ("BIG_BLIND", BIG_BLIND.to_string()),
            ("BUY_IN", BUY_IN.to_string()),
            ("NODE_ENV", "production".to_owned()),
        ];
        let mut program = Program::start("socketio", core, &command, &env, dir)?;
        program.up(public, false, UP).await.context("the Socket.IO server")?;
        Ok(Self { program, public, ca: tls.join("ca.crt") })
    }

    pub fn pids(&self) -> Vec<u32> {
        vec![self.program.pid()]
    }

    pub fn check(&mut self) -> anyhow::Result<()> {
        self.program.check()
    }

    pub fn players(
        &self,
        tables: usize,
        players: usize,
        spectators: usize,
    ) -> anyhow::Result<(Target, Vec<Player<SocketIo>>)> {
        let target = Gateway::new(&format!("https://localhost:{}", self.public.port()), &self.ca)?.target();
        let place = |number: usize, spectator: bool| {
            let (table, seat) = (number % tables, u32::try_from(number / tables).ok().filter(|_| !spectator));
            let side = SocketIo { table, seat, next_id: 0, there: false };
            Player { side, setup: Setup::default(), table, spectator }
        };
        let seated = (0..players).map(|number| place(number, false));
        Ok((target, seated.chain((0..spectators).map(|number| place(number, true))).collect()))
    }
}

/// Socket.IO 5 in Engine.IO 4 over a WebSocket, as text.
pub struct SocketIo {
    table: usize,
    seat: Option<u32>,
    next_id: u64,
    there: bool,
}

/// The server's message for every step: `["e", {…}]`.
#[derive(Deserialize)]
struct Step {
    offset: u64,
    hand: u64,
    acted: Option<Acted>,
    turn: Option<TurnOf>,
    #[serde(default)]
    snapshot: bool,
}

#[derive(Deserialize)]
struct Acted {
    seat: u32,
}

#[derive(Deserialize)]
struct TurnOf {
    options: Option<Options>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    check: bool,
    call: Option<u64>,
    raise_min: Option<u64>,
}

#[derive(Deserialize)]
struct Acknowledged {
    error: Option<String>,
}

impl SocketIo {
    fn step(&mut self, step: &Step) -> Heard {
        self.there |= step.snapshot;
        let shown = step
            .acted
            .as_ref()
            .map(|acted| Shown { offset: step.offset, own: Some(acted.seat) == self.seat });
        let options = step.turn.as_ref().and_then(|turn| turn.options.as_ref());
        let turn = options.map(|options| {
            let Options { check, call, raise_min } = *options;
            Turn { hand: step.hand, check, call, raise_min }
        });
        Heard { attached: step.snapshot, shown, turn, ..Heard::default() }
    }
}

impl Side for SocketIo {
    fn open(&mut self, address: &str) -> anyhow::Result<Request> {
        self.there = false;
        Ok(format!("wss://{address}/socket.io/?EIO=4&transport=websocket").into_client_request()?)
    }

    fn hello(&mut self, _: &str) -> Option<Message> {
        None
    }

    fn hear(&mut self, frame: &Message) -> anyhow::Result<Heard> {
        let Message::Text(text) = frame else { return Ok(Heard::default()) };
        let text = text.as_str();
        let reply = |text: String| Heard { reply: Some(Message::text(text)), ..Heard::default() };
        if let Some(event) = text.strip_prefix("42") {
            let (_, step): (&str, Step) = serde_json::from_str(event).with_context(|| event.to_owned())?;
            return Ok(self.step(&step));
        }
        if let Some(ack) = text.strip_prefix("43") {
            let (id, rest) = ack.split_at(ack.find('[').context("an acknowledgement of nothing")?);
            let (told,): (Acknowledged,) = serde_json::from_str(rest)?;
            let answer = Answer { id: id.parse()?, refused: told.error, again: false };
            return Ok(Heard { answer: Some(answer), ..Heard::default() });
        }
        match text.as_bytes() {
            [b'0', ..] => {
                Ok(reply(format!("40{}", serde_json::json!({ "table": self.table, "seat": self.seat }))))
            }
            b"2" => Ok(reply("3".into())),
            [b'4', b'0', ..] => Ok(Heard::default()),
            _ => bail!("the server says '{}'", text.chars().take(100).collect::<String>()),
        }
    }

    fn settled(&self) -> bool {
        self.there
    }

    fn seated(&self) -> bool {
        self.there && self.seat.is_some()
    }

    fn wish(&mut self, _: &Setup) -> Option<(u64, Message)> {
        None
    }

    fn act(&mut self, hand: u64, choice: Choice) -> (u64, Message) {
        let (kind, amount) = match choice {
            Choice::Fold => ("fold", 0),
            Choice::Check => ("check", 0),
            Choice::Call => ("call", 0),
            Choice::RaiseTo(amount) => ("raise", amount),
        };
        self.next_id += 1;
        let id = self.next_id;
        (id, Message::text(format!(r#"42{id}["act",{{"hand":{hand},"kind":"{kind}","amount":{amount}}}]"#)))
    }

    fn leave(&mut self) -> Option<Message> {
        None
    }

    fn renew(&mut self, _: &str) -> Option<Message> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side() -> SocketIo {
        SocketIo { table: 3, seat: Some(4), next_id: 0, there: false }
    }

    #[test]
    fn a_connection_comes_in_by_its_own_heartbeat_and_greeting() {
        let mut side = side();
        let said = |heard: Heard| heard.reply.map(|reply| reply.to_text().unwrap().to_owned());
        let open = side.hear(&Message::text(r#"0{"sid":"x","upgrades":[],"pingInterval":25000}"#)).unwrap();
        assert_eq!(said(open).as_deref(), Some(r#"40{"seat":4,"table":3}"#));
        assert_eq!(said(side.hear(&Message::text("2")).unwrap()).as_deref(), Some("3"));
        assert!(!side.settled());
        let first = side.hear(&Message::text(r#"42["e",{"offset":7,"hand":0,"snapshot":true}]"#)).unwrap();
        assert!(first.attached && side.settled() && side.seated());
        assert!(side.hear(&Message::text("44{\"message\":\"no\"}")).is_err());
    }

    #[test]
    fn steps_and_acknowledgements_are_told_apart() {
        let mut side = side();
        let step = r#"42["e",{"offset":8,"hand":2,"acted":{"seat":4,"kind":"call"},"turn":{"seat":5}}]"#;
        let heard = side.hear(&Message::text(step)).unwrap();
        assert_eq!((heard.shown, heard.turn), (Some(Shown { offset: 8, own: true }), None));
        let turn = r#"42["e",{"offset":9,"hand":2,"turn":{"seat":4,"options":{"check":false,"call":50,"raiseMin":200}}}]"#;
        let expected = Turn { hand: 2, check: false, call: Some(50), raise_min: Some(200) };
        assert_eq!(side.hear(&Message::text(turn)).unwrap().turn, Some(expected));
        let (id, act) = side.act(2, Choice::RaiseTo(200));
        assert_eq!(act.to_text().unwrap(), r#"421["act",{"hand":2,"kind":"raise","amount":200}]"#);
        let ack = side.hear(&Message::text(format!(r#"43{id}[{{"offset":9}}]"#))).unwrap().answer.unwrap();
        assert_eq!((ack.id, ack.refused), (1, None));
        let no = side.hear(&Message::text(r#"431[{"error":"not your turn"}]"#)).unwrap().answer.unwrap();
        assert_eq!(no.refused.as_deref(), Some("not your turn"));
    }
}
