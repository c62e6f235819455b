//! Plays the same hands in rs_poker's arena: all agents share one script, and the one to act takes the next step.

use crate::hands::{BIG_BLIND, Hand, SMALL_BLIND, STACK};
use purr_engine::Action;
use rs_poker::arena::{Agent, GameState, HoldemSimulation, HoldemSimulationBuilder, action::AgentAction};
use std::{cell::Cell, rc::Rc};

struct Scripted {
    actions: Rc<[AgentAction]>,
    next: Rc<Cell<usize>>,
}

impl Agent for Scripted {
    fn act(&mut self, _id: u128, _state: &GameState) -> AgentAction {
        let at = self.next.get();
        self.next.set(at + 1);
        self.actions.get(at).cloned().unwrap_or(AgentAction::Fold)
    }
}

pub struct Simulation {
    pub simulation: HoldemSimulation,
    next: Rc<Cell<usize>>,
}

#[allow(clippy::cast_precision_loss, reason = "chips of the bench are small")]
pub fn simulation(players: u8, hand: &Hand) -> Simulation {
    let action = |(_, action): &(_, Action)| match *action {
        Action::Fold => AgentAction::Fold,
        Action::Check | Action::Call => AgentAction::Call,
        Action::RaiseTo(total) => AgentAction::Bet(total as f32),
    };
    let actions: Rc<[AgentAction]> = hand.actions.iter().map(action).collect();
    let next = Rc::new(Cell::new(0));
    let agent = |_| -> Box<dyn Agent> { Box::new(Scripted { actions: actions.clone(), next: next.clone() }) };
    let stacks = vec![STACK as f32; usize::from(players)];
    let state = GameState::new_starting(stacks, BIG_BLIND as f32, SMALL_BLIND as f32, 0.0, 0);
    let agents = (0..players).map(agent).collect();
    let simulation = HoldemSimulationBuilder::default().game_state(state).agents(agents).build();
    Simulation { simulation: simulation.expect("as many agents as stacks"), next }
}

/// Checks that a hand was played as written, because the arena turns actions that it considers illegal into folds.
pub fn check(played: &Simulation, hand: &Hand) {
    let asked = played.next.get();
    assert_eq!(asked, hand.actions.len(), "the arena asked {asked} times: {:?}", hand.actions);
    let pot: f32 = played.simulation.game_state.player_bet.iter().sum();
    assert!((f64::from(pot) - hand.pot as f64).abs() < 0.5, "the arena's pot is {pot}, not {}", hand.pot);
}
