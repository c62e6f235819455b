//! Honest players, including hard negatives.

use purr_fairplay_hands::Random;

/// Kinds of honest players. The last three look like cheats in some statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persona {
    Nit,
    Regular,
    Station,
    Maniac,
    /// Plays wildly for a while after a big loss.
    Tilter,
    /// Takes another style every few hundred hands.
    Changer,
    /// Sits down where weak players sit.
    Selector,
    /// Only ever plays where one friend plays, at the friend's left.
    Friend,
    /// "Accidental" colluder: attacks the player on the right, yields to the player on the left.
    Positional,
    /// Quick and even in pace, few bet sizes: the honest player nearest to a bot.
    Grinder,
}

/// How a player plays, drawn from the persona's ranges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Share of hands played.
    pub(crate) vpip: f64,
    /// Share of the played hands that are raised.
    pub(crate) raise: f64,
    pub(crate) three_bet: f64,
    pub(crate) aggression: f64,
    pub(crate) bluff: f64,
    /// Added to the inclination to call.
    pub(crate) sticky: f64,
    /// Bet sizes as fractions of the pot.
    pub(crate) sizes: [f64; 3],
    /// Standard deviation of the error in judging a hand.
    pub(crate) noise: f64,
}

/// How long a player thinks: ln(ms) = base + slope · difficulty + mood + normal noise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) base: f64,
    pub(crate) slope: f64,
    pub(crate) spread: f64,
    pub(crate) mood: f64,
}

impl Style {
    pub(crate) fn draw(persona: Persona, random: &mut Random) -> Self {
        let mut within = |(low, high): (f64, f64)| random.range(low, high);
        let (vpip, raise, three_bet, aggression, bluff, sticky) = match persona {
            Persona::Nit => {
                ((0.11, 0.18), (0.6, 0.8), (0.02, 0.04), (0.25, 0.45), (0.02, 0.06), (-0.12, -0.04))
            }
            Persona::Station => {
                ((0.35, 0.58), (0.1, 0.35), (0.01, 0.03), (0.1, 0.3), (0.01, 0.05), (0.08, 0.2))
            }
            Persona::Maniac => ((0.42, 0.65), (0.6, 0.8), (0.1, 0.18), (0.7, 0.95), (0.2, 0.4), (0.0, 0.1)),
            _ => ((0.19, 0.30), (0.65, 0.9), (0.04, 0.09), (0.4, 0.7), (0.06, 0.16), (-0.05, 0.05)),
        };
        let style = Self {
            vpip: within(vpip),
            raise: within(raise),
            three_bet: within(three_bet),
            aggression: within(aggression),
            bluff: within(bluff),
            sticky: within(sticky),
            sizes: [within((0.3, 0.5)), within((0.5, 0.75)), within((0.7, 1.1))],
            noise: within((0.03, 0.08)),
        };
        if persona == Persona::Grinder {
            return Self { sizes: [style.sizes[1], style.sizes[1], style.sizes[2]], noise: 0.02, ..style };
        }
        style
    }

    /// Between two styles: 0 is this one, 1 the other.
    pub(crate) fn toward(self, other: Self, share: f64) -> Self {
        let mix = |a: f64, b: f64| a + (b - a) * share;
        Self {
            vpip: mix(self.vpip, other.vpip),
            raise: mix(self.raise, other.raise),
            three_bet: mix(self.three_bet, other.three_bet),
            aggression: mix(self.aggression, other.aggression),
            bluff: mix(self.bluff, other.bluff),
            sticky: mix(self.sticky, other.sticky),
            ..self
        }
    }
}

impl Pace {
    pub(crate) fn draw(persona: Persona, random: &mut Random) -> Self {
        let grinder = persona == Persona::Grinder;
        let (base, slope, spread) =
            if grinder { (7.0, (0.4, 0.7), (0.3, 0.4)) } else { (7.4, (0.5, 1.3), (0.38, 0.65)) };
        Self {
            base: base + 0.25 * random.normal(),
            slope: random.range(slope.0, slope.1),
            spread: random.range(spread.0, spread.1),
            mood: random.range(0.08, 0.25),
        }
    }
}

/// The honest population of a pool, in shares of 30.
const POPULATION: [(Persona, usize); 10] = [
    (Persona::Regular, 6),
    (Persona::Nit, 4),
    (Persona::Station, 5),
    (Persona::Maniac, 2),
    (Persona::Tilter, 3),
    (Persona::Changer, 2),
    (Persona::Selector, 2),
    (Persona::Friend, 2),
    (Persona::Positional, 2),
    (Persona::Grinder, 2),
];

/// Draws `count` personas with the population's shares; friends come in pairs, next to each other.
pub(crate) fn population(count: usize) -> Vec<Persona> {
    let of = |persona: Persona, share: usize| std::iter::repeat_n(persona, share);
    POPULATION.iter().flat_map(|(persona, share)| of(*persona, *share)).cycle().take(count).collect()
}
