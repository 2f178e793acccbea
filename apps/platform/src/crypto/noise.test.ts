import { testNoiseCrypto } from '@malla/noise/testing/crypto-suite';
import { plainCrypto } from '@malla/plain-crypto/noise';
import { nodeCrypto } from './noise.ts';

testNoiseCrypto('on node:crypto', nodeCrypto, plainCrypto);
