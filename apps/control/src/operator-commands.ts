/**
 * The commands that pages, messages and the log tell an operator to run, with malla called as it is called
 * where this server runs: who copies one runs it as it stands.
 */

export interface OperatorCommands {
  /** Lets in a device that waits. */
  readonly register: (authId: string) => string;
  /** Let an SSH connection through that waits, or refuse it. */
  readonly approve: (authId: string) => string;
  readonly reject: (authId: string) => string;
}

/** `call` is how malla is called: `malla`, `./bin/malla`, `docker exec 0123456789ab malla`. */
export function operatorCommands(call: string): OperatorCommands {
  return {
    register: (authId) => `${call} nodes register --key ${authId} --user USERNAME`,
    approve: (authId) => `${call} auth approve --auth-id ${authId}`,
    reject: (authId) => `${call} auth reject --auth-id ${authId}`,
  };
}
