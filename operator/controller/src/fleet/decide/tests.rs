//! Tests named after known failures of game-server fleets.

use super::{world::World, *};
use crate::fleet::observe::Trouble;
use proptest::prelude::*;

fn image(world: &mut World, name: &str) -> String {
    world.change(|spec| spec.template.pod.image = Some(name.into()));
    world.hashes().pod
}

fn blinds(world: &mut World, big: i64) {
    world.change(|spec| spec.template.blinds.big = big);
}

/// A fleet with all its tables ready.
fn up(change: impl FnOnce(&mut PokerTableFleetSpec)) -> World {
    let mut world = World::new(change);
    world.until(60, |world| world.last.is_some() && world.is_done());
    world
}

#[test]
fn a_new_fleet_makes_its_tables_once_and_is_done_when_they_serve() {
    let mut world = World::new(|spec| spec.replicas = 50);
    let took = world.until(60, |world| world.last.is_some() && world.is_done());
    assert!(took <= 5, "{took} s");
    assert_eq!((world.created, world.tables.len()), (50, 50));
    assert!(world.tables.contains_key("nl100-1") && world.tables.contains_key("nl100-50"));
    world.run(100);
    assert_eq!((world.created, world.removed), (50, 0));
}

#[test]
fn twenty_fleets_of_twenty_five_make_exactly_five_hundred_tables() {
    let created: usize = (0..20)
        .map(|lag_s| {
            let mut world = World::new(|spec| spec.replicas = 25);
            world.lag_s = lag_s;
            world.run(120);
            assert!(world.is_done());
            world.created
        })
        .sum();
    assert_eq!(created, 500);
}

#[test]
fn a_watch_that_is_behind_makes_no_table_twice_nor_does_a_process_that_forgot() {
    let mut world = World::new(|spec| spec.replicas = 30);
    world.lag_s = 20;
    world.run(5);
    assert_eq!((world.tables.len(), world.created), (30, 30));
    // A restarted process has no expectations, and chooses the same names.
    world.forget();
    world.run(60);
    assert_eq!((world.created, world.tables.len()), (30, 30));
    assert_eq!(world.conflicts, 30);
}

#[test]
fn a_creation_whose_answer_was_lost_is_tried_again_under_its_name() {
    let mut world = World::new(|spec| spec.replicas = 10);
    (world.lose, world.lag_s) = (25, 3);
    world.run(60);
    assert!(world.is_done());
    assert_eq!((world.created, world.tables.len()), (10, 10));
}

#[test]
fn scale_in_takes_free_tables_on_the_emptiest_nodes_first() {
    let mut world = up(|spec| spec.replicas = 9);
    // Numbers 1, 4 and 7 are on node-1; 2, 5 and 8 on node-2; 3, 6 and 9 on node-0.
    for name in ["nl100-1", "nl100-4", "nl100-2"] {
        world.tables.get_mut(name).unwrap().players = 3;
    }
    world.change(|spec| spec.replicas = 6);
    world.until(30, World::is_done);
    let left: Vec<u64> = world.tables.values().map(|table| table.number).collect();
    assert_eq!(left, [1, 2, 4, 5, 7, 8], "node-0 had nobody");
}

#[test]
fn a_table_with_players_is_closed_and_deleted_once_the_last_has_left() {
    let mut world = up(|spec| spec.replicas = 3);
    world.occupy(3);
    world.change(|spec| spec.replicas = 1);
    world.run(600);
    assert_eq!((world.tables.len(), world.removed), (3, 0));
    assert_eq!(world.count(|table| table.closed), 2);
    assert!(!world.is_done());
    world.tables.values_mut().for_each(|table| table.players = 0);
    world.until(10, World::is_done);
    assert_eq!(world.tables.len(), 1);
}

#[test]
fn a_table_that_was_closed_for_want_of_players_opens_again_before_another_is_made() {
    let mut world = up(|spec| spec.replicas = 3);
    world.occupy(3);
    world.change(|spec| spec.replicas = 1);
    world.run(5);
    assert_eq!(world.count(|table| table.closed), 2);
    world.change(|spec| spec.replicas = 4);
    world.run(10);
    assert_eq!((world.count(|table| table.closed), world.created), (0, 4));
}

#[test]
fn the_buffer_adds_tables_up_to_the_maximum_and_the_largest_of_its_values_counts() {
    let mut world = up(|spec| {
        (spec.replicas, spec.max_replicas, spec.buffer.tables, spec.buffer.percent) = (4, 30, 2, 50);
    });
    world.occupy(4);
    world.until(20, |world| world.count(TableView::is_free) == 2);
    world.occupy(6);
    world.run(20);
    world.occupy(8);
    world.until(20, |world| world.count(TableView::is_free) == 4);
    for wanted in [10, 14, 18, 20, 22, 24, 26, 28, 30] {
        world.occupy(wanted);
        world.run(20);
    }
    assert_eq!(world.tables.len(), 30);
    world.change(|spec| (spec.buffer.percent, spec.buffer.seats, spec.max_replicas) = (0, 130, 100));
    // Thirty tables of six with two players each have 120 empty seats; ten more are two tables.
    world.run(20);
    assert_eq!(world.count(TableView::is_free), 2);
    world.change(|spec| spec.buffer.seats = 140);
    world.run(20);
    assert_eq!(world.count(TableView::is_free), 4);
}

#[test]
fn the_buffer_never_counts_tables_that_are_dying() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables) = (4, 4));
    let all: Vec<String> = world.tables.keys().cloned().collect();
    world.end(&all[..3]);
    world.tick();
    assert_eq!(world.count(|table| table.is_live()), 4, "three were made in place of three that go");
    world.tables.get_mut(&all[3]).unwrap().closed = true;
    world.tick();
    assert_eq!(world.count(|table| table.is_live()), 4);
}

#[test]
fn twenty_tables_that_end_at_once_bring_at_most_two_needless_creations() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables) = (5, 3));
    for wanted in (5..=60).step_by(1) {
        world.occupy(wanted);
        world.run(4);
    }
    world.run(60);
    assert_eq!(world.count(TableView::is_free), 3);
    for lag_s in [0, 1, 3] {
        world.lag_s = lag_s;
        let before = world.created;
        let names: Vec<String> =
            world.views().iter().filter(|t| t.is_occupied()).map(|t| t.name.clone()).collect();
        world.end(&names[..15]);
        // Five more lose their players, and five their pods for a while.
        for name in &names[15..20] {
            world.tables.get_mut(name).unwrap().players = 0;
        }
        for name in &names[20..25] {
            world.fail(name, 30);
        }
        world.run(120);
        let needless = world.created - before;
        assert!(needless <= 2, "{needless} at a lag of {lag_s} s");
        world.occupy(60 - names.len());
        world.run(900);
        for wanted in 40..=60 {
            world.occupy(wanted);
            world.run(4);
        }
        world.run(60);
    }
}

#[test]
fn an_hour_of_load_that_goes_up_and_down_closes_tables_at_most_four_times() {
    for (period_s, noise) in [(60, 3), (120, 0), (300, 4), (540, 5), (600, 8)] {
        let mut world = up(|spec| {
            (spec.replicas, spec.buffer.tables) = (5, 3);
            spec.scale_down.stabilization_seconds = 600;
        });
        for second in 0..3_600_i64 {
            let phase = second % period_s;
            let wave = 5 + 30 * (period_s - (2 * phase - period_s).abs()) / period_s;
            let wave = usize::try_from(wave).unwrap();
            let wanted = wave + usize::try_from(world.roll(noise + 1)).unwrap();
            world.occupy(wanted);
            world.tick();
        }
        let times = world.scale_downs.len();
        assert!(times <= 4, "{times} times with a period of {period_s} s");
        assert!(world.created <= 60, "{} were made", world.created);
    }
}

#[test]
fn load_that_falls_for_good_closes_tables_in_few_steps_and_a_person_is_not_made_to_wait() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables) = (2, 2));
    for wanted in 1..=40 {
        world.occupy(wanted);
        world.run(5);
    }
    for wanted in (0..40).rev() {
        world.occupy(wanted);
        world.run(60);
    }
    world.run(1_300);
    assert!(world.scale_downs.len() <= 7, "{:?}", world.scale_downs);
    world.until(30, World::is_done);
    assert_eq!(world.tables.len(), 2);
    world.change(|spec| spec.replicas = 12);
    world.until(30, |world| world.count(TableView::is_free) == 12);
    world.change(|spec| spec.replicas = 3);
    world.until(20, |world| world.tables.len() == 3);
}

#[test]
fn a_rollout_moves_tables_in_place_also_where_all_are_occupied_and_none_may_be_added() {
    for max in [6, 20] {
        let mut world = up(|spec| (spec.replicas, spec.max_replicas) = (6, max));
        world.occupy(6);
        let held: Vec<String> = world.tables.values().map(|table| table.uid.clone()).collect();
        image(&mut world, "b");
        world.until(600, World::is_done);
        assert_eq!(world.moves, 6);
        let now: Vec<String> = world.tables.values().map(|table| table.uid.clone()).collect();
        assert_eq!(held, now, "the same tables");
        assert!(world.tables.values().all(|table| table.players == 2));
    }
}

#[test]
fn a_rollouts_budgets_count_free_tables_only_and_the_buffer_is_kept() {
    let mut world = up(|spec| {
        (spec.replicas, spec.buffer.tables, spec.rollout.batch, spec.rollout.max_unavailable) = (12, 3, 4, 2);
    });
    world.occupy(9);
    world.run(5);
    assert_eq!(world.count(TableView::is_free), 3);
    image(&mut world, "b");
    for _ in 0..900 {
        world.tick();
        let free = world.count(|table| table.is_live() && table.settled && !table.is_occupied());
        let moving = world.count(|table| table.served && !table.settled && table.is_live());
        let empty =
            world.count(|table| table.served && !table.settled && table.is_live() && !table.is_occupied());
        assert!(free >= 3, "{free} are free");
        assert!(moving <= 4 && empty <= 2, "{moving} move, {empty} of them free ones");
        if world.is_done() {
            break;
        }
    }
    assert!(world.is_done());
    assert_eq!(world.tables.len(), 12, "what was added for the rollout is gone");
}

#[test]
fn a_second_rollout_and_a_scale_in_the_middle_of_one_end_with_one_kind_of_table() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables, spec.rollout.batch) = (12, 3, 2));
    world.occupy(8);
    image(&mut world, "b");
    world.run(25);
    let pod = image(&mut world, "c");
    world.run(10);
    world.change(|spec| spec.replicas = 10);
    world.run(5);
    world.restart();
    world.until(2_000, World::is_done);
    assert!(world.tables.values().all(|table| table.runs == pod && table.pod == pod));
    assert_eq!(world.count(TableView::is_occupied), 8);
    // The restarted process has forgotten that the last table was made for the rollout, and waits for the window as for
    // any other table.
    world.until(700, |world| world.tables.len() == 11);
}

#[test]
fn another_game_and_yet_another_in_the_middle_leave_one_set_of_tables() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables) = (6, 2));
    world.occupy(6);
    world.run(20);
    blinds(&mut world, 2_000_000);
    world.run(6);
    world.occupy(8);
    blinds(&mut world, 3_000_000);
    world.change(|spec| spec.replicas = 4);
    world.run(30);
    // Seated players stay; nobody new sits down at outdated tables.
    assert_eq!(world.count(|table| table.is_occupied() && !table.same_play && table.closed), 8);
    assert_eq!(world.count(TableView::is_free), 2, "{:#?}", world.views());
    assert!(!world.is_done());
    world.tables.values_mut().for_each(|table| table.players = 0);
    world.until(900, World::is_done);
    assert!(world.views().iter().all(|table| table.same_play));
    assert_eq!(world.tables.len(), 4);
}

#[test]
fn another_game_with_every_table_full_brings_new_tables_within_ten_seconds_and_moves_nobody() {
    let mut world = up(|spec| (spec.replicas, spec.max_replicas, spec.buffer.tables) = (12, 12, 0));
    let seats = world.seats();
    world.tables.values_mut().for_each(|table| table.players = seats);
    blinds(&mut world, 2_000_000);
    world.tick();
    assert_eq!(world.count(|table| !table.same_play && !table.closed), 0, "full ones are offered to nobody");
    let took = world.until(10, |world| world.count(TableView::is_free) > 0);
    assert!(took <= 10);
    world.run(600);
    assert_eq!(world.count(|table| !table.same_play && table.players == seats), 12);
    // As old tables end, tables of the new kind replace them.
    world.tables.values_mut().for_each(|table| table.players = 0);
    world.until(60, World::is_done);
    assert_eq!(world.tables.len(), 12);
}

#[test]
fn another_game_whose_tables_do_not_come_up_closes_none_that_somebody_could_join() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables) = (4, 1));
    world.occupy(2);
    blinds(&mut world, 2_000_000);
    let pod = image(&mut world, "nowhere");
    world.broken.insert(pod);
    world.run(300);
    assert_eq!(world.count(|table| !table.same_play && !table.closed && table.taking), 4);
    let stalled = world.last.clone().unwrap().rollout.stalled.unwrap();
    assert_eq!(stalled.reason, "ImageUnavailable");
}

#[test]
fn a_broken_image_stops_after_one_batch_with_its_reason_and_an_undo_repairs_it() {
    let mut world = up(|spec| (spec.replicas, spec.rollout.batch, spec.rollout.max_unavailable) = (10, 3, 2));
    world.occupy(6);
    let before = world.hashes().pod;
    let pod = image(&mut world, "nowhere");
    world.broken.insert(pod);
    world.run(900);
    let stalled = world.last.clone().unwrap().rollout.stalled.unwrap();
    assert_eq!(stalled.reason, "ImageUnavailable");
    assert!(stalled.message.contains("no such image"), "{stalled:?}");
    let hit = world.count(|table| !table.ready);
    assert!(world.moves <= 3 && hit <= 3, "{} moves, {hit} do not serve", world.moves);
    assert_eq!(world.count(|table| !table.ready && table.is_occupied()), 0, "no player has met it");
    world.change(|spec| spec.template.pod.image = None);
    assert_eq!(world.hashes().pod, before);
    world.until(60, World::is_done);
    assert_eq!((world.tables.len(), world.count(|table| table.ready)), (10, 10));
}

#[test]
fn a_closed_table_that_cannot_run_takes_an_undo_as_well_and_then_goes() {
    let mut world = up(|spec| spec.replicas = 3);
    let pod = image(&mut world, "nowhere");
    world.broken.insert(pod);
    world.until(60, |world| world.count(|table| table.trouble.is_some()) == 1);
    world.change(|spec| spec.replicas = 2);
    world.run(60);
    assert_eq!(world.count(|table| table.closed && table.trouble.is_some()), 1);
    assert_eq!(world.tables.len(), 3, "nobody knows who is there");
    world.change(|spec| spec.template.pod.image = None);
    world.until(60, World::is_done);
    assert_eq!(world.tables.len(), 2);
}

#[test]
fn a_table_that_does_not_come_up_in_time_stalls_its_fleet_until_it_does() {
    let mut world = up(|spec| (spec.replicas, spec.rollout.progress_deadline_seconds) = (4, 30));
    image(&mut world, "b");
    world.until(60, |world| world.count(|table| !table.ready) > 0);
    let name = world.views().into_iter().find(|table| !table.ready).unwrap().name;
    world.fail(&name, 100);
    world.run(60);
    let stalled = world.last.clone().unwrap().rollout.stalled.unwrap();
    assert_eq!(stalled.reason, "ProgressDeadlineExceeded");
    assert!(stalled.message.contains(&name) && world.moves == 1);
    world.until(900, World::is_done);
}

#[test]
fn a_refused_creation_is_said_and_tried_again_ever_more_rarely() {
    let mut world = World::new(|spec| spec.replicas = 1);
    let (name, mut tried) = ("nl100-1", 0);
    for now_s in 0..300 {
        let hashes = world.hashes();
        let seen = Observed {
            name: "nl100",
            spec: &world.spec,
            hashes: &hashes,
            generation: 1,
            finalizer: true,
            deleting: false,
            orphan: false,
            tables: &[],
            now_s,
        };
        let decision = decide(&seen, &mut world.memory);
        for step in decision.steps {
            assert!(matches!(&step, Step::Create { .. }), "{step:?} of {name}");
            world.memory.expect.failed(&step, true);
            world.memory.refused("exceeded quota", 1, now_s);
            tried += 1;
        }
        if tried > 0 && now_s > 0 {
            assert_eq!(decision.rollout.stalled.unwrap().reason, "CreateRefused");
        }
    }
    assert!((7..=12).contains(&tried), "{tried} times in 300 s");
}

#[test]
fn a_fleet_that_is_deleted_closes_its_tables_and_ends_with_the_last_of_them() {
    let mut world = up(|spec| spec.replicas = 5);
    world.occupy(2);
    world.deleted = true;
    world.run(60);
    assert_eq!((world.tables.len(), world.finalizer), (2, true));
    world.tables.values_mut().for_each(|table| table.players = 0);
    world.until(10, |world| !world.finalizer);
    assert!(world.tables.is_empty());
    world.run(5);
    assert_eq!(world.created, 5);
}

#[test]
fn a_fleet_that_is_deleted_without_its_tables_leaves_them_alone() {
    let world = up(|spec| spec.replicas = 2);
    let (views, hashes) = (world.views(), world.hashes());
    let seen = Observed {
        name: "nl100",
        spec: &world.spec,
        hashes: &hashes,
        generation: 1,
        finalizer: true,
        deleting: true,
        orphan: true,
        tables: &views,
        now_s: 0,
    };
    assert_eq!(decide(&seen, &mut Memory::new(1, 0)).steps, [Step::ReleaseFinalizer]);
}

#[test]
fn a_pause_of_the_template_reaches_every_table_and_ends_only_where_the_fleet_has_paused() {
    let mut world = up(|spec| spec.replicas = 3);
    world.spec.template.paused = true;
    let mut views = world.views();
    views[0].paused = true;
    let hashes = world.hashes();
    let steps = |views: &[TableView], spec: &PokerTableFleetSpec| {
        let seen = Observed {
            name: "nl100",
            spec,
            hashes: &hashes,
            generation: 1,
            finalizer: true,
            deleting: false,
            orphan: false,
            tables: views,
            now_s: world.now_s,
        };
        decide(&seen, &mut Memory::new(1, 0)).steps
    };
    let pause = |uid: &str, paused| Step::Pause { uid: uid.into(), paused };
    assert_eq!(steps(&views, &world.spec), [pause("uid-2", true), pause("uid-3", true)]);
    for view in &mut views[1..] {
        (view.paused, view.paused_by_fleet) = (true, true);
    }
    world.spec.template.paused = false;
    assert_eq!(steps(&views, &world.spec), [pause("uid-2", false), pause("uid-3", false)]);
}

#[test]
fn a_table_that_has_gone_bad_is_made_up_for_but_not_by_more_than_the_buffer() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables) = (6, 2));
    let names: Vec<String> = world.tables.keys().cloned().collect();
    for name in &names[..4] {
        world.fail(name, 10_000);
    }
    world.run(50);
    assert_eq!(world.created, 6, "they may come back");
    world.run(60);
    assert_eq!(world.created, 8);
    world.run(600);
    assert_eq!(world.created, 8);
}

#[derive(Clone, Debug)]
enum Op {
    Scale(i32),
    Buffer(i32),
    Image(u8),
    Blinds(u8),
    Players(u8),
    End,
    Fail(u8),
    Restart,
    Lag(i64),
    Lose(usize),
    Wait(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..15).prop_map(Op::Scale),
        (0..5).prop_map(Op::Buffer),
        (0..3u8).prop_map(Op::Image),
        (1..3u8).prop_map(Op::Blinds),
        (1..60u8).prop_map(Op::Players),
        Just(Op::End),
        (1..90u8).prop_map(Op::Fail),
        Just(Op::Restart),
        (0..6i64).prop_map(Op::Lag),
        (0..6usize).prop_map(Op::Lose),
        (1..90u8).prop_map(Op::Wait),
    ]
}

fn carry_out(world: &mut World, op: &Op) {
    match op {
        Op::Scale(replicas) => world.change(|spec| spec.replicas = *replicas),
        Op::Buffer(tables) => world.change(|spec| spec.buffer.tables = *tables),
        Op::Image(image) => world.change(|spec| spec.template.pod.image = Some(image.to_string())),
        Op::Blinds(big) => world.change(|spec| spec.template.blinds.big = i64::from(*big) * 1_000_000),
        Op::Players(many) => (0..*many).for_each(|_| world.someone()),
        Op::End => {
            let first = world.tables.keys().next().cloned();
            world.end(&Vec::from_iter(first));
        }
        Op::Fail(seconds) => {
            if let Some(name) = world.tables.keys().next_back().cloned() {
                world.fail(&name, i64::from(*seconds));
            }
        }
        Op::Restart => world.restart(),
        Op::Lag(lag_s) => world.lag_s = *lag_s,
        Op::Lose(lose) => world.lose = *lose,
        Op::Wait(seconds) => world.run(i64::from(*seconds)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// The world itself asserts that no table with players is deleted, that none is closed twice, and that never all
    /// tables are closed that somebody could join.
    #[test]
    fn whatever_happens_a_fleet_comes_to_rest_with_the_tables_that_are_wanted(
        ops in proptest::collection::vec(op(), 1..25),
    ) {
        let mut world = World::new(|spec| spec.scale_down.stabilization_seconds = 60);
        for op in &ops {
            carry_out(&mut world, op);
            world.tick();
            // Apart from closing tables there are never more than wanted plus the rollout's surge.
            let live = world.count(TableView::is_live);
            prop_assert!(live <= 100 + 15, "{} tables", live);
        }
        world.tables.values_mut().for_each(|table| table.players = 0);
        (world.lag_s, world.lose) = (1, 0);
        world.until(3_000, World::is_done);
        // Tables that were needed a while ago stay for the window, and a table that ended before the watch showed it is
        // given up after five minutes.
        world.run(350);
        world.until(100, World::is_done);
        let (replicas, buffer) = (world.spec.replicas, world.spec.buffer.tables);
        prop_assert_eq!(world.tables.len(), usize::try_from(replicas.max(buffer)).unwrap());
        let created = world.created;
        world.run(300);
        prop_assert!(world.is_done() && world.created == created, "it is at rest");
    }
}

#[test]
fn the_last_table_that_serves_is_not_scaled_in_while_others_only_start() {
    let mut world = World::new(|spec| spec.scale_down.stabilization_seconds = 60);
    let ops = [
        Op::Wait(2),
        Op::Players(49),
        Op::Blinds(2),
        Op::Players(22),
        Op::Lag(1),
        Op::Image(0),
        Op::Players(17),
        Op::Restart,
    ];
    for op in &ops {
        carry_out(&mut world, op);
        // The world itself asserts that somebody can sit down.
        world.tick();
    }
    world.tables.values_mut().for_each(|table| table.players = 0);
    world.until(3_000, World::is_done);
}

#[test]
fn a_deletion_decided_on_an_old_view_is_refused_where_the_table_serves_by_now() {
    let mut world = World::new(|spec| spec.scale_down.stabilization_seconds = 60);
    world.lag_s = 2;
    world.tick();
    world.change(|spec| spec.replicas = 6);
    world.tick();
    world.restart();
    world.tick();
    world.change(|spec| spec.replicas = 0);
    world.tick();
    (0..10).for_each(|_| world.someone());
    // The world itself refuses to delete a table with players.
    world.run(10);
    world.tables.values_mut().for_each(|table| table.players = 0);
    world.until(3_000, World::is_done);
}

#[test]
fn a_changed_game_keeps_a_new_table_open_as_long_as_full_ones_play() {
    let mut world = up(|spec| (spec.replicas, spec.buffer.tables) = (2, 0));
    world.tables.values_mut().for_each(|table| table.players = 6);
    world.change(|spec| spec.template.blinds.big = 2_000_000);
    world.run(1_200);
    assert_eq!(world.count(|table| table.closed && table.players > 0), 2);
    assert_eq!(world.count(|table| table.is_live() && table.taking), 1, "somebody who comes finds a seat");
    world.tables.values_mut().for_each(|table| table.players = 0);
    world.until(1_000, World::is_done);
    assert_eq!(world.tables.len(), 2);
}

#[test]
fn a_table_that_waits_for_its_turn_proves_nothing_of_the_template() {
    let mut spec = testing_spec();
    (spec.rollout.batch, spec.rollout.max_unavailable, spec.buffer.tables) = (3, 2, 0);
    let table = |number: u64, same_pod| TableView {
        uid: format!("uid-{number}"),
        number,
        same_play: true,
        same_pod,
        served: true,
        ready: true,
        settled: true,
        taking: true,
        ..TableView::default()
    };
    let mut tables = vec![table(1, true), table(2, true), table(3, false), table(4, false), table(5, false)];
    tables[0].queued = true;
    (tables[1].settled, tables[1].taking) = (false, false);
    let rollout = |tables: &[TableView]| {
        let demand = Demand::of(&spec, tables, 0);
        Rollout::of(&spec, tables, &demand, 0)
    };
    let waits = rollout(&tables);
    assert!(!waits.proven && waits.moves.is_empty(), "{waits:?}");
    assert_eq!((waits.moving, waits.outdated), (2, 3));
    tables[0].queued = false;
    (tables[1].settled, tables[1].taking) = (true, true);
    let proven = rollout(&tables);
    assert!(proven.proven && proven.moving == 0 && !proven.moves.is_empty(), "{proven:?}");
}

#[test]
fn a_trouble_is_the_reason_of_the_stall() {
    let trouble = Trouble { reason: "CrashLoop".into(), message: "exit code 1".into() };
    let table = TableView { trouble: Some(trouble), same_play: true, same_pod: true, ..TableView::default() };
    let spec = testing_spec();
    let demand = Demand::of(&spec, std::slice::from_ref(&table), 0);
    let rollout = Rollout::of(&spec, &[table], &demand, 0);
    assert_eq!(rollout.stalled.unwrap().reason, "CrashLoop");
}

fn testing_spec() -> PokerTableFleetSpec {
    crate::testing::pokertablefleet().spec
}
