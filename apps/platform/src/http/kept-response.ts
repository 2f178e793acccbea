/**
 * An answer that is the same for everybody: its bytes are made once and shared by all who are being sent
 * them, however slowly they read. A Response of the platform copies its bytes for each.
 */

/** What makes the bytes; called once. */
export type KeptBody = () => string | Uint8Array | Promise<string | Uint8Array>;

/** A way to answer with what is kept. */
export interface Kept {
  /** The answer, to be sent as it is: nobody may change the bytes. */
  response(): Promise<Response>;
}

/** Keeps what `make` makes, from when it is first asked for. A failure is not kept. */
export function kept(make: KeptBody, headers: Readonly<Record<string, string>>): Kept {
  let made: Promise<Uint8Array<ArrayBuffer>> | undefined;
  const body = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = await make();
    return typeof bytes === 'string' ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes);
  };
  return {
    async response() {
      made ??= body();
      try {
        return new KeptResponse(await made, { headers });
      } catch (error) {
        made = undefined;
        throw error;
      }
    },
  };
}

/** Read as often as one likes: nothing is used up. */
class KeptResponse extends Response {
  override readonly bytes: () => Promise<Uint8Array<ArrayBuffer>>;
  override readonly text: () => Promise<string>;
  override readonly json: () => Promise<unknown>;

  constructor(body: Uint8Array<ArrayBuffer>, init: ResponseInit) {
    super(null, init);
    this.bytes = () => Promise.resolve(body);
    this.text = async () => new TextDecoder().decode(body);
    this.json = async () => JSON.parse(await this.text()) as unknown;
  }
}
