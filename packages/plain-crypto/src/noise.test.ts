import { testNoiseCrypto } from '@malla/noise/testing/crypto-suite';
import { plainCrypto } from './noise.ts';

// That it agrees with another is a test of that other, on node:crypto.
testNoiseCrypto('in plain JavaScript', plainCrypto, plainCrypto);
