//! What players say: as much as the table allows, at a rate of each player's own, told to who is attached and kept nowhere.

use super::room::{Game, refusal, retry_after};
use purr_engine::RakeConfig;
use purr_protocol::{
    ChatRule, RoomRules,
    pb::{self, ErrorCode, Reaction, client_message::Body as Ask},
};

const NO_RAKE: RakeConfig = RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true };

fn at(chat: ChatRule) -> Game {
    Game::seated(2, NO_RAKE, RoomRules { chat, ..RoomRules::default() })
}

fn line(text: &str) -> Ask {
    Ask::Say(pb::Say { text: text.into(), reaction: 0 })
}

fn reaction(reaction: Reaction) -> Ask {
    Ask::Say(pb::Say { text: String::new(), reaction: reaction.into() })
}

#[test]
fn a_line_and_a_reaction_reach_everybody_with_a_number_and_their_player() {
    let mut game = at(ChatRule::Text);
    let offset = game.core.state().offset;
    let step = game.say(0, line("  well played  "));
    let player = game.people[0].player.to_string();
    let said = pb::Said { number: 1, seat: 0, player, text: "well played".into(), reaction: 0 };
    assert_eq!(step.said, [said]);
    let step = game.say(1, reaction(Reaction::Thanks));
    assert_eq!((step.said[0].number, step.said[0].reaction()), (2, Reaction::Thanks));
    assert!(step.shown.is_none() && game.core.state().offset == offset, "it is no part of the history");
    assert!(!serde_json::to_string(game.core.state()).unwrap().contains("well played"), "nothing keeps it");
}

#[test]
fn a_table_says_what_may_be_said_and_refuses_the_rest() {
    for (chat, rule) in [
        (ChatRule::Off, pb::ChatRule::Unspecified),
        (ChatRule::Reactions, pb::ChatRule::Reactions),
        (ChatRule::Text, pb::ChatRule::Text),
    ] {
        let mut game = at(chat);
        let player = game.people[0].player;
        assert_eq!(game.core.snapshot_for(player).chat(), rule);
        let (text, react) = (game.say(0, line("hello")), game.say(0, reaction(Reaction::Wow)));
        assert_eq!(refusal(&text).is_none(), chat == ChatRule::Text, "{chat:?}");
        assert_eq!(refusal(&react).is_none(), chat != ChatRule::Off, "{chat:?}");
    }
    let mut game = at(ChatRule::Text);
    let long = "a".repeat(121);
    for bad in ["", "   ", &long, "two\nlines", "turned\u{202e}round"] {
        assert_eq!(refusal(&game.say(0, line(bad))), Some(ErrorCode::Refused), "{bad:?}");
    }
    let both = Ask::Say(pb::Say { text: "hello".into(), reaction: Reaction::Wow.into() });
    assert_eq!(refusal(&game.say(0, both)), Some(ErrorCode::Refused));
    assert_eq!(refusal(&game.say(5, line("hello"))), Some(ErrorCode::NotSeated), "spectators only look");
    assert_eq!(refusal(&game.say(0, line(&"ü".repeat(120)))), None, "characters count, not bytes");
}

#[test]
fn who_says_too_much_is_told_when_and_nobody_else_waits() {
    let mut game = at(ChatRule::Text);
    for _ in 0..4 {
        assert_eq!(refusal(&game.say(0, line("hello"))), None);
    }
    let step = game.say(0, line("hello"));
    assert_eq!((refusal(&step), retry_after(&step)), (Some(ErrorCode::CoolDown), 3_000));
    assert!(step.said.is_empty());
    assert_eq!(refusal(&game.say(1, line("hello"))), None);
    game.now += 3_000;
    assert_eq!(refusal(&game.say(0, line("hello"))), None);
}

#[test]
fn what_was_said_is_reported_by_another_player_while_the_table_knows_it() {
    let mut game = at(ChatRule::Text);
    let report = |number| Ask::ReportSaid(pb::ReportSaid { number });
    assert_eq!(refusal(&game.say(1, report(1))), Some(ErrorCode::Refused), "nothing was said");
    game.say(0, line("rude"));
    assert_eq!(refusal(&game.say(0, report(1))), Some(ErrorCode::Refused), "one's own");
    assert_eq!(refusal(&game.say(1, report(1))), None);
    for _ in 0..64 {
        game.now += 3_000;
        game.say(0, reaction(Reaction::Laugh));
    }
    assert_eq!(refusal(&game.say(1, report(1))), Some(ErrorCode::Refused), "only the last 64 are known");
    assert_eq!(refusal(&game.say(1, report(2))), None);
}
