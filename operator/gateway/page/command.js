// A command to the table that is shown.

import { say } from './dom.js';
import { app, draw } from './state.js';

/** Sends it; gives back whether the table has carried it out. A refusal is shown, or handed to `failed`. */
export async function command(body, failed = (error) => { app.notice = error.message; say(error.message, true); }) {
  app.notice = null;
  try {
    await app.link.send(body);
    return true;
  } catch (error) {
    failed(error);
    return false;
  } finally {
    draw();
  }
}
