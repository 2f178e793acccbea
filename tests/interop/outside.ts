/**
 * A way out of the lab that leads nowhere: hosts that are connected believe in the rest of the world, ask its
 * name server, and reach whatever address they like, all of which is one host of the lab (`outside-world.ts`).
 * Whom they have spoken to there, and in the lab, is known afterwards.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCertificate } from './certificate.ts';
import { conversationsOf, forgetConversations, noteConversations } from './conversations.ts';
import type { Host, Lab } from './lab.ts';
import type { Asked } from './outside-world.ts';

const PROGRAM = fileURLToPath(new URL('outside-world.ts', import.meta.url));
/** All of IPv4, in two routes that any other is more specific than. */
const EVERYWHERE = ['0.0.0.0/1', '128.0.0.0/1'];

export class Outside {
  /** Gateway and name server of the lab. */
  readonly host: Host;
  /** What who trusts its web servers must trust. */
  readonly certFile: string;
  readonly #names = new Map<string, string>();
  readonly #questions: Asked[] = [];

  private constructor(host: Host, certFile: string, known: Readonly<Record<string, string>>) {
    this.host = host;
    this.certFile = certFile;
    for (const [name, address] of Object.entries(known)) this.#names.set(address, name);
  }

  /**
   * Makes the rest of the world, where `known` names have these addresses, and web servers show a certificate
   * for `certified` names, as openssl writes them.
   */
  static async start(
    lab: Lab,
    address: string,
    known: Readonly<Record<string, string>>,
    ...certified: readonly string[]
  ): Promise<Outside> {
    const host = lab.publicHost('outside', address);
    const certificate = makeCertificate(host.dir, ...certified);
    const outside = new Outside(host, certificate.certFile, known);
    for (const prefix of EVERYWHERE) {
      const route = ['route', 'add', 'local', prefix, 'dev', 'lo', 'table', 'main'];
      await outside.host.output(['ip', ...route]);
    }
    const names = Object.entries(known).map((pair) => pair.join('='));
    const { certFile, keyFile } = certificate;
    const program = outside.host.fork(PROGRAM, [certFile, keyFile, ...names]);
    await once(program, 'message');
    program.on('message', (asked: Asked) => {
      outside.#questions.push(asked);
      if (asked.address !== undefined) outside.#names.set(asked.address, asked.name);
    });
    return outside;
  }

  /** Connects a host that has no way out yet; from now on it is known whom it speaks to. */
  async connect(host: Host): Promise<void> {
    await host.output(['ip', 'route', 'replace', 'default', 'via', this.host.address]);
    await this.observe(host);
  }

  /** Gives a host that has a way out a name server; from now on it is known whom it speaks to. */
  async observe(host: Host): Promise<void> {
    writeFileSync(join(host.dir, 'etc', 'resolv.conf'), `nameserver ${this.host.address}\n`);
    await noteConversations(host);
  }

  /** Forgets whom a host has spoken to. What goes on is noted again. */
  forget(host: Host): Promise<void> {
    return forgetConversations(host);
  }

  /** Names that a host, or all behind its NAT, has asked for. */
  askedBy(address: string): ReadonlySet<string> {
    const asked = this.#questions.filter(({ from }) => from === address);
    return new Set(asked.map(({ name }) => name));
  }

  /** Whom a host has spoken to, as `protocol name:port`, or the address for want of a name. */
  async spokenToBy(host: Host): Promise<ReadonlySet<string>> {
    const all = await conversationsOf(host);
    return new Set(
      all.map(({ protocol, address, port }) => {
        return `${protocol} ${this.#names.get(address) ?? address}:${port}`;
      }),
    );
  }
}
