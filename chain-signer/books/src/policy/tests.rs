use super::*;
use purr_engine::SeatIndex;
use purr_protocol::settlement::SeatDelta;

fn player(n: u8) -> PlayerId {
    PlayerId([n; 20])
}

fn permit(amount: u64, rake: u64) -> Permit {
    Permit { amount, max_total_rake: rake, expiry_s: 2_000_000_000, nonce: 1, signature: "0x".into() }
}

fn sit(seat: u8, amount: u64) -> EntryBody {
    EntryBody::Sit { seat: SeatIndex(seat), player: player(seat + 1), permit: permit(amount, 1_000) }
}

fn hand(deltas: &[(u8, i64)], rake: u64) -> EntryBody {
    let deltas = deltas
        .iter()
        .map(|(seat, delta)| SeatDelta { seat: SeatIndex(*seat), player: player(seat + 1), delta: *delta })
        .collect();
    EntryBody::Hand { hand: 1, deltas, rake, record_hash: "ab".repeat(32), next: String::new() }
}

fn table() -> Table {
    let terms = Terms { seats: 6, rake_basis_points: 500, rake_cap: 50, big_blind: 2 };
    let mut table = Table { terms, seats: BTreeMap::new() };
    for seat in 0..3 {
        table.apply(&sit(seat, 1_000), &Limits::default()).unwrap();
    }
    table
}

fn refused(body: &EntryBody) -> Refusal {
    table().apply(body, &Limits { hand_max: 900, ..Limits::default() }).unwrap_err()
}

#[test]
fn a_hand_moves_chips_and_uses_up_the_winners_permit() {
    let mut table = table();
    let effect = table.apply(&hand(&[(0, -100), (1, -100), (2, 190)], 10), &Limits::default()).unwrap();
    assert_eq!(effect.moved, 200);
    assert_eq!(effect.lanes[&2], Lane { delta: 190, rake: 10 });
    assert_eq!(table.seats[&2].stack, 1_190);
    assert_eq!(table.seats[&2].rake_left, 990);
    assert_eq!(table.seats[&0].rake_left, 1_000);
}

#[test]
fn an_unbalanced_hand_is_refused() {
    assert_eq!(refused(&hand(&[(0, -100), (1, 100)], 1)), Refusal::NotZeroSum(1));
}

#[test]
fn a_seat_cannot_lose_more_than_its_stack() {
    let want = Refusal::Insolvent { seat: 0, stack: 1_000, loss: 1_001 };
    assert_eq!(refused(&hand(&[(0, -1_001), (1, 1_001)], 0)), want);
}

#[test]
fn rake_above_the_cap_is_refused() {
    assert_eq!(refused(&hand(&[(0, -100), (1, 49)], 51)), Refusal::RakeAboveCap { rake: 51, cap: 50 });
}

#[test]
fn an_unknown_seat_and_a_wrong_player_are_refused() {
    assert_eq!(refused(&hand(&[(0, -1), (5, 1)], 0)), Refusal::SeatEmpty(5));
    let body = EntryBody::Leave { seat: SeatIndex(0), player: player(9), stack: 1_000 };
    assert_eq!(refused(&body), Refusal::WrongPlayer(0));
}

#[test]
fn seats_of_a_hand_are_named_once_and_in_order() {
    assert_eq!(refused(&hand(&[(1, -1), (0, 1)], 0)), Refusal::SeatOrder);
    assert_eq!(refused(&hand(&[(0, -1), (0, 1)], 0)), Refusal::SeatOrder);
}

#[test]
fn a_hand_above_the_limit_is_refused() {
    let want = Refusal::HandLimit { moved: 901, limit: 900 };
    assert_eq!(refused(&hand(&[(0, -901), (1, 901)], 0)), want);
}

#[test]
fn leaving_needs_the_right_stack() {
    let body = EntryBody::Leave { seat: SeatIndex(0), player: player(1), stack: 999 };
    assert_eq!(refused(&body), Refusal::StackMismatch { have: 1_000, given: 999 });
}

#[test]
fn overflowing_amounts_are_refused() {
    for amount in [0, purr_engine::config::AMOUNT_MAX + 1, u64::MAX] {
        let body = EntryBody::Sit { seat: SeatIndex(4), player: player(9), permit: permit(amount, 0) };
        assert_eq!(refused(&body), Refusal::Amount(amount));
    }
    let body = hand(&[(0, i64::MIN), (1, i64::MAX)], 0);
    assert!(matches!(refused(&body), Refusal::Insolvent { .. }));
}

#[test]
fn a_permit_must_outlive_its_way_to_a_block_and_bind_chips_for_a_day_at_most() {
    let life = |left: u64| check_life(&Permit { expiry_s: 1_000 + left, ..permit(5, 0) }, 1_000);
    assert_eq!((life(60), life(86_400)), (Ok(()), Ok(())));
    for left in [0, 59, 86_401] {
        assert_eq!(life(left), Err(Refusal::PermitLife { expiry_s: 1_000 + left, now_s: 1_000 }));
    }
    assert!(check_life(&permit(5, 0), u64::MAX).is_err());
    assert!(life(59).unwrap_err().to_string().contains("60 to 86400 seconds"));
}

#[test]
fn nobody_sits_twice_and_no_seat_is_sold_twice() {
    assert_eq!(refused(&sit(0, 100)), Refusal::SeatTaken(0));
    let again = EntryBody::Sit { seat: SeatIndex(4), player: player(1), permit: permit(5, 0) };
    assert_eq!(refused(&again), Refusal::AlreadySeated);
    assert_eq!(refused(&sit(6, 100)), Refusal::NoSuchSeat(6));
}

#[test]
fn the_rake_of_a_split_pot_is_shared_by_those_who_lost_least() {
    assert_eq!(split_rake(&[(-5, 100), (-5, 100)], 10), Ok(vec![5, 5]));
    assert_eq!(split_rake(&[(-5, 100), (-5, 100)], 11), Ok(vec![6, 5]));
    assert_eq!(split_rake(&[(-20, 100), (5, 100), (5, 100)], 10), Ok(vec![0, 5, 5]));
}

#[test]
fn a_used_up_permit_passes_its_share_on_and_too_small_permits_are_refused() {
    assert_eq!(split_rake(&[(-20, 9), (10, 3)], 10), Ok(vec![7, 3]));
    assert_eq!(split_rake(&[(-20, 2), (10, 3)], 10), Err(Refusal::RakeAbovePermits(10)));
}
