//! `purr replay`: recorded hands through the live engine.

use super::{StdoutClosed, note, print_line};
use anyhow::{Context, bail};
use clap::Args;
use purr_engine::{
    Event,
    history::HandHistory,
    ohh::{self, OhhError},
    phh::{self, Amount, Outcome, Phh, PhhError, Replayer, Stack, Verdict},
};
use purr_runtime::CancellationToken;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Most hands that are listed one by one; beyond it, only their number is printed.
const TOLD_MAX: usize = 1_000;
/// The same on a terminal.
const SHOWN_MAX: usize = 20;
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Hands in PHH (.phh, .phhs), as Open Hand History (.ohh, .json), or as `purr hand` prints them
    /// (JSON, one record after the other); `-` reads stdin
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Fail where a hand is refused, cannot be read, or ends otherwise than it tells, and where a file
    /// has no hand
    #[arg(long)]
    pub check: bool,
    /// One JSON object a file instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The result for the hands of one file.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub file: String,
    pub hands: usize,
    /// Bets, checks and folds that were played.
    pub actions: usize,
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Hands with an action, or a deal, that the rules do not allow.
    pub refused: usize,
    /// Hands that are none, or of another game.
    pub unreadable: usize,
    pub parse_seconds: f64,
    pub parsed_per_second: f64,
    pub replay_seconds: f64,
    pub replayed_per_second: f64,
    /// All hands except those whose result agrees or is not given.
    pub told: Vec<Told>,
    pub not_told: usize,
}

/// One hand whose result does not agree to the chip.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    /// Its name in the file.
    pub name: String,
    pub line: usize,
    /// A verdict, `refused` or `unreadable`.
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand: Option<String>,
    pub problem: String,
    /// Number of the entry of `actions`, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_number: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// The least and most that would have been accepted, in units of the hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<(u64, u64)>,
    /// The hand's own result and the engine's, by player.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub played: Vec<String>,
}

/// Why a hand of a file cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Phh(#[from] PhhError),
    #[error(transparent)]
    Ohh(#[from] OhhError),
    #[error(transparent)]
    Record(#[from] serde_json::Error),
}

/// A hand as a file has it.
struct Recorded {
    name: String,
    line: usize,
    hand: Result<Phh, Unreadable>,
}

impl From<phh::Entry> for Recorded {
    fn from(entry: phh::Entry) -> Self {
        let hand = entry.hand.map_err(Unreadable::from);
        Self { name: entry.name, line: entry.line, hand }
    }
}

pub(crate) async fn run(args: ReplayArgs, stop: CancellationToken) -> anyhow::Result<()> {
    // It only computes, so it must not block the threads that wait for I/O.
    tokio::task::spawn_blocking(move || files(&args, &stop)).await.context("the replay")?
}

fn files(args: &ReplayArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let (mut wrong, mut empty) = (0, Vec::new());
    let mut printed = Ok(());
    for file in &args.files {
        let text = read(file).with_context(|| file.display().to_string())?;
        let report = replay(&file.display().to_string(), &text, stop)?;
        if printed.is_ok() {
            printed = print(&report, args.json);
        }
        match &printed {
            // The exit code of a check counts though nobody reads the report.
            Err(error) if args.check && error.is::<StdoutClosed>() => {}
            Err(_) => return printed,
            Ok(()) => {}
        }
        wrong += report.wrong();
        if report.hands == 0 {
            empty.push(report.file);
        }
    }
    if args.check && wrong > 0 {
        bail!("{wrong} hands are refused, cannot be read or end otherwise than they tell");
    }
    if args.check && !empty.is_empty() {
        bail!("no hand to check in {}", empty.join(", "));
    }
    printed
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json { print_line(&serde_json::to_string(report)?) } else { print_table(report) }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let most = u64::try_from(phh::FILE_BYTES_MAX)? + 1;
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(most).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(most).read_to_string(&mut text)?;
    }
    Ok(text)
}

/// The output of `purr hand`, as far as a replay needs it.
#[derive(Deserialize)]
struct Record {
    history: HandHistory,
}

/// Open Hand History and Purr's records are JSON: an object, or an array of objects. A table of TOML does not begin
/// with a brace.
fn is_json(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('{') || text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'))
}

fn parse(text: &str) -> anyhow::Result<Vec<Recorded>> {
    if !is_json(text) {
        return Ok(phh::read(text)?.into_iter().map(Recorded::from).collect());
    }
    if let Some(records) = records(text) {
        return Ok(records);
    }
    let recorded = |entry: ohh::OhhEntry| {
        let name = entry.hand.as_ref().ok().and_then(|hand| hand.game_number.clone());
        let hand = entry.hand.and_then(|hand| hand.to_phh()).map_err(Unreadable::from);
        Recorded { name: name.unwrap_or_default(), line: entry.line, hand }
    };
    Ok(ohh::read(text)?.into_iter().map(recorded).collect())
}

/// The records in a text whose first object is one, as `purr hand` prints them; `None`: something else.
fn records(text: &str) -> Option<Vec<Recorded>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let (mut found, mut line, mut counted) = (Vec::new(), 1, 0);
    loop {
        // The next value begins behind the white space.
        let end = values.byte_offset();
        let begin = end + (text[end..].len() - text[end..].trim_start().len());
        line += text[counted..begin].matches('\n').count();
        counted = begin;
        let Some(value) = values.next() else { return Some(found) };
        let list = match value {
            Ok(serde_json::Value::Array(list)) => list,
            Ok(value) => vec![value],
            Err(_) if found.is_empty() => return None,
            Err(error) => {
                found.push(Recorded { name: String::new(), line, hand: Err(error.into()) });
                return Some(found);
            }
        };
        if found.is_empty() && list.first().is_none_or(|value| value.get("history").is_none()) {
            return None;
        }
        found.extend(list.into_iter().map(|value| record(value, line)));
    }
}

fn record(value: serde_json::Value, line: usize) -> Recorded {
    match serde_json::from_value(value) {
        Ok(Record { history }) => {
            let mut hand = Phh::from_history(&history);
            let void = |event: &Event| matches!(event, Event::HandEnded(end) if end.void);
            if history.events.iter().any(void) {
                // Its bets went back: there is no end to play to.
                hand.finishing_stacks = None;
            }
            Recorded { name: history.hand.to_string(), line, hand: Ok(hand) }
        }
        Err(error) => Recorded { name: String::new(), line, hand: Err(error.into()) },
    }
}

/// Hands that are read before they are played: few enough that their memory is used again.
const CHUNK: usize = 256;

/// Reads and plays the hands of one text.
pub(crate) fn replay(file: &str, text: &str, stop: &CancellationToken) -> anyhow::Result<Report> {
    if let Some(report) = in_chunks(file, text, stop)? {
        return Ok(report);
    }
    let begun = Instant::now();
    let recorded = parse(text).with_context(|| file.to_owned())?;
    let mut run = Run::new(file, stop);
    run.report.parse_seconds = begun.elapsed().as_secs_f64();
    for chunk in recorded.chunks(CHUNK) {
        run.play(chunk)?;
    }
    Ok(run.end())
}

/// As [`replay`], but hands in PHH are replayed as they are read. `None` if the file cannot be read that way.
fn in_chunks(file: &str, text: &str, stop: &CancellationToken) -> anyhow::Result<Option<Report>> {
    if is_json(text) {
        return Ok(None);
    }
    let mut run = Run::new(file, stop);
    let mut chunks = phh::Chunks::new(text);
    loop {
        let begun = Instant::now();
        let Ok(entries) = chunks.next(CHUNK) else { return Ok(None) };
        run.report.parse_seconds += begun.elapsed().as_secs_f64();
        if entries.is_empty() {
            return Ok(Some(run.end()));
        }
        let recorded: Vec<Recorded> = entries.into_iter().map(Recorded::from).collect();
        run.play(&recorded)?;
    }
}

/// A replay under way.
struct Run<'a> {
    report: Report,
    replayer: Replayer,
    stop: &'a CancellationToken,
    begun: Instant,
    /// When to print the next progress.
    next: Duration,
}

impl<'a> Run<'a> {
    fn new(file: &str, stop: &'a CancellationToken) -> Self {
        Self {
            report: Report { file: file.into(), ..Report::default() },
            replayer: Replayer::new(),
            stop,
            begun: Instant::now(),
            next: PROGRESS_EVERY,
        }
    }

    fn play(&mut self, recorded: &[Recorded]) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            bail!("stopped by a signal");
        }
        if self.begun.elapsed() >= self.next {
            self.next += PROGRESS_EVERY;
            let (hands, seconds) = (self.report.hands, self.begun.elapsed().as_secs_f64());
            note(&format!("{}: {hands} hands after {seconds:.1} s", self.report.file));
        }
        let begun = Instant::now();
        let outcomes: Vec<_> = recorded
            .iter()
            .map(|entry| entry.hand.as_ref().ok().map(|hand| self.replayer.outcome(hand)))
            .collect();
        let report = &mut self.report;
        report.replay_seconds += begun.elapsed().as_secs_f64();
        report.hands += recorded.len();
        for (entry, outcome) in recorded.iter().zip(outcomes) {
            match (&entry.hand, outcome) {
                (Ok(hand), Some(Ok(outcome))) => report.played(entry, hand, &outcome),
                (Ok(_), Some(Err(error))) => report.refused(entry, &error),
                (Ok(_), None) => {}
                (Err(problem), _) => {
                    report.unreadable += 1;
                    report.tell(told(entry, "unreadable", problem.to_string()));
                }
            }
        }
        Ok(())
    }

    fn end(self) -> Report {
        let mut report = self.report;
        report.parsed_per_second = rate(report.hands, report.parse_seconds);
        report.replayed_per_second = rate(report.hands - report.unreadable, report.replay_seconds);
        report
    }
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: usize, seconds: f64) -> f64 {
    if seconds > 0.0 { (count as f64 / seconds).round() } else { 0.0 }
}

fn told(entry: &Recorded, kind: &'static str, problem: String) -> Told {
    let hand = entry.hand.as_ref().ok().and_then(|hand| hand.field("hand")).map(|hand| match hand {
        phh::Value::Text(text) | phh::Value::Number(text) => text.clone(),
        other => other.to_string(),
    });
    Told {
        name: entry.name.clone(),
        line: entry.line,
        kind,
        hand,
        problem,
        action_number: None,
        action: None,
        rule: None,
        bounds: None,
        wanted: Vec::new(),
        played: Vec::new(),
    }
}

impl Report {
    /// Hands that `--check` fails for.
    fn wrong(&self) -> usize {
        let mismatches = self.verdicts.get(Verdict::Mismatch.name()).copied().unwrap_or(0);
        self.refused + self.unreadable + mismatches
    }

    fn tell(&mut self, told: Told) {
        if self.told.len() < TOLD_MAX {
            self.told.push(told);
        } else {
            self.not_told += 1;
        }
    }

    fn played(&mut self, entry: &Recorded, hand: &Phh, outcome: &Outcome) {
        let Outcome { verdict, missing, played } = outcome;
        self.actions += played.actions;
        *self.verdicts.entry(verdict.name()).or_default() += 1;
        let in_units = |chips: u64| Amount { decimals: played.decimals, ..Amount::whole(chips) }.to_string();
        let problem = match verdict {
            Verdict::Exact | Verdict::Untold => return,
            Verdict::Rake => {
                let missing = u64::try_from(*missing).unwrap_or(0);
                format!("{} went as the room's rake", in_units(missing))
            }
            Verdict::OddChip => "odd chips went by another rule".into(),
            Verdict::UnknownCards => "cards that are not told can have decided".into(),
            Verdict::Mismatch => "it ends otherwise than it tells".into(),
        };
        let list = |stacks: &[Stack]| stacks.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (wanted, chips) = match (&hand.finishing_stacks, &hand.winnings) {
            (Some(stacks), _) => (list(stacks), &played.stacks),
            (None, Some(winnings)) => (list(winnings), &played.won),
            (None, None) => return,
        };
        let played = chips.iter().take(played.players).map(|chips| in_units(*chips)).collect();
        self.tell(Told { wanted, played, ..told(entry, verdict.name(), problem) });
    }

    fn refused(&mut self, entry: &Recorded, error: &PhhError) {
        self.refused += 1;
        let (action_number, action, refusal) = match error {
            PhhError::Refused { number, action, refusal } => (Some(*number), Some(action), Some(refusal)),
            PhhError::OutOfStep { number, action, .. } => (Some(*number), Some(action), None),
            PhhError::NotDealt(refusal) => (None, None, Some(refusal)),
            _ => (None, None, None),
        };
        let told = told(entry, "refused", error.to_string());
        self.tell(Told {
            action_number,
            action: action.map(ToString::to_string),
            rule: refusal.and_then(purr_engine::Refusal::rule),
            bounds: refusal.and_then(purr_engine::Refusal::bounds),
            ..told
        });
    }
}

fn print_table(report: &Report) -> anyhow::Result<()> {
    print_line(&format!("{}: {} hands, {} actions", report.file, report.hands, report.actions))?;
    let verdicts = Verdict::ALL
        .map(|verdict| (verdict.name(), report.verdicts.get(verdict.name()).copied().unwrap_or(0)));
    let rows = verdicts.into_iter().chain([("refused", report.refused), ("unreadable", report.unreadable)]);
    for (name, count) in rows.filter(|(_, count)| *count > 0) {
        print_line(&format!("  {name:<13} {count:>9}"))?;
    }
    print_line(&format!(
        "  parsed in {:.3} s ({:.0} hands/s), replayed in {:.3} s ({:.0} hands/s)",
        report.parse_seconds, report.parsed_per_second, report.replay_seconds, report.replayed_per_second
    ))?;
    // Errors come first.
    let grave = |told: &&Told| matches!(told.kind, "refused" | "unreadable" | "mismatch");
    let order = report.told.iter().filter(grave).chain(report.told.iter().filter(|told| !grave(told)));
    for told in order.take(SHOWN_MAX) {
        let rule = told.rule.map_or_else(String::new, |rule| format!(" ({rule})"));
        print_line(&format!(
            "  [{}] line {}, hand {}: {}: {}{rule}",
            told.name,
            told.line,
            told.hand.as_deref().unwrap_or("-"),
            told.kind,
            told.problem
        ))?;
        if !told.wanted.is_empty() {
            print_line(&format!("      told   {}", told.wanted.join(" ")))?;
            print_line(&format!("      played {}", told.played.join(" ")))?;
        }
    }
    let more = report.told.len().saturating_sub(SHOWN_MAX) + report.not_told;
    if more > 0 { print_line(&format!("  and {more} more (--json tells {TOLD_MAX})")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAND: &str = "variant = 'NT'\nantes = [0, 0, 0]\nblinds_or_straddles = [0.50, 1, 0]\nmin_bet = 1\n\
        starting_stacks = [100, 100, 100]\n\
        actions = ['d dh p1 ????', 'd dh p2 ????', 'd dh p3 ????', 'p3 cbr 3', 'p1 f', 'p2 f']\n\
        hand = 7\nfinishing_stacks = [99.50, 99, 101.50]\n";

    fn played(text: &str) -> Report {
        replay("a.phhs", text, &CancellationToken::new()).unwrap()
    }

    #[test]
    fn a_file_is_played_and_every_hand_that_is_not_exact_is_told() {
        let text = format!(
            "[1]\n{HAND}[2]\n{}[3]\n{}[4]\n{}[5]\n{}",
            HAND.replace("101.50", "101.25"),
            HAND.replace("99.50, 99,", "99, 99.50,"),
            HAND.replace("cbr 3", "cbr 1.50"),
            HAND.replace("'NT'", "'PO'"),
        );
        let report = played(&text);
        assert_eq!((report.hands, report.refused, report.unreadable, report.wrong()), (5, 1, 1, 3));
        let verdicts = report.verdicts.iter().map(|(name, count)| (*name, *count)).collect::<Vec<_>>();
        assert_eq!(verdicts, [("exact", 1), ("mismatch", 1), ("rake", 1)]);
        let json = serde_json::to_value(&report).unwrap();
        let kinds = report.told.iter().map(|told| (told.name.as_str(), told.kind)).collect::<Vec<_>>();
        assert_eq!(kinds, [("2", "rake"), ("3", "mismatch"), ("4", "refused"), ("5", "unreadable")]);
        assert_eq!(json["told"][0]["problem"], "0.25 went as the room's rake");
        assert_eq!(json["told"][1]["wanted"], serde_json::json!(["99", "99.50", "101.50"]));
        assert_eq!(json["told"][1]["played"], serde_json::json!(["99.50", "99.00", "101.50"]));
        let refused = &json["told"][2];
        assert_eq!((&refused["hand"], &refused["line"]), (&"7".into(), &28.into()));
        assert_eq!((&refused["actionNumber"], &refused["action"]), (&4.into(), &"p3 cbr 1.50".into()));
        assert_eq!(refused["bounds"], serde_json::json!([200, 10_000]));
        assert!(refused["rule"].as_str().unwrap().contains("WSOP 170"), "{refused}");
    }

    #[test]
    fn a_file_that_turns_unusual_after_hands_that_were_played_is_played_once_and_whole() {
        let plain: String = (0..300).map(|name| format!("[{name}]\n{HAND}")).collect();
        assert_eq!(played(&plain).verdicts.get("exact"), Some(&300));
        let report = played(&format!("{plain}[inline]\n{HAND}_x = {{ a = 1 }}\n"));
        assert_eq!((report.hands, report.verdicts.get("exact")), (301, Some(&301)), "{report:?}");
        assert!(report.parse_seconds > 0.0 && report.replay_seconds > 0.0);
    }

    #[test]
    fn open_hand_history_is_known_by_its_brace() {
        let ohh = ohh::Ohh::from_phh(&Phh::parse(HAND).unwrap()).unwrap();
        let text = ohh::write_all([&ohh, &ohh]);
        assert!(is_json(&text) && is_json("[ {}]") && !is_json(HAND) && !is_json("[1]\n"));
        let report = played(&text);
        assert_eq!((report.hands, report.wrong()), (2, 0), "{report:?}");
        assert_eq!(report.verdicts.get("exact"), Some(&2));
    }

    fn arguments(file: &Path) -> ReplayArgs {
        ReplayArgs { files: vec![file.into()], check: true, json: false }
    }

    #[test]
    fn a_check_of_nothing_fails() {
        let folder = std::env::temp_dir().join(format!("purr-replay-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [("empty.phhs", ""), ("comment.phhs", "# nothing\n\n"), ("blank.json", "\n")] {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            let error = files(&arguments(&file), &CancellationToken::new()).unwrap_err().to_string();
            assert!(error.starts_with("no hand to check in ") && error.ends_with(name), "{error}");
            let shown = ReplayArgs { check: false, ..arguments(&file) };
            files(&shown, &CancellationToken::new()).unwrap();
        }
        let file = folder.join("hand.phh");
        std::fs::write(&file, HAND).unwrap();
        files(&arguments(&file), &CancellationToken::new()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// A hand as the records' API gives it: history and end, and more that a replay needs nothing of.
    fn printed() -> serde_json::Value {
        let history = Phh::parse(HAND).unwrap().replay(free_of_rake()).unwrap().history;
        serde_json::json!({ "table": "t", "epoch": 1, "hash": "00", "history": history, "root": "00" })
    }

    fn free_of_rake() -> purr_engine::RakeConfig {
        purr_engine::RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true }
    }

    #[test]
    fn what_purr_hand_prints_is_replayed() {
        let one = printed();
        let report = played(&one.to_string());
        assert_eq!(
            (report.hands, report.wrong(), report.verdicts.get("exact")),
            (1, 0, Some(&1)),
            "{report:?}"
        );
        // A sequence of hands, or an array; a wrong stack is reported.
        let mut wrong = one.clone();
        let events = wrong["history"]["events"].as_array_mut().unwrap();
        let end = events.iter_mut().find_map(|event| event.get_mut("handEnded")).unwrap();
        end["results"][0]["stack"] = 1.into();
        let report = played(&format!("{one}\n{wrong}\n"));
        assert_eq!((report.hands, report.wrong()), (2, 1), "{report:?}");
        assert_eq!((report.told[0].line, report.told[0].kind), (2, "mismatch"));
        assert_eq!(played(&serde_json::json!([one, one]).to_string()).verdicts.get("exact"), Some(&2));
        // Truncated hands are reported, and complete ones are replayed.
        let cut = format!("{one}\n{}", &one.to_string()[..200]);
        let report = played(&cut);
        assert_eq!((report.hands, report.unreadable), (2, 1));
    }

    #[test]
    fn a_void_hand_has_no_end_to_play_to() {
        let mut void = printed();
        let events = void["history"]["events"].as_array_mut().unwrap();
        let end = events.iter_mut().find_map(|event| event.get_mut("handEnded")).unwrap();
        end["void"] = true.into();
        let report = played(&void.to_string());
        assert_eq!((report.wrong(), report.verdicts.get("untold")), (0, Some(&1)), "{report:?}");
    }

    #[test]
    fn a_signal_stops_a_replay() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(replay("a.phh", HAND, &stop).is_err());
        assert!(replay("a.phh", "{", &CancellationToken::new()).is_err());
    }
}
