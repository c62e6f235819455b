// Sounds of the table, made by the browser (Web Audio): nothing is fetched. Which sound belongs to which event is pure.

/** Sounds for one message at most: a run of events is no alarm. */
const AT_ONCE_MAX = 3;
/** Between the sounds of one message, in seconds. */
const APART_S = 0.11;

const OF_ACTION = {
  ACTION_KIND_FOLD: 'fold', ACTION_KIND_CHECK: 'check', ACTION_KIND_CALL: 'chips', ACTION_KIND_RAISE_TO: 'chips',
};

/** Names of the sounds of these events, in their order, each once. The turn's own sound is the last and always there. */
export function soundsOf(events, you) {
  const own = (seat) => you !== null && Number(seat ?? 0) === you;
  const found = [];
  for (const event of events) {
    if (event.dealt && own(event.dealt.seat)) found.push('deal');
    else if (event.street) found.push('card');
    else if (event.acted) found.push(OF_ACTION[event.acted.kind] ?? 'check');
    else if (event.potWon) found.push(own(event.potWon.seat) ? 'win' : 'pot');
    else if (event.turn?.timeBank === true && own(event.turn.seat)) found.push('alarm');
    else if (event.turn && own(event.turn.seat)) found.push('turn');
    else if (event.runItTwiceAsked && (event.runItTwiceAsked.seats ?? []).some(own)) found.push('turn');
  }
  const once = [...new Set(found)];
  const last = once.filter((name) => name === 'turn' || name === 'alarm');
  const others = once.filter((name) => !last.includes(name)).slice(0, Math.max(0, AT_ONCE_MAX - last.length));
  return [...others, ...last];
}

// Each sound as tones {at, hz, to, s, level} and bursts of noise {at, noise, s, level}; times in seconds.
const SOUNDS = {
  deal: [{ at: 0, noise: 5200, s: 0.05, level: 0.5 }, { at: 0.09, noise: 5600, s: 0.05, level: 0.5 }],
  card: [{ at: 0, noise: 4600, s: 0.06, level: 0.5 }],
  fold: [{ at: 0, noise: 1800, s: 0.12, level: 0.35 }],
  check: [{ at: 0, hz: 190, to: 120, s: 0.06, level: 0.9 }, { at: 0.11, hz: 180, to: 110, s: 0.06, level: 0.8 }],
  chips: [
    { at: 0, hz: 3100, to: 2900, s: 0.05, level: 0.25 }, { at: 0.045, hz: 3600, to: 3300, s: 0.05, level: 0.22 },
    { at: 0.085, hz: 2800, to: 2600, s: 0.06, level: 0.22 },
  ],
  pot: [{ at: 0, hz: 2500, to: 2300, s: 0.05, level: 0.2 }, { at: 0.05, hz: 2900, to: 2700, s: 0.06, level: 0.2 }],
  win: [{ at: 0, hz: 523, to: 523, s: 0.14, level: 0.4 }, { at: 0.12, hz: 659, to: 659, s: 0.14, level: 0.4 }, { at: 0.24, hz: 784, to: 784, s: 0.26, level: 0.4 }],
  turn: [{ at: 0, hz: 880, to: 880, s: 0.12, level: 0.5 }, { at: 0.13, hz: 1175, to: 1175, s: 0.2, level: 0.5 }],
  alarm: [{ at: 0, hz: 988, to: 988, s: 0.1, level: 0.6 }, { at: 0.16, hz: 988, to: 988, s: 0.1, level: 0.6 }, { at: 0.32, hz: 988, to: 988, s: 0.16, level: 0.6 }],
};
export const NAMES = Object.keys(SOUNDS);

let context = null;
let hiss = null;

/** Makes sounds possible: browsers let a page sound only after its reader has pressed something. */
function wake() {
  if (context === null) {
    try {
      context = new AudioContext();
      const samples = context.sampleRate / 2;
      hiss = context.createBuffer(1, samples, context.sampleRate);
      const data = hiss.getChannelData(0);
      for (let at = 0; at < samples; at += 1) data[at] = Math.random() * 2 - 1;
    } catch {
      context = null;
    }
  }
  context?.resume?.().catch(() => {});
}

export function listenForSound() {
  for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, wake, { capture: true, passive: true });
}

/** Plays these sounds one after the other; `volume` is 0 to 100. Silent where the browser does not let it. */
export function play(names, volume) {
  if (context === null || context.state !== 'running' || volume === 0) return;
  names.forEach((name, index) => {
    for (const part of SOUNDS[name] ?? []) sound(part, context.currentTime + index * APART_S + part.at, (volume / 100) * part.level);
  });
}

function sound({ hz, to, noise, s }, at, level) {
  const gain = context.createGain();
  gain.gain.setValueAtTime(0.0001, at);
  gain.gain.exponentialRampToValueAtTime(Math.max(0.0002, level), at + 0.008);
  gain.gain.exponentialRampToValueAtTime(0.0001, at + s);
  gain.connect(context.destination);
  let source;
  if (noise === undefined) {
    source = context.createOscillator();
    source.frequency.setValueAtTime(hz, at);
    source.frequency.exponentialRampToValueAtTime(to, at + s);
    source.connect(gain);
  } else {
    const band = context.createBiquadFilter();
    band.type = 'bandpass';
    band.frequency.value = noise;
    source = context.createBufferSource();
    source.buffer = hiss;
    source.connect(band).connect(gain);
  }
  source.start(at);
  source.stop(at + s + 0.02);
}
