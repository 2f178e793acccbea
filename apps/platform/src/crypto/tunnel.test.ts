import { testTunnelCrypto } from '@malla/tunnel/testing/crypto-suite';
import { nodeTunnelCrypto } from './tunnel.ts';

testTunnelCrypto('on node:crypto', nodeTunnelCrypto);
