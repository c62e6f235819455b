// Lets Playwright drive Debian's Firefox by WebDriver BiDi: it sends a command for every new context that this Firefox does not
// know, and that no test here needs. Loaded by `node --import`, before anything requires Playwright.

import Module from 'node:module';

const UNKNOWN = /await (this\._(?:browser\._browserS|s)ession\.send\("emulation\.setMediaFeaturesOverride")/g;
const compile = Module.prototype._compile;
Module.prototype._compile = function (source, file, ...more) {
  const taken = file.endsWith('playwright-core/lib/coreBundle.js') ? source.replace(UNKNOWN, 'if (false) await $1') : source;
  return compile.call(this, taken, file, ...more);
};
