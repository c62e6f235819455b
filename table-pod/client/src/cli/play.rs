//! Play by hand: the table is printed when it changes, commands are read line by line.

use super::{Place, PlayArgs, print_line, screen};
use crate::{bot::to_message, link::Update, seat::Permits, view::View};
use anyhow::{Context, bail};
use purr_engine::{Action, SeatIndex};
use purr_protocol::{
    pb::{self, client_message::Body as Ask},
    permit::PermitFor,
};
use tokio::sync::mpsc;

const HELP: &str = "f fold, k check, c call, r AMOUNT raise to, s SEAT AMOUNT sit down, t AMOUNT top up, \
                    o sit out, i sit in, y / n run it twice, d straddle, u no straddle, l leave, q quit";

/// Lines typed ahead.
const LINES_MAX: usize = 16;

/// The request of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Typed {
    Act(Action),
    Sit { seat: u32, amount: u64 },
    TopUp(u64),
    SitOut,
    SitIn,
    RunItTwice(bool),
    Straddle(bool),
    Leave,
    Quit,
    Nothing,
}

fn parse(line: &str) -> Option<Typed> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(match words[..] {
        [] => Typed::Nothing,
        ["f"] => Typed::Act(Action::Fold),
        ["k"] => Typed::Act(Action::Check),
        ["c"] => Typed::Act(Action::Call),
        ["r", amount] => Typed::Act(Action::RaiseTo(amount.parse().ok()?)),
        ["s", seat, amount] => Typed::Sit { seat: seat.parse().ok()?, amount: amount.parse().ok()? },
        ["t", amount] => Typed::TopUp(amount.parse().ok()?),
        ["o"] => Typed::SitOut,
        ["i"] => Typed::SitIn,
        ["y"] => Typed::RunItTwice(true),
        ["n"] => Typed::RunItTwice(false),
        ["d"] => Typed::Straddle(true),
        ["u"] => Typed::Straddle(false),
        ["l"] => Typed::Leave,
        ["q"] => Typed::Quit,
        _ => return None,
    })
}

/// `sit`: a seat and an amount to sit down with at once.
pub(super) async fn run(args: PlayArgs, sit: Option<(SeatIndex, u64)>) -> anyhow::Result<()> {
    let (seat, buy_in) = (sit.map(|(seat, _)| seat), sit.map(|(_, amount)| amount));
    let Place { mut connection, permits } = args.who.place(seat, buy_in).await?;
    if let Some((seat, amount)) = sit {
        let typed = Typed::Sit { seat: seat.0.into(), amount };
        if let Some(body) = command(typed, connection.view(), &permits, args.max_rake)? {
            connection.send(body).await?;
        }
    }
    let mut lines = stdin_lines();
    print_line(HELP)?;
    loop {
        tokio::select! {
            update = connection.next() => match update {
                Some(Update::Ended(reason)) => bail!("the connection ended: {reason}"),
                Some(update) => show(&update, connection.view())?,
                None => bail!("the connection ended"),
            },
            line = lines.recv() => {
                let Some(line) = line else { break };
                let Some(typed) = parse(&line) else {
                    print_line(HELP)?;
                    continue;
                };
                if typed == Typed::Quit {
                    break;
                }
                if let Some(body) = command(typed, connection.view(), &permits, args.max_rake)?
                    && let Err(error) = connection.send(body).await
                {
                    print_line(&format!("not sent: {error}"))?;
                }
            }
        }
    }
    connection.close().await;
    Ok(())
}

fn command(
    typed: Typed,
    view: &View,
    permits: &Permits,
    max_rake: Option<u64>,
) -> anyhow::Result<Option<Ask>> {
    let permit = |what, amount| permits.sign(what, amount, max_rake.unwrap_or(amount)).map(Some);
    Ok(Some(match typed {
        Typed::Act(action) => {
            let Some(turn) = view.your_turn() else {
                print_line("It is not your turn.")?;
                return Ok(None);
            };
            Ask::Act(to_message(&turn, action))
        }
        Typed::Sit { seat, amount } => {
            let index = u8::try_from(seat).with_context(|| format!("there is no seat {seat}"))?;
            let permit = permit(PermitFor::Sit(SeatIndex(index)), amount)?;
            Ask::Sit(pb::Sit { seat, amount, permit })
        }
        Typed::TopUp(amount) => {
            let Some((seat, _)) = view.your_seat() else {
                print_line("You have no seat.")?;
                return Ok(None);
            };
            Ask::TopUp(pb::TopUp { amount, permit: permit(PermitFor::TopUp(seat), amount)? })
        }
        Typed::SitOut => Ask::SitOut(pb::SitOut {}),
        Typed::SitIn => Ask::SitIn(pb::SitIn { post: true }),
        Typed::RunItTwice(agree) => {
            let Some(hand) = view.hand() else { return Ok(None) };
            Ask::RunItTwice(pb::RunItTwice { hand: hand.number, agree })
        }
        Typed::Straddle(on) => Ask::Straddle(pb::Straddle { on }),
        Typed::Leave => Ask::Leave(pb::Leave {}),
        Typed::Quit | Typed::Nothing => return Ok(None),
    }))
}

fn show(update: &Update, view: &View) -> anyhow::Result<()> {
    match update {
        Update::Connected { http: false } => print_line("connected"),
        Update::Connected { http: true } => print_line("connected over HTTP: no WebSocket gets through here"),
        Update::Disconnected { reason, retry_in } => {
            print_line(&format!("disconnected ({reason}); again in {} ms", retry_in.as_millis()))
        }
        Update::Message(_) => print_line(&screen::table(view)),
        Update::Answer { result: Err(refused), .. } => print_line(&format!("refused: {refused}")),
        Update::Checked { hand, result } => {
            if let Some(ended) = view.ended().filter(|ended| ended.hand == *hand) {
                print_line(&screen::ended(ended))?;
            }
            match result {
                Ok(cards) => print_line(&format!("   the deal is proven for {cards} cards")),
                Err(error) => print_line(&format!("   the deal is not proven: {error}")),
            }
        }
        Update::Answer { result: Ok(()), .. } | Update::Acted(_) | Update::Ended(_) => Ok(()),
    }
}

/// A thread of its own, because a read of a terminal cannot be cancelled.
fn stdin_lines() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_nothing_at_all() {
        assert_eq!(parse(" r 40 "), Some(Typed::Act(Action::RaiseTo(40))));
        assert_eq!(parse("s 2 1000"), Some(Typed::Sit { seat: 2, amount: 1_000 }));
        assert_eq!(parse(""), Some(Typed::Nothing));
        for bad in ["r", "r x", "r -1", "fold", "c 5", "s 1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
