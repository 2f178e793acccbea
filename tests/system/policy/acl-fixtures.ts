/** Policies that several tests of `acls` use, and who reaches whom by them, of two users with two devices each. */
import { accept, type Pairs } from './policy-tailnet.ts';

export const ALLOW_ALL = { acls: [accept(['*'], ['*:*'])] };
export const USER1_TO_USER2 = { acls: [accept(['user1@'], ['user2@:*'])] };
export const SELF = { acls: [accept(['autogroup:member'], ['autogroup:self:*'])] };
export const ALL_FOUR: Pairs = {
  'user1-1': ['user1-2', 'user2-1', 'user2-2'],
  'user1-2': ['user1-1', 'user2-1', 'user2-2'],
  'user2-1': ['user1-1', 'user1-2', 'user2-2'],
  'user2-2': ['user1-1', 'user1-2', 'user2-1'],
};
export const OWN_ONLY: Pairs = {
  'user1-1': ['user1-2'],
  'user1-2': ['user1-1'],
  'user2-1': ['user2-2'],
  'user2-2': ['user2-1'],
};
export const TO_USER2: Pairs = {
  'user1-1': ['user2-1', 'user2-2'],
  'user1-2': ['user2-1', 'user2-2'],
  'user2-1': [],
  'user2-2': [],
};
