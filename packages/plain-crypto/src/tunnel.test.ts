import { testTunnelCrypto } from '@malla/tunnel/testing/crypto-suite';
import { plainTunnelCrypto } from './tunnel.ts';

testTunnelCrypto('in plain JavaScript', plainTunnelCrypto);
