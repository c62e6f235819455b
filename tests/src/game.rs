//! A table with players at it.

use crate::{
    Figures, Player, PlayerState, Stack, Table, balances, balances::Balances, checker::Recorder, until,
};
use anyhow::{Context, ensure};
use purr_client::Session;
use std::time::Duration;

/// The players, and their chips in minor units.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub players: u64,
    pub deposit: u64,
    pub buy_in: u64,
}

impl Plan {
    /// For the example table: 500 deposited, 100 on the table.
    pub const fn of(players: u64) -> Self {
        Self { players, deposit: 500_000_000, buy_in: 100_000_000 }
    }
}

pub struct Game {
    pub table: Table,
    pub players: Vec<Player>,
    /// The keys of their wallets, in the same order.
    pub keys: Vec<[u8; 32]>,
    pub figures: Figures,
    /// The messages from and to its players.
    pub recorder: Recorder,
    pub deposited: u64,
}

impl Game {
    /// Players deposit, sign in and sit down; returns once all have their seats. `say` is called with each step.
    pub async fn start(
        stack: &Stack,
        table: Table,
        plan: Plan,
        say: impl Fn(String),
    ) -> anyhow::Result<Self> {
        let (figures, recorder) = (Figures::default(), Recorder::default());
        let (mut players, mut keys) = (Vec::new(), Vec::new());
        for seed in 1..=plan.players {
            let (wallet, key) = stack.funded_wallet(plan.deposit).await?;
            keys.push(key);
            say(format!("{} has deposited", wallet.address()));
            let session = Session::new(stack.api(), wallet);
            // The deposit counts at final depth.
            until("the deposit is seen", Duration::from_secs(30), || async {
                let token = session.token().await?;
                let free = session.api().balance(&token.text).await?.free;
                Ok(Some(()).filter(|()| free == plan.deposit))
            })
            .await?;
            let gateway = stack.gateway.clone();
            let heard = (figures.clone(), recorder.clone());
            players.push(Player::sit(session, gateway, &table.uid, plan.buy_in, seed, heard).await?);
        }
        let mut game =
            Self { table, players, keys, figures, recorder, deposited: plan.deposit * plan.players };
        game.all("a seat", Duration::from_secs(60), |state| state.seat.is_some()).await?;
        Ok(game)
    }

    /// Waits until every player meets the condition.
    pub async fn all(
        &mut self,
        what: &str,
        limit: Duration,
        want: impl Fn(&PlayerState) -> bool + Copy,
    ) -> anyhow::Result<Vec<PlayerState>> {
        let mut states = Vec::new();
        for player in &mut self.players {
            states.push(player.sees(what, limit, want).await?);
        }
        Ok(states)
    }

    pub async fn plays(&mut self, hands: u64, limit: Duration) -> anyhow::Result<()> {
        let first = self.players.first_mut().context("nobody plays")?;
        first.sees(&format!("{hands} hands"), limit, |state| state.hands >= hands).await.map(drop)
    }

    /// Pauses the table, waits for the hand's end and for the chain, and compares all three books.
    pub async fn settle(&mut self, stack: &Stack, limit: Duration) -> anyhow::Result<Balances> {
        let sequence = self.table.stand_still(stack, Duration::from_secs(90)).await?;
        let players = || self.players.iter().map(|player| (player.session.wallet().address(), player.now()));
        let stacks = || players().map(|(address, state)| (address.to_string(), state.stack)).collect();
        let uid = &self.table.uid;
        let balances = balances::settled(stack, (uid, sequence), stacks, self.deposited, limit).await?;
        // The chain has all of them; the table reports that to the players.
        until("every hand is told to be final", limit, || async {
            let (ended, confirmed) = self.figures.hands();
            ensure!(ended == confirmed, "{confirmed} of {ended}");
            Ok(Some(()))
        })
        .await?;
        Ok(balances)
    }
}
