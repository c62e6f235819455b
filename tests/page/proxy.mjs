// A network between browser and gateway that can break: connections are cut without a word and new ones refused.
// The browser's own offline switch leaves open sockets alone, so it proves nothing.

import net from 'node:net';

export class Network {
  #server = null;
  #sockets = new Set();
  #to = null;
  /** Connections that came while it was broken. */
  refused = 0;
  down = false;
  /** Requests for a WebSocket are answered by this network itself, as some companies' proxies do. */
  plain = false;

  /** Listens on a port that the kernel chooses. */
  static async open() {
    const network = new Network();
    network.#server = net.createServer((near) => network.#accept(near));
    await new Promise((resolve) => network.#server.listen(0, '127.0.0.1', resolve));
    network.port = network.#server.address().port;
    return network;
  }

  /** Where it leads, once that is known. */
  lead(port) {
    this.#to = port;
  }

  #accept(near) {
    if (this.down || this.#to === null) {
      this.refused += 1;
      near.resetAndDestroy();
      return undefined;
    }
    if (!this.plain) return this.#join(near);
    near.once('error', () => near.destroy());
    near.once('data', (first) => {
      if (/^upgrade: *websocket/im.test(first.toString('latin1'))) {
        near.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
        return;
      }
      near.pause();
      near.unshift(first);
      this.#join(near);
    });
    return undefined;
  }

  #join(near) {
    const far = net.connect(this.#to, '127.0.0.1');
    for (const [one, other] of [[near, far], [far, near]]) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }

  /** Every connection breaks off, and none comes through. */
  cut() {
    this.down = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend() {
    this.down = false;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}
