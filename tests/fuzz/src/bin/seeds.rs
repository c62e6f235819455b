//! Writes the first corpus of each target, made by the project's own writers. usage: seeds FOLDER

use purr_engine::{
    Action, Command, Event, PlayerId, SeatIndex, Table,
    history::{HandHistory, SeatStart},
    ohh::Ohh,
    phh::Phh,
};
use purr_fuzz::{Bytes, commands};
use purr_protocol::{Codec, pb, views};
use std::{error::Error, fs, path::Path};

const SEEDS: u64 = 40;

/// Bytes from a seed, the same on every machine (SplitMix64; Steele, Lea, Flood 2014).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// A hand of a table driven by random bytes, with its start.
struct Played {
    table: Table,
    history: HandHistory,
}

fn play(seed: u64) -> Option<Played> {
    let noise = noise(seed, 4_096);
    let mut bytes = Bytes::new(&noise);
    let mut table = Table::new(commands::config(&mut bytes)).ok()?;
    let config = table.config().clone();
    for seat in 0..config.seats {
        let stack = config.buy_in_min + bytes.short() % (config.buy_in_max - config.buy_in_min + 1);
        table
            .apply(0, Command::Sit { seat: SeatIndex(seat), player: PlayerId([seat + 1; 20]), stack })
            .ok()?;
    }
    let stacks: Vec<(PlayerId, u64)> = table.seats().iter().flatten().map(|s| (s.player, s.stack)).collect();
    let mut events = table.apply(0, Command::StartHand { hand: 1, deck: bytes.deck() }).ok()?;
    let running = table.clone();
    while let Some(seat) = table.to_act() {
        let legal = table.legal_actions(seat)?;
        let action = match (bytes.roll(8), legal.raise_to) {
            (0, _) if !legal.check => Action::Fold,
            (1, Some((min, _))) => Action::RaiseTo(min),
            (2, Some((_, max))) => Action::RaiseTo(max),
            _ if legal.check => Action::Check,
            _ => Action::Call,
        };
        events.extend(table.apply(1, Command::Act { seat, action }).ok()?);
    }
    let order = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.clone()),
        _ => None,
    })?;
    let seats = order.iter().map(|&seat| {
        let (player, stack) = stacks[seat.index()];
        SeatStart { seat, player, stack }
    });
    let history = HandHistory { hand: 1, config, seats: seats.collect(), events };
    Some(Played { table: running, history })
}

fn client_messages() -> Vec<pb::ClientMessage> {
    use pb::client_message::Body;
    let permit = || {
        Some(pb::Permit { amount: 500, max_total_rake: 20, expiry_s: 9, nonce: 3, signature: vec![7; 65] })
    };
    let bodies = [
        Body::Attach(pb::Attach {
            token: "a.b.c".into(),
            resume: Some(pb::Cursor { epoch: 65_536, offset: 9 }),
        }),
        Body::RenewToken(pb::RenewToken { token: "a.b.c".into() }),
        Body::Sit(pb::Sit { seat: 3, amount: 500, permit: permit() }),
        Body::TopUp(pb::TopUp { amount: 40, permit: permit() }),
        Body::SitIn(pb::SitIn { post: true }),
        Body::Act(pb::Act { hand: 7, kind: pb::ActionKind::RaiseTo.into(), amount: 300, question: None }),
        Body::RevealEntropy(pb::RevealEntropy { hand: 7, entropy: vec![9; 32] }),
        Body::Ping(pb::Ping {}),
    ];
    (1..).zip(bodies).map(|(id, body)| pb::ClientMessage { id, body: Some(body) }).collect()
}

/// All events of a hand as the seat that was dealt the first card sees them.
fn server_message(played: &Played) -> pb::ServerMessage {
    let context = views::Context { now: 1, deal: None, table: &played.table };
    let viewer =
        played.history.seats.first().map_or(views::Viewer::Spectator, |s| views::Viewer::Seat(s.seat));
    let seen = played.history.events.iter().filter_map(|event| views::event(event, viewer, &context));
    let body = pb::server_message::Body::Events(pb::Events { events: seen.collect() });
    pb::ServerMessage { epoch: 65_536, offset: 12, body: Some(body) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: seeds FOLDER")?;
    let write = |target: &str, name: String, content: &[u8]| -> Result<(), Box<dyn Error>> {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), content)?)
    };
    let mut hands = 0;
    for seed in 0..SEEDS {
        write("commands", format!("noise-{seed}"), &noise(seed, 40 << (seed % 7)))?;
        let Some(played) = play(seed) else { continue };
        hands += 1;
        let phh = Phh::from_history(&played.history);
        write("phh", format!("hand-{seed}.phh"), phh.to_text()?.as_bytes())?;
        // PHH does not include the rake, so such a hand may not be replayable.
        if let Ok(ohh) = Ohh::from_phh(&phh) {
            write("ohh", format!("hand-{seed}.ohh"), ohh.to_string().as_bytes())?;
        }
        let message = server_message(&played);
        for (tag, codec) in [(2u8, Codec::Proto), (3, Codec::Json)] {
            write(
                "wire",
                format!("server-{seed}-{tag}"),
                &[&[tag][..], &codec.encode_server(&message)?].concat(),
            )?;
        }
    }
    for (place, message) in client_messages().iter().enumerate() {
        for (tag, codec) in [(0u8, Codec::Proto), (1, Codec::Json)] {
            let bytes = [&[tag][..], &codec.encode_client(message)?].concat();
            write("wire", format!("client-{place}-{tag}"), &bytes)?;
        }
    }
    println!("seeds of {hands} hands in {folder}");
    if hands == 0 {
        return Err("no hand was played".into());
    }
    Ok(())
}
