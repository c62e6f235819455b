//! A bot at a table: sits down, plays so many hands, leaves.

use crate::{
    bot::{self, Dice},
    connection::{Connection, SendError},
    link::{Refused, Update},
    report::Report,
    seat::{self, Permits},
    verify::Unproven,
};
use purr_engine::SeatIndex;
use purr_protocol::{
    pb::{self, ErrorCode, client_message::Body as Ask, event::Kind, server_message::Body},
    permit::PermitFor,
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Wait between attempts to take or leave a seat.
const SIT_AGAIN: Duration = Duration::from_secs(1);
/// Most attempts to take a seat.
const SIT_TRIES_MAX: u32 = 120;
/// Interval of the bot's checks.
const LOOK: Duration = Duration::from_millis(500);

/// The task of a bot.
#[derive(Clone, Debug)]
pub struct Plan {
    pub buy_in: u64,
    /// The most rake that each permit allows.
    pub max_total_rake: u64,
    /// Hands to play to their end.
    pub hands: u64,
    pub seed: u64,
    pub seat: Option<SeatIndex>,
    /// Buys in again so often when all is lost.
    pub rebuys: u32,
    /// The bot leaves when it was dealt no hand for this long.
    pub patience: Duration,
    /// Time limit of the whole plan, from the first connection to leaving the seat.
    pub time_limit: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the connection ended: {0}")]
    Ended(String),
    #[error("the table gave no seat: {0}")]
    NoSeat(Refused),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Wallet(#[from] crate::wallet::WalletError),
    #[error("not done after {} s ({doing})", .limit.as_secs())]
    TimeLimit { limit: Duration, doing: &'static str },
}

/// The bot's progress in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Has no seat; the id of the pending request.
    Sitting(Option<u64>),
    /// The seat is granted; the chain has to confirm it.
    Granted,
    Playing,
    /// The id of the request under way.
    Leaving(Option<u64>),
    Left,
}

impl Stage {
    fn doing(self) -> &'static str {
        match self {
            Self::Sitting(_) => "getting a chair",
            Self::Granted => "waiting for the chain",
            Self::Playing => "playing",
            Self::Leaving(_) | Self::Left => "leaving",
        }
    }
}

struct Runner {
    connection: Connection,
    permits: Permits,
    plan: Plan,
    dice: Dice,
    report: Report,
    stage: Stage,
    /// The own seat, kept for a moment after it was given back.
    seat: Option<SeatIndex>,
    /// The action under way, so that none is sent twice.
    acting: Option<u64>,
    tries: u32,
    again_at: Instant,
    rebuying: Option<u64>,
    rebuys: u32,
    /// Deadline for a rebuy to be confirmed on chain.
    rebuy_until: Instant,
    coming_back: Option<u64>,
    /// The table wants a permit for more rake.
    needs_permit: bool,
    /// When the bot may ask to be dealt in again.
    coming_at: Instant,
    /// The hand in which the question whether to run it twice is answered.
    answered: u64,
    /// The hand in which the question whether to show is answered.
    showed: u64,
    /// Whether the bot has decided about straddles.
    wished: bool,
    dealt_at: Instant,
}

/// Carries the plan out. `progress` is called after every hand.
///
/// # Errors
/// Where no chair can be had, the connection ends for good, or time runs out.
pub async fn run(
    connection: Connection,
    permits: Permits,
    plan: Plan,
    mut progress: impl FnMut(&Report),
) -> Result<Report, RunError> {
    let end = Instant::now() + plan.time_limit;
    let mut runner = Runner {
        dice: Dice::new(plan.seed),
        connection,
        permits,
        plan,
        report: Report::default(),
        stage: Stage::Sitting(None),
        seat: None,
        acting: None,
        tries: 0,
        again_at: Instant::now(),
        rebuying: None,
        rebuys: 0,
        rebuy_until: Instant::now(),
        coming_back: None,
        needs_permit: false,
        coming_at: Instant::now(),
        answered: 0,
        showed: 0,
        wished: false,
        dealt_at: Instant::now(),
    };
    runner.report.player = runner.connection.view().own().to_string();
    let mut look = Instant::now();
    while runner.stage != Stage::Left {
        let before = runner.report.hands;
        tokio::select! {
            update = runner.connection.next() => match update {
                Some(update) => runner.take(update)?,
                None => return Err(RunError::Ended("gone".into())),
            },
            () = sleep_until(look) => look = Instant::now() + LOOK,
            () = sleep_until(end) => {
                let (limit, doing) = (runner.plan.time_limit, runner.stage.doing());
                return Err(RunError::TimeLimit { limit, doing });
            }
        }
        runner.step().await?;
        if runner.report.hands != before {
            progress(&runner.report);
        }
    }
    let Runner { connection, report, .. } = runner;
    connection.close().await;
    Ok(report.finished())
}

impl Runner {
    fn take(&mut self, update: Update) -> Result<(), RunError> {
        match update {
            Update::Connected { .. } => {}
            Update::Disconnected { reason, .. } => {
                tracing::info!(reason, "disconnected");
                self.report.reconnects += 1;
            }
            Update::Message(message) => {
                match &message.body {
                    Some(Body::Events(events)) => {
                        events
                            .events
                            .iter()
                            .filter_map(|event| event.kind.as_ref())
                            .for_each(|k| self.see(k));
                    }
                    // An action without an answer yet goes out again by itself.
                    Some(Body::Snapshot(snapshot)) => self.report.table.clone_from(&snapshot.table),
                    _ => {}
                }
                self.seated_or_not();
            }
            Update::Answer { id, result } => self.answered(id, result)?,
            Update::Acted(timing) => {
                self.report.acks += 1;
                self.report.acted(&timing);
            }
            Update::Checked { hand, result } => match result {
                Ok(cards) => {
                    self.report.deals_proven += 1;
                    self.report.cards_proven += u64::try_from(cards).unwrap_or(0);
                }
                Err(Unproven::Partly) => self.report.deals_partly += 1,
                Err(error) if self.report.deals_wrong.len() < 32 => {
                    self.report.deals_wrong.push(format!("hand {hand}: {error}"));
                }
                Err(_) => {}
            },
            Update::Ended(reason) => return Err(RunError::Ended(reason)),
        }
        Ok(())
    }

    fn see(&mut self, kind: &Kind) {
        match kind {
            Kind::HandEnded(_) => {
                let Some(ended) = self.connection.view().ended() else { return };
                if !ended.void && ended.results.iter().any(|(seat, ..)| Some(*seat) == self.seat) {
                    self.report.hands += 1;
                    self.report.showdowns += u64::from(!ended.shown.is_empty());
                }
                self.acting = None;
            }
            Kind::PermitNeeded(needed) if self.seat.is_some_and(|seat| u32::from(seat.0) == needed.seat) => {
                self.needs_permit = true;
            }
            Kind::Dealt(_) => self.dealt_at = Instant::now(),
            Kind::Left(left) if self.seat.is_some_and(|seat| u32::from(seat.0) == left.seat) => {
                self.report.left_with = Some(left.stack);
            }
            _ => {}
        }
    }

    fn seated_or_not(&mut self) {
        let view = self.connection.view();
        if view.table().is_none() {
            return;
        }
        let seat = view.your_seat().map(|(seat, _)| seat);
        self.seat = seat.or(self.seat);
        self.stage = match self.stage {
            Stage::Sitting(_) | Stage::Granted if seat.is_some() => {
                self.dealt_at = Instant::now();
                self.report.bought_in += self.plan.buy_in;
                Stage::Playing
            }
            Stage::Playing if seat.is_none() => {
                self.report.cut_short = Some("the table gave the chips back".into());
                Stage::Left
            }
            Stage::Leaving(_) if seat.is_none() => Stage::Left,
            stage => stage,
        };
    }

    fn answered(&mut self, id: u64, result: Result<(), Refused>) -> Result<(), RunError> {
        if self.acting == Some(id) {
            self.acting = None;
        }
        for waiting in [&mut self.rebuying, &mut self.coming_back] {
            if *waiting == Some(id) {
                *waiting = None;
            }
        }
        match (self.stage, &result) {
            (Stage::Sitting(Some(asked)), Ok(())) if asked == id => self.stage = Stage::Granted,
            (Stage::Sitting(Some(asked)), Err(refused)) if asked == id => {
                self.tries += 1;
                if self.tries >= SIT_TRIES_MAX || !seat::may_help(refused) {
                    return Err(RunError::NoSeat(refused.clone()));
                }
                self.stage = Stage::Sitting(None);
                let wait = refused.retry_after_ms.map_or(SIT_AGAIN, Duration::from_millis);
                self.again_at = Instant::now() + wait.max(SIT_AGAIN);
            }
            (Stage::Leaving(Some(asked)), Err(_)) if asked == id => {
                self.stage = Stage::Leaving(None);
                self.again_at = Instant::now() + SIT_AGAIN;
            }
            _ => {}
        }
        if let Err(refused) = result {
            self.needs_permit |= refused.code == ErrorCode::Rake;
            tracing::info!(%refused, "refused");
            self.report.refused(refused.to_string());
        }
        Ok(())
    }

    /// Takes the next step of the plan, if there is one now.
    async fn step(&mut self) -> Result<(), RunError> {
        if self.connection.view().table().is_none() {
            return Ok(());
        }
        match self.stage {
            Stage::Sitting(None) if self.again_at <= Instant::now() => self.sit().await,
            Stage::Playing => self.play().await,
            Stage::Leaving(None) if self.again_at <= Instant::now() => {
                let id = self.connection.send(Ask::Leave(pb::Leave {})).await?;
                self.stage = Stage::Leaving(Some(id));
                Ok(())
            }
            // A leave waits for the hand's end; until then it folds or checks by itself.
            Stage::Sitting(_) | Stage::Granted | Stage::Leaving(_) | Stage::Left => Ok(()),
        }
    }

    async fn sit(&mut self) -> Result<(), RunError> {
        let refused = usize::try_from(self.tries).unwrap_or(0);
        let Some(seat) = seat::pick(self.connection.view(), self.plan.seat, refused) else {
            self.again_at = Instant::now() + SIT_AGAIN;
            return Ok(());
        };
        let amount = self.plan.buy_in;
        let permit = Some(self.permits.sign(PermitFor::Sit(seat), amount, self.plan.max_total_rake)?);
        let id = self.connection.send(Ask::Sit(pb::Sit { seat: seat.0.into(), amount, permit })).await?;
        self.stage = Stage::Sitting(Some(id));
        Ok(())
    }

    async fn play(&mut self) -> Result<(), RunError> {
        if self.report.hands >= self.plan.hands {
            self.stage = Stage::Leaving(None);
            return Ok(());
        }
        if self.dealt_at.elapsed() > self.plan.patience {
            let waited = format!("dealt no hand for {} s", self.plan.patience.as_secs());
            self.report.cut_short = Some(waited);
            self.stage = Stage::Leaving(None);
            return Ok(());
        }
        if self.acting.is_none()
            && let Some(act) = bot::act(self.connection.view(), &mut self.dice)
        {
            self.acting = Some(self.connection.send(Ask::Act(act)).await?);
            self.report.actions += 1;
            return Ok(());
        }
        if let Some(answer) = bot::answer(self.connection.view(), &mut self.dice)
            && answer.hand != self.answered
        {
            self.answered = answer.hand;
            self.connection.send(Ask::RunItTwice(answer)).await?;
            return Ok(());
        }
        if let Some(answer) = bot::show(self.connection.view(), &mut self.dice)
            && answer.hand != self.showed
        {
            self.showed = answer.hand;
            self.connection.send(Ask::ShowHand(answer)).await?;
            return Ok(());
        }
        if !std::mem::replace(&mut self.wished, true) {
            if let Some(wish) = bot::wish(self.connection.view(), &mut self.dice) {
                self.connection.send(Ask::Straddle(wish)).await?;
            }
            if let Some(wish) = bot::show_wish(&mut self.dice) {
                self.connection.send(Ask::WishShow(wish)).await?;
            }
        }
        let view = self.connection.view();
        let Some((seat, chair)) = view.your_seat() else { return Ok(()) };
        let playing = view.hand().is_some_and(|hand| hand.players.contains_key(&seat));
        let (stack, sitting_out) = (chair.stack + chair.pending, chair.sitting_out);
        if playing {
            return Ok(());
        }
        if stack == 0 {
            return self.rebuy(seat).await;
        }
        if sitting_out && std::mem::take(&mut self.needs_permit) {
            // The least top-up: it is the permit's rake that counts.
            let what = PermitFor::TopUp(seat);
            let permit = Some(self.permits.sign(what, 1, self.plan.max_total_rake)?);
            self.rebuying = Some(self.connection.send(Ask::TopUp(pb::TopUp { amount: 1, permit })).await?);
            self.report.bought_in += 1;
            self.coming_at = Instant::now() + SIT_AGAIN;
            return Ok(());
        }
        if sitting_out && self.coming_back.is_none() && self.coming_at <= Instant::now() {
            self.coming_at = Instant::now() + SIT_AGAIN;
            let back = Ask::SitIn(pb::SitIn { post: true });
            self.coming_back = Some(self.connection.send(back).await?);
        }
        Ok(())
    }

    /// All is lost: more chips, or the end.
    async fn rebuy(&mut self, seat: SeatIndex) -> Result<(), RunError> {
        if self.rebuying.is_some() || self.rebuy_until > Instant::now() {
            return Ok(());
        }
        if self.rebuys >= self.plan.rebuys {
            self.report.cut_short = Some("lost everything".into());
            self.stage = Stage::Leaving(None);
            return Ok(());
        }
        self.rebuys += 1;
        // No other rebuy until the chips arrive: the chain takes time, and another attempt would need another permit.
        self.rebuy_until = Instant::now() + self.plan.patience / 2;
        let amount = self.plan.buy_in;
        let permit = Some(self.permits.sign(PermitFor::TopUp(seat), amount, self.plan.max_total_rake)?);
        self.rebuying = Some(self.connection.send(Ask::TopUp(pb::TopUp { amount, permit })).await?);
        self.report.bought_in += amount;
        Ok(())
    }
}
