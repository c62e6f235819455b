//! A pool of players who sit down at its tables session by session.

use crate::{
    cheat::{Guilty, Kind},
    persona::{Pace, Persona, Style, population},
    play::Sitting,
    player::{Cheat, Player, SimError},
    record::Played,
    think::Clockwork,
    truth::{Group, Truth},
};
use purr_engine::PlayerId;
use purr_fairplay_hands::{EndedHand, Random};

/// Size and composition of a pool.
#[derive(Clone, Debug)]
pub struct PoolPlan {
    /// A multiple of `seats`.
    pub players: usize,
    pub seats: usize,
    /// Hands of each table before everybody looks for another one.
    pub session_hands: u32,
    /// Probability that cheats sit down together in a session.
    pub together: f64,
    pub guilty: Vec<Guilty>,
}

impl Default for PoolPlan {
    fn default() -> Self {
        Self { players: 30, seats: 6, session_hands: 100, together: 0.8, guilty: Vec::new() }
    }
}

/// Plays the hands of one pool.
pub struct Pool {
    number: u64,
    plan: PoolPlan,
    players: Vec<Player>,
    truth: Truth,
    random: Random,
    sessions: u64,
}

impl Pool {
    /// Pool `number` of a seed. Pools of one seed have different players and hands.
    ///
    /// # Errors
    /// Seats and players that do not fit, or more cheats than players.
    pub fn new(seed: u64, number: u64, plan: PoolPlan) -> Result<Self, SimError> {
        let (players, seats) = (plan.players, plan.seats);
        if !(2..=10).contains(&seats) || players == 0 || players % seats != 0 {
            return Err(SimError::Seats { players, seats });
        }
        let wanted = plan.guilty.iter().map(|guilty| guilty.kind.accounts()).sum();
        let mut random = Random::new(seed).child(number + 1);
        let personas = population(players);
        let mut made: Vec<Player> =
            (0..players).map(|place| player(seed, number, place, personas[place], &mut random)).collect();
        let mut truth = Truth::default();
        // Friends stay honest; anybody else may be chosen as a cheat.
        let mut free: Vec<usize> = (0..players).filter(|at| personas[*at] != Persona::Friend).collect();
        random.shuffle(&mut free);
        if wanted > free.len() {
            return Err(SimError::Guilty { wanted, players });
        }
        for guilty in &plan.guilty {
            let members = free.split_off(free.len() - guilty.kind.accounts());
            corrupt(&mut made, guilty, &members, truth.groups.len(), &mut random);
            truth.groups.push(Group {
                kind: guilty.kind,
                name: guilty.kind.name().to_owned(),
                intensity: guilty.intensity,
                members: members.iter().map(|at| made[*at].id).collect(),
                hands: Vec::new(),
            });
        }
        Ok(Self { number, plan, players: made, truth, random, sessions: 0 })
    }

    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    pub fn players(&self) -> impl Iterator<Item = (PlayerId, Persona)> {
        self.players.iter().map(|player| (player.id, player.persona))
    }

    /// Number of hands in one session, over all tables.
    pub fn session_hands(&self) -> u32 {
        self.plan.session_hands * (self.plan.players / self.plan.seats) as u32
    }

    /// Assigns new seats to all players and plays one session at each table.
    ///
    /// # Errors
    /// Where the engine refuses what the simulator does, which is a fault of the simulator.
    pub fn play_session(&mut self, emit: &mut dyn FnMut(&EndedHand)) -> Result<(), SimError> {
        self.play_session_whole(&mut |played| emit(played.hand))
    }

    /// As [`Self::play_session`], and also emits what a table knows of each hand.
    ///
    /// # Errors
    /// As there.
    pub fn play_session_whole(&mut self, emit: &mut dyn FnMut(Played<'_>)) -> Result<(), SimError> {
        let tables = self.seat();
        for player in &mut self.players {
            player.mood = player.pace.mood * self.random.normal();
            player.changed = match player.cheat {
                Some(Cheat { kind: Kind::MultiAccount, intensity, .. }) => !self.random.chance(intensity),
                _ if player.persona == Persona::Changer => (self.sessions / 6) % 2 == 1,
                _ => false,
            };
        }
        for (at, seats) in tables.into_iter().enumerate() {
            let name = format!("pool-{}-table-{at}", self.number);
            let first = self.sessions * u64::from(self.plan.session_hands) + 1;
            let mut random = self.random.child(self.sessions << 8 | at as u64);
            let mut sitting = Sitting::new(name, seats, &self.players, first, self.sessions * 3_600_000)?;
            for _ in 0..self.plan.session_hands {
                sitting.play(&mut self.players, &mut self.truth, &mut random)?;
                emit(sitting.played());
            }
        }
        self.sessions += 1;
        self.random.bits();
        Ok(())
    }

    /// Assigns players to tables: friends and, usually, cheats together; accounts of one person never.
    fn seat(&mut self) -> Vec<Vec<usize>> {
        let (count, seats) = (self.plan.players / self.plan.seats, self.plan.seats);
        let mut blocks: Vec<Vec<usize>> = Vec::new();
        let mut placed = vec![false; self.players.len()];
        for at in 0..self.players.len() {
            let friend = self.players[at].persona == Persona::Friend && self.players[at].cheat.is_none();
            let mate = match self.players[at].cheat {
                Some(cheat) if cheat.first && cheat.kind.is_pair() && cheat.kind != Kind::MultiAccount => {
                    cheat.partner.filter(|_| self.random.chance(self.plan.together))
                }
                // Friends are next to each other in the population.
                _ if friend && !placed[at] => Some(at + 1).filter(|next| {
                    self.players.get(*next).is_some_and(|next| next.persona == Persona::Friend)
                }),
                _ => None,
            };
            if let Some(mate) = mate.filter(|mate| !placed[*mate] && !placed[at]) {
                (placed[at], placed[mate]) = (true, true);
                blocks.push(vec![at, mate]);
            }
        }
        let mut alone: Vec<Vec<usize>> =
            (0..self.players.len()).filter(|at| !placed[*at]).map(|at| vec![at]).collect();
        self.random.shuffle(&mut alone);
        // Accounts of one person are placed first, so that each finds a table of its own; selectors are placed last and
        // take the loosest table with room.
        alone.sort_by_key(|block| {
            let player = &self.players[block[0]];
            match player.cheat {
                Some(Cheat { kind: Kind::MultiAccount, .. }) => 0,
                _ if player.persona == Persona::Selector => 2,
                _ => 1,
            }
        });
        blocks.extend(alone);
        let mut tables: Vec<Vec<usize>> = vec![Vec::new(); count];
        for block in blocks {
            let room = |table: &Vec<usize>| table.len() + block.len() <= seats;
            let fits: Vec<usize> = (0..count).filter(|at| room(&tables[*at])).collect();
            let apart: Vec<usize> =
                fits.iter().copied().filter(|at| !self.has_other_account(&tables[*at], block[0])).collect();
            let fits = if apart.is_empty() { fits } else { apart };
            let loosest = |at: &&usize| {
                let loose: f64 = tables[**at].iter().map(|p| self.players[*p].style.vpip).sum();
                (loose * 1e6) as u64
            };
            let chosen = match self.players[block[0]].persona {
                Persona::Selector => fits.iter().max_by_key(loosest).copied(),
                _ if fits.is_empty() => None,
                _ => Some(fits[self.random.below(fits.len())]),
            };
            // Pairs are placed first, so that there is room for each of them.
            if let Some(chosen) = chosen {
                tables[chosen].extend(block);
            }
        }
        for table in &mut tables {
            // Turns the table and now and then swaps two, so that friends mostly stay neighbours.
            let turn = self.random.below(table.len().max(1));
            table.rotate_left(turn);
            let (a, b) = (self.random.below(table.len()), self.random.below(table.len()));
            table.swap(a, b);
        }
        tables
    }

    fn has_other_account(&self, table: &[usize], player: usize) -> bool {
        self.players[player].cheat.is_some_and(|cheat| {
            cheat.kind == Kind::MultiAccount && cheat.partner.is_some_and(|partner| table.contains(&partner))
        })
    }
}

fn player(seed: u64, pool: u64, place: usize, persona: Persona, random: &mut Random) -> Player {
    let mut id = [0; 20];
    id[..8].copy_from_slice(&seed.to_be_bytes());
    id[8..16].copy_from_slice(&pool.to_be_bytes());
    id[16..].copy_from_slice(&(place as u32).to_be_bytes());
    let style = Style::draw(persona, random);
    let other = match persona {
        Persona::Tilter => Style::draw(Persona::Maniac, random),
        Persona::Changer => {
            Style::draw([Persona::Nit, Persona::Station, Persona::Maniac][random.below(3)], random)
        }
        _ => Style::draw(persona, random),
    };
    Player {
        id: PlayerId(id),
        persona,
        style,
        other: (other, Pace::draw(persona, random)),
        pace: Pace::draw(persona, random),
        clockwork: Clockwork::Human,
        taste: random.bits(),
        cheat: None,
        tilted_hands: 0,
        changed: false,
        mood: 0.0,
    }
}

fn corrupt(players: &mut [Player], guilty: &Guilty, members: &[usize], group: usize, random: &mut Random) {
    let Guilty { kind, intensity } = *guilty;
    let victim = || (0..players.len()).find(|at| !members.contains(at) && players[*at].style.vpip > 0.25);
    let partner = if kind == Kind::SuperuserOne { victim() } else { None };
    for (place, at) in members.iter().enumerate() {
        let mate = members.get(1 - place.min(1)).copied().filter(|mate| mate != at);
        players[*at].cheat =
            Some(Cheat { group, kind, intensity, first: place == 0, partner: partner.or(mate) });
        if kind.is_bot() {
            players[*at].persona = Persona::Regular;
            players[*at].style = Style::draw(Persona::Regular, random);
            players[*at].clockwork = match kind {
                Kind::BotNaive => Clockwork::Naive,
                Kind::BotJittered => Clockwork::Jittered,
                _ => Clockwork::Imitating,
            };
        }
    }
    if let (Kind::MultiAccount, [first, second]) = (kind, members) {
        let (style, pace, persona, taste) =
            (players[*first].style, players[*first].pace, players[*first].persona, players[*first].taste);
        let twin = &mut players[*second];
        (twin.style, twin.pace, twin.persona, twin.taste) = (style, pace, persona, taste);
        twin.other.0 = Style::draw(persona, random);
    }
}
