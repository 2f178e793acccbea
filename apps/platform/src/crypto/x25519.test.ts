import { testX25519 } from '@malla/keys/testing/x25519-suite';
import { importPrivate } from './x25519.ts';

testX25519('on node:crypto', importPrivate);
