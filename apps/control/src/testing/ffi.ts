/** Whether this process can call functions of the node binary: Node 24 cannot. */
import process from 'node:process';

/** `false`, or the reason to skip, for the `skip` option of a test. */
export const withoutFfi: string | false =
  process.getBuiltinModule('node:ffi') === undefined ? 'needs node:ffi, of Node 26' : false;
