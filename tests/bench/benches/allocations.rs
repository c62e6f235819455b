//! Allocations and bytes of one `apply` once a hand is dealt, and of a deal: counted, not timed. Prints one JSON line.

#[path = "engine/hands.rs"]
mod hands;

use purr_engine::Command;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory that it hands out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    for players in [2, 6, 10] {
        let list = hands::hands(players, 200);
        let mut events = Vec::with_capacity(1_024);
        let (mut deal, mut act, mut actions) = ((0, 0), (0, 0), 0u64);
        for hand in &list {
            let mut table = hands::table(players);
            events.clear();
            let start = Command::StartHand { hand: 1, deck: hand.deck.clone() };
            let before = (CALLS.load(Relaxed), BYTES.load(Relaxed));
            table.apply_into(0, start, &mut events).expect("a hand");
            let dealt = (CALLS.load(Relaxed), BYTES.load(Relaxed));
            for &(seat, action) in &hand.actions {
                table.apply_into(0, Command::Act { seat, action }, &mut events).expect("a legal action");
            }
            let ended = (CALLS.load(Relaxed), BYTES.load(Relaxed));
            deal = (deal.0 + dealt.0 - before.0, deal.1 + dealt.1 - before.1);
            act = (act.0 + ended.0 - dealt.0, act.1 + ended.1 - dealt.1);
            actions += hand.actions.len() as u64;
        }
        let line = serde_json::json!({
            "players": players, "hands": list.len(), "actions": actions, "deal_calls": deal.0, "deal_bytes": deal.1,
            "act_calls": act.0, "act_bytes": act.1,
        });
        println!("{line}");
    }
}
