/**
 * Functions of the process itself, called through `node:ffi`: the OpenSSL and zstd inside the node
 * binary, so that nothing is built or downloaded. A wrong argument here ends the process, so this
 * folder is the only place where a pointer is seen, and what it offers takes and returns byte arrays.
 *
 * Every argument is declared `pointer` and given as a bigint, integers too: such calls of 2 to 6
 * arguments are compiled into a jump, 2 ns, where any other type costs 80 to 320 ns of checks. It
 * relies on integer arguments being whole registers, which is so on the architectures listed.
 *
 * Observed: node 26.10; `node:ffi` is experimental, and `--no-experimental-ffi` switches it off.
 */
import type * as Ffi from 'node:ffi';

const ARCHITECTURES: readonly string[] = ['x64', 'arm64'];

/** The smallest number of arguments that the fast form takes. */
const FAST_FROM = 2;

/** Functions by their symbols, and the memory to call them with. Good as long as the process lives. */
export interface ProcessLibrary<T extends Ffi.FunctionDefinitions> {
  readonly functions: Ffi.WrappedFunctionsFromDefinitions<T>;
  readonly arena: Arena;
}

/** Memory that native code is given pointers into. */
export interface Arena {
  /** All of it. Its buffer is neither resizable nor given away, so it is never detached. */
  readonly bytes: Uint8Array;
  /** Where it begins. It stays there: such a buffer is off V8's heap. */
  readonly address: bigint;
}

/** A pointer keeps nothing alive, so this does: what native code may still have one to. */
const pinned: unknown[] = [];

/** Finds functions of this process. Throws an Error that says why it cannot. */
export function openProcess<const T extends Ffi.FunctionDefinitions>(
  definitions: T,
  arenaBytes: number,
): ProcessLibrary<T> {
  if (!ARCHITECTURES.includes(process.arch)) throw new Error(`not tried on ${process.arch}`);
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) throw new Error('node:ffi is switched off or missing');
  const { functions, lib } = ffi.dlopen(null, definitions);
  for (const [name, definition] of Object.entries(definitions)) {
    const isFast = String(functions[name]).includes('[native code]');
    if ((definition.arguments?.length ?? 0) >= FAST_FROM && !isFast) {
      throw new Error(`calls of ${name} are slow in this version of Node.js`);
    }
  }
  const memory = new ArrayBuffer(arenaBytes);
  pinned.push(lib, memory);
  return {
    functions,
    arena: { bytes: new Uint8Array(memory), address: ffi.getRawPointer(memory) },
  };
}
