//! The relay's state for one player at one table: a function of the messages of both sides.
//!
//! The player's socket outlives the pod's connection. While there is no pod the player gets one `TablePaused`, and
//! messages wait in a bounded queue; a message that does not fit is answered with `UNAVAILABLE`. Commands without an
//! answer from the previous pod are sent to the next one: a command of one id is applied once, so a repetition is
//! harmless. The attach carries a renewed token, so a renewal is never repeated.

use purr_protocol::{
    CloseCode,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body},
};
use std::collections::VecDeque;

/// Commands without an answer that are kept, and their bytes together.
pub const PENDING_MAX: usize = 16;
pub const PENDING_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No pod. `told`: `TablePaused` has been sent.
    Paused {
        told: bool,
    },
    /// The pod is connected, but has not sent the table's state yet.
    CatchingUp,
    Attached,
}

/// What to do with a message of the player.
#[derive(Clone, Debug, PartialEq)]
pub enum Todo {
    Forward,
    Answer(Box<pb::ServerMessage>),
    Wait,
}

/// The messages to the player for one message of the pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    pub forward: bool,
    pub then: Option<Box<pb::ServerMessage>>,
}

/// What the end of a pod's lane means for the player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodEnd {
    /// The table ends the player's connection: the socket ends with the same code.
    ForPlayer(CloseCode),
    /// The pod is gone: the relay looks for the next one.
    Gone,
}

impl PodEnd {
    /// Classifies a close code; `None`: there was no close frame.
    pub fn of_code(code: Option<u16>) -> Self {
        match code.and_then(CloseCode::from_code) {
            None | Some(CloseCode::Normal | CloseCode::GoingAway | CloseCode::TryAgain) => Self::Gone,
            Some(code) => Self::ForPlayer(code),
        }
    }
}

/// `F` is a received frame, ready to be forwarded.
pub struct Session<F> {
    attach_id: u64,
    token: String,
    cursor: Option<pb::Cursor>,
    phase: Phase,
    pending: VecDeque<(u64, usize, F)>,
    /// Renewals of the token that the pod has not answered.
    renewals: VecDeque<u64>,
}

impl<F: Clone> Session<F> {
    pub fn new(attach_id: u64, attach: pb::Attach) -> Self {
        let phase = Phase::Paused { told: false };
        Self {
            attach_id,
            token: attach.token,
            cursor: attach.resume,
            phase,
            pending: VecDeque::new(),
            renewals: VecDeque::new(),
        }
    }

    /// A message at the offset that the player knows.
    fn message(&self, body: Body) -> Box<pb::ServerMessage> {
        let pb::Cursor { epoch, offset } = self.cursor.unwrap_or_default();
        Box::new(pb::ServerMessage { epoch, offset, body: Some(body) })
    }

    /// Stores a newer token of the same player, for the next attach.
    pub fn renew(&mut self, token: String) {
        self.token = token;
    }

    pub fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Paused { .. })
    }

    /// A message of the player, `size` bytes long; not an attach.
    pub fn player_says(&mut self, message: &pb::ClientMessage, size: usize, frame: &F) -> Todo {
        match (&message.body, self.is_paused()) {
            // Pings are answered here: the table does not have to deal with liveness checks.
            (Some(Ask::Ping(_)), _) => Todo::Answer(self.message(Body::Pong(pb::Pong {}))),
            (Some(Ask::RenewToken(_)), true) => Todo::Answer(self.renewed(message.id)),
            (Some(Ask::RenewToken(_)), false) => {
                self.renewals.truncate(PENDING_MAX - 1);
                self.renewals.push_front(message.id);
                Todo::Forward
            }
            (_, paused) => {
                self.pending.retain(|(id, ..)| *id != message.id);
                let held: usize = self.pending.iter().map(|(_, size, _)| size).sum();
                let fits = self.pending.len() < PENDING_MAX && held + size <= PENDING_BYTES_MAX;
                if fits {
                    self.pending.push_back((message.id, size, frame.clone()));
                }
                match (paused, fits) {
                    // A message that is not kept is lost with the pod; its sender repeats it.
                    (false, _) => Todo::Forward,
                    (true, true) => Todo::Wait,
                    (true, false) => Todo::Answer(self.message(unavailable(message.id))),
                }
            }
        }
    }

    /// The answer to a renewal that the gateway itself has seen to.
    pub fn renewed(&self, id: u64) -> Box<pb::ServerMessage> {
        self.message(Body::Ack(pb::Ack { id, at_offset: 0 }))
    }

    /// Answers to renewals that the previous pod left open: the next attach carries the newest token.
    pub fn renewals_left(&mut self) -> Vec<Box<pb::ServerMessage>> {
        let left = std::mem::take(&mut self.renewals);
        left.into_iter().rev().map(|id| self.renewed(id)).collect()
    }

    /// A pod is connected: returns the messages to send first. `asserted`: an assertion proves the player's identity,
    /// so the pod gets no token.
    pub fn attached(&mut self, asserted: bool) -> (pb::ClientMessage, Vec<F>) {
        let told = self.phase == Phase::Paused { told: true };
        self.phase = if told { Phase::CatchingUp } else { Phase::Attached };
        let token = if asserted { String::new() } else { self.token.clone() };
        let attach = pb::Attach { token, resume: self.cursor };
        let attach = pb::ClientMessage { id: self.attach_id, body: Some(Ask::Attach(attach)) };
        (attach, self.pending.iter().map(|(_, _, frame)| frame.clone()).collect())
    }

    /// A message of the pod.
    pub fn pod_says(&mut self, message: &pb::ServerMessage) -> Shown {
        if message.epoch > 0 {
            self.cursor = Some(pb::Cursor { epoch: message.epoch, offset: message.offset });
        }
        let mut shown = Shown { forward: true, then: None };
        match &message.body {
            Some(Body::Ack(pb::Ack { id, .. }) | Body::Error(pb::Error { id, .. })) => {
                self.pending.retain(|(pending, ..)| pending != id);
                self.renewals.retain(|pending| pending != id);
            }
            Some(Body::TableResumed(_)) => self.phase = Phase::Attached,
            // The pod sent a snapshot instead of the missed events.
            Some(Body::Snapshot(_)) if self.phase == Phase::CatchingUp => {
                self.phase = Phase::Attached;
                shown.then = Some(self.message(Body::TableResumed(pb::TableResumed {})));
            }
            Some(Body::Closing(closing)) => {
                let code = u16::try_from(closing.code).ok();
                shown.forward = PodEnd::of_code(code) != PodEnd::Gone;
            }
            _ => {}
        }
        shown
    }

    /// The pod is gone or cannot be reached. Returns the message to the player, once.
    pub fn lost(&mut self, reason: &str) -> Option<Box<pb::ServerMessage>> {
        let tell = matches!(self.phase, Phase::Attached | Phase::Paused { told: false });
        self.phase = Phase::Paused { told: true };
        tell.then(|| self.message(Body::TablePaused(pb::TablePaused { reason: reason.into() })))
    }
}

fn unavailable(id: u64) -> Body {
    let message = "the table is paused and too much waits for it already".to_owned();
    Body::Error(pb::Error { id, code: ErrorCode::Unavailable.into(), message, ..pb::Error::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: pb::Cursor = pb::Cursor { epoch: 3, offset: 40 };

    fn session() -> Session<u64> {
        Session::new(1, pb::Attach { token: "one".into(), resume: None })
    }

    fn ask(id: u64, body: Ask) -> pb::ClientMessage {
        pb::ClientMessage { id, body: Some(body) }
    }

    fn leave(id: u64) -> pb::ClientMessage {
        ask(id, Ask::Leave(pb::Leave {}))
    }

    fn say(epoch: u64, offset: u64, body: Body) -> pb::ServerMessage {
        pb::ServerMessage { epoch, offset, body: Some(body) }
    }

    fn snapshot(epoch: u64, offset: u64) -> pb::ServerMessage {
        say(epoch, offset, Body::Snapshot(pb::Snapshot::default()))
    }

    fn playing() -> Session<u64> {
        let mut session = session();
        session.attached(false);
        assert_eq!(session.pod_says(&snapshot(CURSOR.epoch, CURSOR.offset)).then, None);
        session
    }

    fn resume_of(message: pb::ClientMessage) -> (String, Option<pb::Cursor>) {
        match message.body {
            Some(Ask::Attach(attach)) => (attach.token, attach.resume),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_next_pod_is_attached_to_with_the_newest_token_and_the_last_cursor() {
        let mut session = playing();
        session.pod_says(&say(3, 41, Body::Events(pb::Events::default())));
        // An answer of the socket has no place in the history.
        session.pod_says(&say(0, 0, Body::Pong(pb::Pong {})));
        session.renew("two".into());
        session.lost("gone");
        let (attach, _) = session.attached(false);
        assert_eq!(resume_of(attach), ("two".into(), Some(pb::Cursor { epoch: 3, offset: 41 })));
    }

    #[test]
    fn a_pause_is_told_once_and_ended_by_the_pods_own_word() {
        let mut session = playing();
        let paused = session.lost("gone").unwrap();
        assert_eq!((paused.epoch, paused.offset), (3, 40));
        assert_eq!(session.lost("still gone"), None);
        session.attached(false);
        assert_eq!(session.lost("gone again before it spoke"), None);
        session.attached(false);
        let resumed = say(4, 40, Body::TableResumed(pb::TableResumed {}));
        assert_eq!(session.pod_says(&resumed), Shown { forward: true, then: None });
        assert!(session.lost("gone").is_some());
    }

    #[test]
    fn a_snapshot_after_a_pause_is_followed_by_the_resumption() {
        let mut session = playing();
        session.lost("gone");
        session.attached(false);
        let then = session.pod_says(&snapshot(4, 90)).then.unwrap();
        assert_eq!(*then, say(4, 90, Body::TableResumed(pb::TableResumed {})));
        assert_eq!(session.pod_says(&snapshot(4, 90)).then, None);
    }

    #[test]
    fn a_first_attach_that_finds_a_pod_is_no_pause() {
        let mut session = session();
        session.attached(false);
        assert_eq!(session.pod_says(&snapshot(1, 1)).then, None);
        let mut slow = self::session();
        assert!(slow.lost("no pod yet").is_some());
    }

    #[test]
    fn commands_without_an_answer_go_to_the_next_pod_in_order() {
        let mut session = playing();
        assert_eq!(session.player_says(&leave(5), 10, &5), Todo::Forward);
        assert_eq!(session.player_says(&leave(6), 10, &6), Todo::Forward);
        session.pod_says(&say(3, 41, Body::Ack(pb::Ack { id: 5, at_offset: 41 })));
        session.lost("gone");
        assert_eq!(session.player_says(&leave(7), 10, &7), Todo::Wait);
        // Sent again by a client that waits: it is kept once.
        assert_eq!(session.player_says(&leave(6), 10, &60), Todo::Wait);
        assert_eq!(session.attached(false).1, [7, 60]);
    }

    #[test]
    fn what_finds_no_room_while_paused_is_answered_as_unavailable() {
        let mut session = playing();
        session.lost("gone");
        for id in 0..PENDING_MAX as u64 {
            assert_eq!(session.player_says(&leave(id), 1, &id), Todo::Wait);
        }
        let Todo::Answer(answer) = session.player_says(&leave(99), 1, &99) else { panic!() };
        assert!(matches!(answer.body, Some(Body::Error(error)) if error.id == 99
            && error.code() == ErrorCode::Unavailable));
        let mut session = playing();
        session.lost("gone");
        assert!(matches!(session.player_says(&leave(1), PENDING_BYTES_MAX + 1, &1), Todo::Answer(_)));
    }

    #[test]
    fn pings_are_answered_here_and_while_paused_renewals_too() {
        let mut session = playing();
        let (ping, renew) =
            (ask(8, Ask::Ping(pb::Ping {})), ask(9, Ask::RenewToken(pb::RenewToken::default())));
        let Todo::Answer(pong) = session.player_says(&ping, 1, &8) else { panic!() };
        // The cursor is at the position that the player has seen, so resuming from it skips nothing.
        assert_eq!((pong.epoch, pong.offset), (CURSOR.epoch, CURSOR.offset));
        assert_eq!(session.player_says(&renew, 1, &9), Todo::Forward);
        session.pod_says(&say(0, 0, Body::Ack(pb::Ack { id: 9, at_offset: 0 })));
        session.lost("gone");
        assert!(session.renewals_left().is_empty());
        let Todo::Answer(pong) = session.player_says(&ping, 1, &8) else { panic!() };
        assert!(matches!(pong.body, Some(Body::Pong(_))));
        let Todo::Answer(ack) = session.player_says(&renew, 1, &9) else { panic!() };
        assert!(matches!(ack.body, Some(Body::Ack(ack)) if ack.id == 9));
        assert_eq!(session.attached(false).1, Vec::<u64>::new());
    }

    #[test]
    fn a_renewal_is_answered_after_the_next_attach_and_never_sent_again() {
        let mut session = playing();
        let renew = |id| ask(id, Ask::RenewToken(pb::RenewToken::default()));
        for id in [9, 10] {
            assert_eq!(session.player_says(&renew(id), 1, &id), Todo::Forward);
        }
        session.lost("gone");
        let (attach, again) = session.attached(true);
        assert_eq!((resume_of(attach).0.as_str(), again), ("", Vec::new()), "an asserted pod gets no token");
        let acked = |message: &pb::ServerMessage| match &message.body {
            Some(Body::Ack(ack)) => ack.id,
            other => panic!("{other:?}"),
        };
        let left: Vec<u64> = session.renewals_left().iter().map(|message| acked(message)).collect();
        assert_eq!((left, session.renewals_left().len()), (vec![9, 10], 0));
        for id in 0..100 {
            session.player_says(&renew(id), 1, &id);
        }
        assert_eq!(session.renewals_left().len(), PENDING_MAX);
    }

    #[test]
    fn an_announced_end_reaches_the_player_only_where_it_is_the_players() {
        let mut session = playing();
        let mut closing = |code: CloseCode| {
            let closing = pb::Closing { code: code.code().into(), reason: String::new() };
            session.pod_says(&say(3, 40, Body::Closing(closing))).forward
        };
        assert!(closing(CloseCode::Replaced));
        assert!(!closing(CloseCode::GoingAway));
    }

    #[test]
    fn codes_of_a_pods_end_are_told_apart() {
        use CloseCode::{Crowded, GoingAway, Normal, Replaced, Revoked, SlowReader, TokenExpired, TryAgain};
        for code in [Replaced, TokenExpired, Revoked, SlowReader, Crowded] {
            assert_eq!(PodEnd::of_code(Some(code.code())), PodEnd::ForPlayer(code));
        }
        for code in [Normal, GoingAway, TryAgain] {
            assert_eq!(PodEnd::of_code(Some(code.code())), PodEnd::Gone);
        }
        assert_eq!(PodEnd::of_code(None), PodEnd::Gone);
        assert_eq!(PodEnd::of_code(Some(4999)), PodEnd::Gone);
    }
}
